/** Messages: the list of rooms. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { connectionStrip } from "./connection.js";
import { icon } from "./icons.js";
import { dateAndTime, preview, shortTime, typingText } from "./text.js";
import {
    avatar,
    avatarOf,
    badge,
    empty,
    heading,
    iconButton,
    mark,
    pictureOf,
    skeleton,
    tickMark,
} from "./widgets.js";
import { walk } from "./keys.js";

/** @import { App } from './app.js' */
/** @import { RoomRow } from './types.d.ts' */

const SKELETON_ROWS = 6;

/** @param {App} app @param {boolean} isMain whether the list is the main pane of the page */
export function roomsPane(app, isMain) {
    const list = app.local("rooms", () => ({ query: "" }));
    const isArchive = app.route.view === "rooms" && app.route.archived;
    const query = list.query.trim().toLocaleLowerCase();
    const { rooms, isLoaded } = app.state;
    const shown = rooms.filter((row) =>
        query ? row.title.toLocaleLowerCase().includes(query) : row.isArchived === isArchive,
    );
    const content = html`
        <header class="pane-head list-head">
            ${isArchive ? iconButton("back", "Back", () => app.back("#/")) : nothing}
            ${heading(isArchive ? "Archived" : "Messages", isMain)}
            <a class="icon-button" href="#/new-group" aria-label="New group" title="New group"
                >${icon("group")}</a
            >
            ${peopleLink(app)} ${meLink(app)}
        </header>
        ${connectionStrip(app)}
        <label class="search">
            <span class="visually-hidden">Search conversations</span>
            ${icon("search")}
            <input
                type="search"
                placeholder="Search"
                .value=${list.query}
                @input=${(/** @type {Event} */ event) => {
                    list.query = /** @type {HTMLInputElement} */ (event.target).value;
                    app.draw();
                }}
            />
        </label>
        <div class="scroll">
            ${rooms.length === 0 && !isLoaded ? skeleton(SKELETON_ROWS) : roomList(app, shown, query !== "", isArchive)}
        </div>
    `;
    return isMain
        ? html`<main class="pane list-pane">${content}</main>`
        : html`<nav class="pane list-pane" aria-label="Conversations">${content}</nav>`;
}

/** @param {App} app */
function peopleLink(app) {
    const waiting = app.state.requests.received.length;
    return html`<a
        class="icon-button people-link"
        href=${waiting > 0 ? "#/people/requests" : "#/people"}
        title="Find friends"
    >
        ${icon("people")}<span class="visually-hidden">Find friends</span>
        ${
            waiting > 0
                ? html`<span class="badge corner"
                      >${waiting}<span class="visually-hidden">
                          ${waiting === 1 ? "request" : "requests"}</span
                      ></span
                  >`
                : nothing
        }
    </a>`;
}

/** @param {App} app */
function meLink(app) {
    const { me } = app.state;
    return html`<a class="icon-button" href="#/me" title="Your profile"
        >${me ? avatarOf(me, null, "small") : icon("people")}<span class="visually-hidden"
            >Your profile</span
        ></a
    >`;
}

/** @param {App} app @param {RoomRow[]} rows @param {boolean} isSearch @param {boolean} isArchive */
function roomList(app, rows, isSearch, isArchive) {
    const archived = app.state.rooms.filter((row) => row.isArchived).length;
    const archive =
        !isSearch && !isArchive && archived > 0
            ? html`<a class="row archive-link" href="#/archived"
                  >${icon("archive")} Archived (${archived})</a
              >`
            : nothing;
    if (rows.length === 0) return html`${nothingHere(isSearch, isArchive)}${archive}`;
    return html`<ul class="list" @keydown=${(/** @type {KeyboardEvent} */ event) => walk(event, "a.row")}>
            ${repeat(
                rows,
                (row) => row.id,
                (row) => html`<li>${roomRow(app, row)}</li>`,
            )}
        </ul>
        ${archive}`;
}

/** @param {boolean} isSearch @param {boolean} isArchive */
function nothingHere(isSearch, isArchive) {
    if (isSearch) return empty({ title: "No conversation found" });
    if (isArchive) return empty({ title: "Nothing archived" });
    return empty({
        title: "No conversations yet",
        text: "Find people you train with, and say hi.",
        action: html`<a class="button primary" href="#/people">Find friends</a>`,
    });
}

/** @param {App} app @param {RoomRow} row */
function roomRow(app, row) {
    const { peer } = row;
    const isCurrent = app.route.view === "room" && app.route.id === row.id;
    const isOnline = peer ? (app.state.presence.get(peer.user_id)?.is_online ?? peer.is_online) : null;
    return html`<a
        class="row room ${row.unread > 0 ? "unread" : ""}"
        href="#/r/${row.id}"
        aria-current=${isCurrent ? "true" : "false"}
        data-room=${row.id}
    >
        ${avatar({ name: row.title, url: pictureOf(row), online: isOnline })}
        <span class="room-text">
            <span class="line">
                <span class="room-title" dir="auto">${row.title}</span>
                ${isOnline ? html`<span class="visually-hidden">, online</span>` : nothing}
                ${row.isMuted ? mark("bellOff", "Muted") : nothing}
                ${row.isPinned ? mark("pin", "Pinned") : nothing}
                ${
                    row.preview
                        ? html`<time
                              datetime=${row.preview.created_at}
                              title=${dateAndTime(row.preview.created_at)}
                              >${shortTime(row.preview.created_at)}</time
                          >`
                        : nothing
                }
            </span>
            <span class="line">${secondLine(app, row)} ${unreadBadge(row)}</span>
        </span>
    </a>`;
}

/** @param {RoomRow} row */
function unreadBadge(row) {
    if (row.unread === 0) return nothing;
    return html`<span class=${row.isMuted ? "quiet" : ""}>${badge(row.unread, "unread")}</span>`;
}

/** @param {App} app @param {RoomRow} row */
function secondLine(app, row) {
    if (row.typing.length > 0) {
        const text = row.room.is_group ? typingText(row.typing) : "typing…";
        return html`<span class="preview typing" dir="auto">${text}</span>`;
    }
    if (row.draft) {
        return html`<span class="preview" dir="auto"><span class="draft">Draft:</span> ${row.draft}</span>`;
    }
    if (!row.preview) return html`<span class="preview">No messages yet</span>`;
    return html`${tickMark(row.tick)}<span class="preview" dir="auto"
            >${preview(row.preview, row.room, app.me)}</span
        >`;
}
