/** The profile of another person. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { confirm } from "./dialog.js";
import { icon } from "./icons.js";
import { openReport } from "./report.js";
import { relationship, relationshipAction } from "./people.js";
import { counted, nameOf, presenceText } from "./text.js";
import { avatarOf, loaded, paneHead } from "./widgets.js";

/** @import { App, Resource } from './app.js' */
/** @import { Person } from './types.d.ts' */

/** @param {App} app @param {string} id */
export function personPane(app, id) {
    const resource = app.resource(`person:${id}`, () => app.client.profile(id));
    return html`<main class="pane main">
        ${paneHead(app, { title: resource.value ? nameOf(resource.value) : "Profile", parent: "#/people", isMain: true })}
        <div class="scroll">${loaded(resource, (person) => profile(app, person))}</div>
    </main>`;
}

/** @param {App} app @param {Person} person */
function profile(app, person) {
    const presence = app.state.presence.get(person.id) ?? {
        is_online: person.is_online ?? null,
        last_seen: person.last_seen ?? null,
    };
    return html`<div class="card">
            ${avatarOf(person, presence.is_online, "large")}
            <p class="muted" dir="auto">@${person.username}</p>
            <p class="muted">${presenceText(presence)}</p>
            <div class="buttons center">${relationshipAction(app, person)}</div>
        </div>
        ${mutual(app, person)}
        <ul class="menu">
            ${personActions(app, person)}
        </ul>`;
}

/** @param {App} app @param {Person} person */
function mutual(app, person) {
    /** @type {Resource<Person[]>} */
    const { value: friends } = app.resource(`mutual:${person.id}`, () => app.client.mutual(person.id));
    if (!friends || friends.length === 0) return nothing;
    return html`<h2 class="section">${counted(friends.length, "mutual friend")}</h2>
        <ul class="list">
            ${friends.map(
                (friend) =>
                    html`<li>
                        <a class="row" href="#/u/${friend.id}"
                            >${avatarOf(friend)}<span dir="auto">${nameOf(friend)}</span></a
                        >
                    </li>`,
            )}
        </ul>`;
}

/** @param {App} app @param {Person} person */
export function personActions(app, person) {
    const name = nameOf(person);
    const isFriend = relationship(app, person) === "friends";
    const unfriend = () =>
        confirm(app, {
            title: `Remove ${name} as a friend?`,
            text: `You keep your conversation with ${name}.`,
            action: "Remove",
            run: () => app.client.unfriend(person.id),
        });
    const block = () =>
        confirm(app, {
            title: `Block ${name}?`,
            text: `${name} cannot find you, or send you messages. Your conversation closes.`,
            action: "Block",
            run: () => {
                app.go("#/people/blocked", { replace: true });
                return app.client.block(person.id);
            },
        });
    return html`
        ${
            isFriend
                ? html`<li>
                      <button class="menu-item" @click=${unfriend}>${icon("people")} Remove friend</button>
                  </li>`
                : nothing
        }
        <li>
            <button class="menu-item" @click=${() => openReport(app, { userId: person.id })}>
                ${icon("alert")} Report
            </button>
        </li>
        <li><button class="menu-item danger-text" @click=${block}>${icon("ban")} Block</button></li>
    `;
}
