/** The field to write a message, with the message that it replies to or edits. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { drawEachSecond } from "./connection.js";
import { icon } from "./icons.js";
import { jumpToEnd } from "./log.js";
import { senderOf, summary } from "./text.js";
import { iconButton } from "./widgets.js";

/** @import { App } from './app.js' */
/** @import { Chat } from './chat.js' */
/** @import { MessageView, RoomView } from './types.d.ts' */

const MAX_LENGTH = 4000;
/** How long a message can be edited. */
const EDIT_MS = 24 * 3_600_000;

/** @param {App} app @param {RoomView} view @param {Chat} chat */
export function composer(app, view, chat) {
    const { row } = view;
    chat.text ??= row.draft;
    const isEmpty = chat.text.trim() === "";
    const submit = () =>
        isEmpty ? undefined : chat.editing ? saveEdit(app, view, chat) : send(app, view, chat);
    return html`<form
        class="composer"
        @submit=${(/** @type {Event} */ event) => {
            event.preventDefault();
            submit();
        }}
    >
        ${limited(app)} ${context(app, view, chat)}
        <div class="composer-line">
            <label class="visually-hidden" for="message">Message</label>
            <textarea
                id="message"
                rows="1"
                placeholder="Message"
                dir="auto"
                maxlength=${MAX_LENGTH}
                enterkeyhint="send"
                .value=${live(chat.text)}
                @input=${(/** @type {Event} */ event) => typed(app, view, chat, event)}
                @keydown=${(/** @type {KeyboardEvent} */ event) => keyPressed(app, view, chat, event, submit)}
                @blur=${() => void app.client.setTyping(row.id, false)}
            ></textarea>
            <button
                class="icon-button send"
                aria-label=${chat.editing ? "Save" : "Send"}
                ?disabled=${isEmpty}
            >
                ${icon(chat.editing ? "check" : "send")}
            </button>
        </div>
    </form>`;
}

/** How long sends wait for a rate limit. @param {App} app */
function limited(app) {
    const { limitedUntil } = app.state;
    const seconds = limitedUntil === null ? 0 : Math.ceil((limitedUntil - Date.now()) / 1000);
    if (seconds <= 0) return nothing;
    drawEachSecond(app);
    return html`<p class="strip">You are sending too fast. Messages continue in ${seconds} s.</p>`;
}

/** @param {App} app @param {RoomView} view @param {Chat} chat */
function context(app, view, chat) {
    const subject = chat.editing ?? chat.replyTo;
    if (!subject) return nothing;
    const sender = subject.sender_id === app.me ? "yourself" : senderOf(subject);
    return html`<div class="composer-context">
        ${icon(chat.editing ? "edit" : "reply")}
        <span class="context-text">
            <strong dir="auto">${chat.editing ? "Edit message" : `Reply to ${sender}`}</strong>
            <span class="ellipsis" dir="auto">${summary(subject)}</span>
        </span>
        ${iconButton("close", "Cancel", () => cancel(app, view, chat))}
    </div>`;
}

/** @param {App} app */
export function focusComposer(app) {
    app.afterDraw.push(() => field(app)?.focus());
    app.draw();
}

/** @param {App} app */
const field = (app) => /** @type {HTMLTextAreaElement | null} */ (app.root.querySelector("#message"));

/** Makes the field as high as its text. @param {HTMLTextAreaElement} area */
function fit(area) {
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
}

/** @param {App} app @param {RoomView} view @param {Chat} chat @param {string} text */
function setText(app, view, chat, text) {
    chat.text = text;
    // An edit is not a draft.
    if (!chat.editing) void app.client.setDraft(view.row.id, text);
    app.afterDraw.push(() => {
        const area = field(app);
        if (area) fit(area);
    });
    app.draw();
}

/** @param {App} app @param {RoomView} view @param {Chat} chat @param {Event} event */
function typed(app, view, chat, event) {
    const { value } = /** @type {HTMLTextAreaElement} */ (event.target);
    setText(app, view, chat, value);
    if (!chat.editing) void app.client.setTyping(view.row.id, value.trim() !== "");
}

/** @param {App} app @param {RoomView} view @param {Chat} chat */
function send(app, view, chat) {
    const content = chat.text ?? "";
    const reply = chat.replyTo ? { reply_to_id: chat.replyTo.id } : {};
    const { id } = view.row;
    chat.replyTo = null;
    chat.newSeq = null;
    setText(app, view, chat, "");
    void app.client.setTyping(id, false);
    jumpToEnd(app, chat);
    void app.run("send", () => app.client.send(id, { content, ...reply }));
}

/** @param {App} app @param {RoomView} view @param {Chat} chat */
function saveEdit(app, view, chat) {
    const message = chat.editing;
    const content = chat.text ?? "";
    cancel(app, view, chat);
    if (message && content !== message.content) {
        void app.run(`edit:${message.id}`, () => app.client.edit(message, content));
    }
}

/** @param {App} app @param {RoomView} view @param {Chat} chat */
function cancel(app, view, chat) {
    const wasEdit = chat.editing !== null;
    chat.replyTo = chat.editing = null;
    // The draft from before the edit.
    if (wasEdit) setText(app, view, chat, view.row.draft);
    focusComposer(app);
}

/** @param {App} app @param {RoomView} view @param {Chat} chat @param {MessageView} message */
export function startEdit(app, view, chat, message) {
    chat.replyTo = null;
    chat.editing = message;
    setText(app, view, chat, message.content);
    focusComposer(app);
}

/** Whether the message is sent, not in the outbox. @param {MessageView} message */
export function isInLog(message) {
    return message.tick === null || ["sent", "delivered", "read"].includes(message.tick);
}

/** @param {MessageView} message */
export function canEdit(message) {
    const age = Date.now() - Date.parse(message.created_at);
    return (
        message.isMine && isInLog(message) && !message.is_deleted && !message.is_forwarded && age < EDIT_MS
    );
}

/**
 * @param {App} app @param {RoomView} view @param {Chat} chat @param {KeyboardEvent} event
 * @param {() => void} submit
 */
function keyPressed(app, view, chat, event, submit) {
    if (event.isComposing) return;
    const isTouch = matchMedia("(pointer: coarse)").matches;
    if (event.key === "Enter" && !event.shiftKey && !isTouch) {
        event.preventDefault();
        submit();
    } else if (event.key === "Escape" && (chat.editing || chat.replyTo)) {
        event.preventDefault();
        cancel(app, view, chat);
    } else if (event.key === "ArrowUp" && chat.text === "" && !chat.editing) {
        const last = view.messages.findLast(canEdit);
        if (!last) return;
        event.preventDefault();
        startEdit(app, view, chat, last);
    }
}
