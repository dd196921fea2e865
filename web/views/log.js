/**
 * The log of a chat. Only a window of its messages is drawn. The scroller is reversed (`column-reverse`), so that it
 * starts at the end and stays there; while the user reads further up, the visible message keeps its place.
 */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { icon } from "./icons.js";
import { messageRow } from "./message.js";
import { openActions } from "./actions.js";
import { walk } from "./keys.js";
import { day, isSameDay } from "./text.js";
import { empty, problem } from "./widgets.js";

/** @import { App } from './app.js' */
/** @import { Chat } from './chat.js' */
/** @import { MessageView, RoomView } from './types.d.ts' */

/** The most messages that are drawn, and how far the window moves at once. */
const WINDOW = 240;
const STEP = 80;
/** The window moves when this many pixels remain above or below the visible part. */
const MARGIN = 800;
/** Messages of one sender within this time belong together. */
const GROUP_MS = 5 * 60_000;
/** How often a jump to a message loads older ones. */
const JUMP_PAGES = 10;

/** @param {App} app @param {RoomView} view @param {Chat} chat */
export function logView(app, view, chat) {
    const { messages, row } = view;
    if (chat.newSeq === null && !chat.isPlaced) chat.newSeq = view.firstUnreadSeq;
    const [start, end] = range(messages, chat);
    if (chat.isAtEnd && chat.lastKey === null) chat.seenKey = messages.at(-1)?.key ?? null;
    keepPlace(app, chat);
    const shown = messages.slice(start, end);
    const focusKey = shown.some((message) => message.key === chat.focusKey)
        ? chat.focusKey
        : shown.at(-1)?.key;
    return html`<div class="log-place">
        <div class="log-scroll" @scroll=${(/** @type {Event} */ event) => scrolled(app, row.id, chat, event)}>
            <div
                class="log"
                role="log"
                aria-live="off"
                aria-label="Messages"
                @keydown=${(/** @type {KeyboardEvent} */ event) => keyPressed(app, row.id, event)}
                @focusin=${(/** @type {FocusEvent} */ event) => {
                    chat.focusKey = keyOf(event.target) ?? chat.focusKey;
                }}
            >
                ${start === 0 ? top(app, view) : nothing}
                ${repeat(
                    shown,
                    (message) => message.key,
                    (message, index) => {
                        const before = messages[start + index - 1];
                        return html`${separators(message, before, chat)}${messageRow(app, view, message, {
                            isFirst: !belongs(message, before),
                            isFocusable: message.key === focusKey,
                            isMarked: message.key === chat.markedKey,
                        })}`;
                    },
                )}
            </div>
        </div>
        ${jumpButton(app, view, chat)}
    </div>`;
}

/** @param {MessageView[]} messages @param {Chat} chat @returns {[number, number]} */
function range(messages, chat) {
    const last = chat.lastKey === null ? -1 : messages.findIndex((message) => message.key === chat.lastKey);
    const end = last < 0 ? messages.length : last + 1;
    return [Math.max(0, end - WINDOW), end];
}

/** @param {App} app @param {RoomView} view */
function top(app, view) {
    const { row } = view;
    if (view.olderError) {
        return problem("Could not load older messages.", () => void app.client.loadOlder(row.id));
    }
    if (view.isLoadingOlder) return html`<p class="spinner-row"><span class="spinner"></span> Loading…</p>`;
    if (view.hasOlder || view.messages.length > 0) return nothing;
    return empty({ title: row.room.is_group ? "Say hi to the group" : `Say hi to ${row.title}` });
}

/** @param {MessageView} message @param {MessageView | undefined} before @param {Chat} chat */
function separators(message, before, chat) {
    const isNewDay = !before || !isSameDay(message.created_at, before.created_at);
    return html`${isNewDay ? html`<p class="day"><span>${day(message.created_at)}</span></p>` : nothing}
    ${message.seq === chat.newSeq ? html`<p class="new-line"><span>New messages</span></p>` : nothing}`;
}

/** @param {MessageView} message @param {MessageView | undefined} before */
function belongs(message, before) {
    return (
        before !== undefined &&
        before.sender_id === message.sender_id &&
        before.message_type !== "system" &&
        Date.parse(message.created_at) - Date.parse(before.created_at) < GROUP_MS &&
        isSameDay(message.created_at, before.created_at)
    );
}

/** @param {App} app @param {RoomView} view @param {Chat} chat */
function jumpButton(app, view, chat) {
    if (chat.isAtEnd && chat.lastKey === null) return nothing;
    const seen = view.messages.findIndex((message) => message.key === chat.seenKey);
    const count = view.messages.slice(seen + 1).filter((message) => !message.isMine).length;
    return html`<button class="jump" @click=${() => jumpToEnd(app, chat)}>
        ${count > 0 ? `${count} new` : nothing}<span class="visually-hidden"> Go to the newest message</span>
        ${icon("down")}
    </button>`;
}

/** @param {App} app */
const scroller = (app) => /** @type {HTMLElement | null} */ (app.root.querySelector(".log-scroll"));

/** @param {App} app @param {Chat} chat */
export function jumpToEnd(app, chat) {
    chat.lastKey = null;
    chat.isAtEnd = true;
    app.afterDraw.push(() => scroller(app)?.scrollTo({ top: 0 }));
    app.draw();
}

/** Keeps the first visible message where it is, and sets the first position at the line of new messages.
 * @param {App} app @param {Chat} chat */
function keepPlace(app, chat) {
    const host = scroller(app);
    if (!chat.isPlaced) {
        app.afterDraw.push(() => placeAtNewMessages(app, chat));
        return;
    }
    if (!host || chat.isAtEnd) return;
    const edge = host.getBoundingClientRect().top;
    const rows = /** @type {HTMLElement[]} */ ([...host.querySelectorAll(".message")]);
    const anchor = rows.find((row) => row.getBoundingClientRect().bottom > edge);
    if (!anchor) return;
    const before = anchor.getBoundingClientRect().top;
    app.afterDraw.push(() => {
        if (anchor.isConnected) host.scrollTop += anchor.getBoundingClientRect().top - before;
    });
}

/** @param {App} app @param {Chat} chat */
function placeAtNewMessages(app, chat) {
    const host = scroller(app);
    if (!host?.querySelector(".message")) return;
    chat.isPlaced = true;
    const line = host.querySelector(".new-line");
    const above = line ? line.getBoundingClientRect().top - host.getBoundingClientRect().top : 0;
    if (above < 0) host.scrollTop += above - 48;
}

/** @param {App} app @param {string} id @param {Chat} chat @param {Event} event */
function scrolled(app, id, chat, event) {
    const host = /** @type {HTMLElement} */ (event.currentTarget);
    const view = app.client.room(id);
    if (!view) return;
    const { messages } = view;
    const [start, end] = range(messages, chat);
    const below = -host.scrollTop;
    const above = host.scrollHeight - host.clientHeight - below;
    const wasAtEnd = chat.isAtEnd;
    chat.isAtEnd = below < 8 && chat.lastKey === null;
    if (above < MARGIN && start > 0) {
        chat.lastKey = messages[end - 1 - STEP].key;
        app.draw();
    } else if (above < MARGIN && view.hasOlder && !view.isLoadingOlder && !view.olderError) {
        void app.client.loadOlder(id);
    } else if (below < MARGIN && chat.lastKey !== null) {
        const last = Math.min(end - 1 + STEP, messages.length - 1);
        chat.lastKey = last === messages.length - 1 ? null : messages[last].key;
        app.draw();
    } else if (wasAtEnd !== chat.isAtEnd) {
        app.draw();
    }
}

/** Shows a message of the room, and loads older ones until it is there.
 * @param {App} app @param {string} roomId @param {Chat} chat @param {string} messageId */
export async function jumpTo(app, roomId, chat, messageId) {
    for (let page = 0; page <= JUMP_PAGES; page++) {
        const view = app.client.room(roomId);
        const index = view?.messages.findIndex((message) => message.id === messageId) ?? -1;
        if (view && index >= 0) {
            const last = index + WINDOW / 2;
            chat.lastKey = last >= view.messages.length ? null : view.messages[last].key;
            chat.markedKey = chat.focusKey = view.messages[index].key;
            chat.isAtEnd = false;
            app.afterDraw.push(() => {
                const row = app.root.querySelector(`[data-key="${CSS.escape(chat.markedKey ?? "")}"]`);
                if (!(row instanceof HTMLElement)) return;
                row.scrollIntoView({ block: "center" });
                row.focus({ preventScroll: true });
            });
            app.draw();
            return;
        }
        if (!view?.hasOlder || view.olderError) break;
        await loadedOlder(app, roomId);
    }
    app.toast("This message is too far up. Scroll to load older messages.");
}

/** Loads older messages, and waits until they are there. @param {App} app @param {string} roomId */
function loadedOlder(app, roomId) {
    return new Promise((resolve) => {
        const stop = app.client.subscribe(() => {
            if (app.client.room(roomId)?.isLoadingOlder) return;
            stop();
            resolve(undefined);
        });
        app.client.loadOlder(roomId);
    });
}

/** @param {EventTarget | null} target */
function keyOf(target) {
    const row = target instanceof Element ? target.closest(".message") : null;
    return row instanceof HTMLElement ? row.dataset.key : undefined;
}

/** @param {App} app @param {string} id @param {KeyboardEvent} event */
function keyPressed(app, id, event) {
    if (!(event.target instanceof HTMLElement) || !event.target.matches(".message")) return;
    walk(event, ".message");
    if (event.key !== "Enter") return;
    const key = keyOf(event.target);
    const message = app.client.room(id)?.messages.find((candidate) => candidate.key === key);
    if (!message) return;
    event.preventDefault();
    openActions(app, id, message);
}
