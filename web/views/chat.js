/** A chat: its header, its log, and the composer. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { composer } from "./composer.js";
import { connectionStrip } from "./connection.js";
import { icon } from "./icons.js";
import { logView } from "./log.js";
import { openPins } from "./actions.js";
import { counted, presenceText, summary, typingText } from "./text.js";
import { avatar, backButton, empty, pictureOf, skeleton } from "./widgets.js";

/** @import { App } from './app.js' */
/** @import { MessageView, RoomRow, RoomView } from './types.d.ts' */

/**
 * The state of an open chat that is not part of the client's state.
 * @typedef {object} Chat
 * @property {string | null} lastKey the last message of the drawn window; `null` follows the newest one
 * @property {boolean} isAtEnd whether the newest message is visible
 * @property {string | null} seenKey the newest message that was visible
 * @property {number | null} newSeq the first message below the line of new messages
 * @property {boolean} isPlaced whether the first scroll position is set
 * @property {string | null} focusKey the message that Tab reaches
 * @property {string | null} markedKey the message that a jump shows
 * @property {MessageView | null} replyTo
 * @property {MessageView | null} editing
 * @property {string | null} text the text of the composer; `null` before it shows the draft
 */

/** @param {App} app @param {string} id @returns {Chat} */
export function chatOf(app, id) {
    return app.local(`chat:${id}`, () => ({
        lastKey: null,
        isAtEnd: true,
        seenKey: null,
        newSeq: null,
        isPlaced: false,
        focusKey: null,
        markedKey: null,
        replyTo: null,
        editing: null,
        text: null,
    }));
}

/** @param {App} app @param {string} id */
export function chatPane(app, id) {
    const view = app.client.room(id);
    if (!view) return missing(app);
    const chat = chatOf(app, id);
    return html`<main class="pane chat-pane theme-${view.row.room.settings.theme ?? "default"}">
        ${head(app, view.row)} ${app.isWide ? nothing : connectionStrip(app)} ${pinBar(app, view)}
        ${logView(app, view, chat)} ${composer(app, view, chat)}
    </main>`;
}

/** @param {App} app */
function missing(app) {
    const content = app.state.isLoaded
        ? empty({
              title: "This conversation is not available",
              text: "It was deleted, or you are no longer in it.",
              action: html`<a class="button" href="#/">Messages</a>`,
          })
        : skeleton(6);
    return html`<main class="pane chat-pane">
        <header class="pane-head">
            ${backButton(app, "#/")}
            <h1 class="title">Conversation</h1>
        </header>
        ${content}
    </main>`;
}

/** @param {App} app @param {RoomRow} row */
function head(app, row) {
    const presence = row.peer ? (app.state.presence.get(row.peer.user_id) ?? row.peer) : null;
    const isOnline = presence?.is_online ?? null;
    const still = row.room.is_group
        ? counted(row.room.participant_count, "participant")
        : presenceText(presence);
    return html`<header class="pane-head">
        ${app.isWide ? nothing : backButton(app, "#/")}
        <a class="chat-head" href="#/r/${row.id}/info">
            ${avatar({ name: row.title, url: pictureOf(row), online: isOnline })}
            <span class="chat-head-text">
                <h1 class="title" dir="auto">${row.title}</h1>
                <span class="status ${row.typing.length > 0 ? "typing" : ""}" dir="auto"
                    >${typingText(row.typing) || still}</span
                >
            </span>
            <span class="visually-hidden">Details</span>
        </a>
        <a class="icon-button" href="#/r/${row.id}/info" aria-label="Details" title="Details"
            >${icon("info")}</a
        >
    </header>`;
}

/** @param {App} app @param {RoomView} view */
function pinBar(app, view) {
    if (view.pins.length === 0) return nothing;
    const newest = view.messages.find((message) => message.id === view.pins[0]);
    return html`<button class="pin-bar" @click=${() => openPins(app, view.row.id)}>
        ${icon("pin")}
        <span class="ellipsis" dir="auto">${newest ? summary(newest) : "Pinned message"}</span>
        <span class="muted">${counted(view.pins.length, "pin")}</span>
    </button>`;
}
