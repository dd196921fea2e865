/** Groups: create one, change its details, manage its participants. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { confirm, dialogHead } from "./dialog.js";
import { detailOf, fieldErrors } from "./app.js";
import { icon } from "./icons.js";
import { counted, nameOf } from "./text.js";
import { avatarOf, empty, paneHead, problem } from "./widgets.js";

/** @import { App } from './app.js' */
/** @import { Participant, RoomRow } from './types.d.ts' */

/** @param {App} app */
export function newGroupPane(app) {
    const group = app.local("new-group", () => ({
        name: "",
        chosen: /** @type {Set<string>} */ (new Set()),
        error: "",
    }));
    /** @param {Event} event */
    const submit = async (event) => {
        event.preventDefault();
        group.error = "";
        await app.run("new-group", async () => {
            try {
                const id = await app.client.createGroup({
                    name: group.name,
                    participant_ids: [...group.chosen],
                });
                app.forget("new-group");
                app.go(`#/r/${id}`, { replace: true });
            } catch (error) {
                group.error = fieldErrors(error).name
                    ? `The name ${fieldErrors(error).name}.`
                    : detailOf(error);
            }
        });
    };
    const canCreate = group.name.trim() !== "" && group.chosen.size > 0 && !app.busy.has("new-group");
    return html`<main class="pane main">
        ${paneHead(app, { title: "New group", parent: app.isWide ? null : "#/", isMain: true })}
        <form class="scroll form" @submit=${submit}>
            <label class="field">
                <span>Name</span>
                <input
                    name="name"
                    maxlength="255"
                    required
                    dir="auto"
                    .value=${group.name}
                    @input=${(/** @type {Event} */ event) => {
                        group.name = /** @type {HTMLInputElement} */ (event.target).value;
                        app.draw();
                    }}
                />
            </label>
            ${group.error ? problem(group.error) : nothing}
            <h2 class="section flush">Participants</h2>
            ${friendChoice(app, group.chosen, new Set())}
            <div class="buttons sticky">
                <button class="button primary" ?disabled=${!canCreate}>
                    ${group.chosen.size > 0 ? `Create group of ${group.chosen.size + 1}` : "Create group"}
                </button>
            </div>
        </form>
    </main>`;
}

/**
 * A list of friends with check boxes.
 * @param {App} app
 * @param {Set<string>} chosen
 * @param {Set<string>} others
 */
function friendChoice(app, chosen, others) {
    const friends = app.state.friends.filter((friend) => !others.has(friend.user_id));
    if (friends.length === 0) {
        return empty({
            title: "No friends to add",
            action: html`<a class="button" href="#/people">Find friends</a>`,
        });
    }
    return html`<ul class="list">
        ${friends.map(
            (friend) =>
                html`<li>
                    <label class="row">
                        ${avatarOf(friend)}<span class="grow ellipsis" dir="auto">${nameOf(friend)}</span>
                        <input
                            type="checkbox"
                            .checked=${chosen.has(friend.user_id)}
                            @change=${(/** @type {Event} */ event) => {
                                if (/** @type {HTMLInputElement} */ (event.target).checked)
                                    chosen.add(friend.user_id);
                                else chosen.delete(friend.user_id);
                                app.draw();
                            }}
                        />
                    </label>
                </li>`,
        )}
    </ul>`;
}

/** The sections of a group in its details. @param {App} app @param {RoomRow} row */
export function groupSections(app, row) {
    const { room } = row;
    const mine = room.participants.find((participant) => participant.user_id === app.me);
    const canManage = mine !== undefined && mine.role !== "member";
    const isOwner = mine?.role === "owner";
    const leave = () =>
        confirm(app, {
            title: "Leave this group?",
            text: `You no longer receive messages of “${row.title}”.`,
            action: "Leave",
            run: () => {
                // First: the end of an open room is news.
                app.go("#/", { replace: true });
                return app.client.leave(row.id);
            },
        });
    const remove = () =>
        confirm(app, {
            title: "Delete this group?",
            text: `“${row.title}” and all its messages are deleted for everyone.`,
            action: "Delete",
            run: () => {
                app.go("#/", { replace: true });
                return app.client.deleteGroup(row.id);
            },
        });
    return html`<h2 class="section">${counted(room.participant_count, "participant")}</h2>
        ${
            canManage
                ? html`<ul class="menu">
                      <li>
                          <button class="menu-item" @click=${() => openAdd(app, row)}>
                              ${icon("add")} Add participants
                          </button>
                      </li>
                      <li>
                          <button class="menu-item" @click=${() => openEdit(app, row)}>
                              ${icon("edit")} Edit group
                          </button>
                      </li>
                  </ul>`
                : nothing
        }
        <ul class="list">
            ${room.participants.map((participant) => participantRow(app, row, participant, mine))}
        </ul>
        <ul class="menu">
            <li>
                <button class="menu-item danger-text" @click=${leave}>${icon("signOut")} Leave group</button>
            </li>
            ${
                isOwner
                    ? html`<li>
                          <button class="menu-item danger-text" @click=${remove}>
                              ${icon("trash")} Delete group
                          </button>
                      </li>`
                    : nothing
            }
        </ul>`;
}

/**
 * @param {App} app
 * @param {RoomRow} row
 * @param {Participant} participant
 * @param {Participant | undefined} mine
 */
function participantRow(app, row, participant, mine) {
    const isMe = participant.user_id === app.me;
    const ranks = ["member", "admin", "owner"];
    const outranks = mine !== undefined && ranks.indexOf(mine.role) > ranks.indexOf(participant.role);
    const name = isMe ? "You" : nameOf(participant);
    const isOnline = app.state.presence.get(participant.user_id)?.is_online ?? participant.is_online;
    return html`<li class="row">
        <a class="person-link" href=${isMe ? "#/me" : `#/u/${participant.user_id}`}>
            ${avatarOf(participant, isOnline)}
            <span class="person-text">
                <span class="ellipsis" dir="auto">${name}</span>
                <span class="muted">${participant.role === "member" ? "" : participant.role}</span>
            </span>
        </a>
        ${
            outranks
                ? html`<button
                      class="icon-button"
                      aria-label="Manage ${name}"
                      @click=${() => openManage(app, row, participant, mine)}
                  >
                      ${icon("more")}
                  </button>`
                : nothing
        }
    </li>`;
}

/** @param {App} app @param {RoomRow} row @param {Participant} participant @param {Participant} mine */
function openManage(app, row, participant, mine) {
    const { user_id: userId, role } = participant;
    /** @param {Participant['role']} wanted */
    const setRole = (wanted) => () => {
        app.dialogs.close();
        void app.run(`role:${userId}`, () => app.client.setRole(row.id, userId, wanted));
    };
    const remove = () => {
        app.dialogs.close();
        void app.run(`role:${userId}`, () => app.client.removeParticipant(row.id, userId));
    };
    const makeOwner = () =>
        confirm(app, {
            title: `Make ${nameOf(participant)} the owner?`,
            text: "You become an admin.",
            action: "Make owner",
            run: () => app.client.setRole(row.id, userId, "owner"),
        });
    app.dialogs.open(
        () =>
            html`${dialogHead(app, nameOf(participant))}
                <ul class="menu">
                    ${
                        mine.role === "owner"
                            ? html`<li>
                                      <button
                                          class="menu-item"
                                          @click=${setRole(role === "admin" ? "member" : "admin")}
                                      >
                                          ${icon("group")}
                                          ${role === "admin" ? "Make a member" : "Make an admin"}
                                      </button>
                                  </li>
                                  <li>
                                      <button class="menu-item" @click=${makeOwner}>
                                          ${icon("lock")} Make the owner
                                      </button>
                                  </li>`
                            : nothing
                    }
                    <li>
                        <button class="menu-item danger-text" @click=${remove}>
                            ${icon("close")} Remove from the group
                        </button>
                    </li>
                </ul>`,
    );
}

/** @param {App} app @param {RoomRow} row */
function openAdd(app, row) {
    /** @type {Set<string>} */
    const chosen = new Set();
    const add = async () => {
        if (await app.run("add", () => app.client.addParticipants(row.id, [...chosen]))) app.dialogs.close();
    };
    app.dialogs.open(() => {
        const members = app.client.room(row.id)?.row.room.participants ?? [];
        return html`${dialogHead(app, "Add participants")}
            ${friendChoice(app, chosen, new Set(members.map((member) => member.user_id)))}
            <div class="buttons">
                <button
                    class="button primary"
                    ?disabled=${chosen.size === 0 || app.busy.has("add")}
                    @click=${add}
                >
                    Add
                </button>
            </div>`;
    });
}

/** @param {App} app @param {RoomRow} row */
function openEdit(app, row) {
    const { room } = row;
    /** @type {{ errors: Record<string, string> }} */
    const form = { errors: {} };
    /** @param {Event} event */
    const submit = async (event) => {
        event.preventDefault();
        const data = new FormData(/** @type {HTMLFormElement} */ (event.target));
        const patch = {
            name: String(data.get("name")) || null,
            description: String(data.get("description")) || null,
            history_visibility: String(data.get("history")),
        };
        await app.run("group", async () => {
            try {
                await app.client.updateGroup(row.id, patch);
                app.dialogs.close();
            } catch (error) {
                form.errors = fieldErrors(error);
                if (Object.keys(form.errors).length === 0) throw error;
            }
        });
    };
    app.dialogs.open(
        () =>
            html`${dialogHead(app, "Edit group")}
                <form class="form" @submit=${submit}>
                    <label class="field">
                        <span>Name</span>
                        <input name="name" maxlength="255" dir="auto" value=${room.name ?? ""} />
                        ${form.errors.name ? problem(`The name ${form.errors.name}.`) : nothing}
                    </label>
                    <label class="field">
                        <span>Description</span>
                        <textarea
                            name="description"
                            rows="3"
                            maxlength="1000"
                            dir="auto"
                            .value=${room.description ?? ""}
                        ></textarea>
                        ${form.errors.description ? problem(`The description ${form.errors.description}.`) : nothing}
                    </label>
                    <label class="field">
                        <span>New participants see</span>
                        <select name="history">
                            <option value="joined" ?selected=${room.history_visibility === "joined"}>
                                messages since they joined
                            </option>
                            <option value="shared" ?selected=${room.history_visibility === "shared"}>
                                all messages
                            </option>
                        </select>
                    </label>
                    <div class="buttons">
                        <button class="button primary" ?disabled=${app.busy.has("group")}>Save</button>
                    </div>
                </form>`,
    );
}
