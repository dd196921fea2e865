/** The details of a conversation: the user's own settings of it, and for a group its participants. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { groupSections } from "./group.js";
import { icon } from "./icons.js";
import { personActions } from "./person.js";
import { dateAndTime, presenceText } from "./text.js";
import { avatar, empty, iconButton, paneHead, pictureOf } from "./widgets.js";

/** @import { App } from './app.js' */
/** @import { Person, RoomRow } from './types.d.ts' */

const THEMES = ["default", "ocean", "forest", "violet", "slate"];
const HOUR_MS = 3_600_000;
const FOREVER = "9999-12-31T23:59:59.999Z";

/** @param {App} app @param {string} id @param {boolean} isMain whether the pane covers the chat */
export function detailsPane(app, id, isMain) {
    const view = app.client.room(id);
    const title = view?.row.room.is_group ? "Group" : "Details";
    const content = view ? details(app, view.row) : empty({ title: "This conversation is not available" });
    const head = isMain
        ? paneHead(app, { title, parent: `#/r/${id}`, isMain })
        : paneHead(app, {
              title,
              parent: null,
              isMain,
              actions: iconButton("close", "Close details", () => app.go(`#/r/${id}`)),
          });
    return isMain
        ? html`<main class="pane main">
              ${head}
              <div class="scroll">${content}</div>
          </main>`
        : html`<aside class="pane details-pane" aria-label="Details">
              ${head}
              <div class="scroll">${content}</div>
          </aside>`;
}

/** @param {App} app @param {RoomRow} row */
function details(app, row) {
    const { room, peer } = row;
    const presence = peer ? (app.state.presence.get(peer.user_id) ?? peer) : null;
    return html`<div class="card">
            ${avatar({
                name: row.title,
                url: pictureOf(row),
                online: presence?.is_online,
                size: "large",
            })}
            <p class="card-title" dir="auto">${row.title}</p>
            ${peer ? html`<p class="muted" dir="auto">@${peer.username}</p>` : nothing}
            ${presence ? html`<p class="muted">${presenceText(presence)}</p>` : nothing}
            ${room.description ? html`<p class="description" dir="auto">${room.description}</p>` : nothing}
        </div>
        ${settings(app, row)} ${room.is_group ? groupSections(app, row) : nothing}
        ${
            peer
                ? html`<ul class="menu">
                      ${personActions(app, asPerson(peer))}
                  </ul>`
                : nothing
        }`;
}

/** @param {NonNullable<RoomRow['peer']>} peer @returns {Person} */
const asPerson = (peer) => ({
    id: peer.user_id,
    username: peer.username,
    display_name: peer.display_name ?? null,
    avatar_url: peer.avatar_url,
});

/** @param {App} app @param {RoomRow} row */
function settings(app, row) {
    const { room } = row;
    const key = `settings:${row.id}`;
    /** @param {Parameters<App['client']['updateSettings']>[1]} patch */
    const update = (patch) => void app.run(key, () => app.client.updateSettings(row.id, patch));
    /** @param {Event} event */
    const mute = (event) => {
        const { value } = /** @type {HTMLSelectElement} */ (event.target);
        const hours = Number(value);
        const until = value === "forever" ? FOREVER : new Date(Date.now() + hours * HOUR_MS).toISOString();
        update({ muted_until: value === "off" ? null : until });
    };
    const mutedUntil =
        row.isMuted && room.settings.muted_until !== FOREVER ? room.settings.muted_until : null;
    return html`<h2 class="section">Settings</h2>
        <div class="settings">
            <label class="setting">
                ${icon("bellOff")}
                <span class="grow"
                    >Mute${mutedUntil ? html`<br /><span class="muted">until ${dateAndTime(mutedUntil)}</span>` : nothing}</span
                >
                <select @change=${mute}>
                    <option value="off" .selected=${!row.isMuted}>Off</option>
                    ${mutedUntil ? html`<option value="" disabled .selected=${true}>On</option>` : nothing}
                    <option value="1">1 hour</option>
                    <option value="8">8 hours</option>
                    <option value="168">1 week</option>
                    <option value="forever" .selected=${row.isMuted && !mutedUntil}>Always</option>
                </select>
            </label>
            ${toggle(icon("pin"), "Pin to the top", row.isPinned, (is_pinned) => update({ is_pinned }))}
            ${toggle(icon("archive"), "Archive", row.isArchived, (is_archived) => update({ is_archived }))}
        </div>
        <fieldset class="themes">
            <legend>Theme</legend>
            ${THEMES.map(
                (theme) =>
                    html`<label class="theme theme-${theme}" title=${theme}>
                        <input
                            type="radio"
                            name="theme"
                            value=${theme}
                            aria-label=${theme}
                            .checked=${(room.settings.theme ?? "default") === theme}
                            @change=${() => update({ theme: theme === "default" ? null : theme })}
                        /><span></span>
                    </label>`,
            )}
        </fieldset>`;
}

/** @param {unknown} mark @param {string} text @param {boolean} isOn @param {(isOn: boolean) => void} set */
export function toggle(mark, text, isOn, set) {
    return html`<label class="setting">
        ${mark}<span class="grow">${text}</span>
        <input
            type="checkbox"
            role="switch"
            class="switch"
            .checked=${isOn}
            @change=${(/** @type {Event} */ event) => set(/** @type {HTMLInputElement} */ (event.target).checked)}
        />
    </label>`;
}
