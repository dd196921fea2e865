/** One message of a chat. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { chatOf } from "./chat.js";
import { icon } from "./icons.js";
import { jumpTo } from "./log.js";
import { openActions, openReactions, toggleReaction } from "./actions.js";
import {
    dateAndTime,
    isFewEmoji,
    link,
    linked,
    nameOf,
    senderOf,
    summary,
    systemText,
    timeOfDay,
} from "./text.js";
import { avatarOf, iconButton, mark, tickMark } from "./widgets.js";

/** @import { App } from './app.js' */
/** @import { MessageView, RoomView } from './types.d.ts' */

/**
 * @param {App} app @param {RoomView} view @param {MessageView} message
 * @param {{ isFirst: boolean, isFocusable: boolean, isMarked: boolean }} place
 */
export function messageRow(app, view, message, place) {
    if (message.message_type === "system") {
        const text = systemText(message, view.row.room.participants, app.me);
        return html`<p class="message system" data-key=${message.key} tabindex=${place.isFocusable ? 0 : -1}>
            <span dir="auto">${text}</span>
        </p>`;
    }
    const { row } = view;
    const isInGroup = row.room.is_group && !message.isMine;
    const sender = row.room.participants.find((participant) => participant.user_id === message.sender_id);
    const isPinned = view.pins.includes(message.id);
    return html`<div
        class="message ${message.isMine ? "mine" : "theirs"} ${place.isFirst ? "first" : ""} ${
            place.isMarked ? "marked" : ""
        } ${isInGroup ? "in-group" : ""}"
        role="article"
        data-key=${message.key}
        tabindex=${place.isFocusable ? 0 : -1}
        @contextmenu=${(/** @type {Event} */ event) => {
            event.preventDefault();
            openActions(app, row.id, message);
        }}
    >
        ${
            isInGroup && place.isFirst
                ? avatarOf(sender ?? { username: senderOf(message) }, null, "small")
                : nothing
        }
        <div class="bubble-column">
            <div class="bubble-line">
                <div
                    class="bubble ${message.is_deleted ? "deleted" : ""}"
                    @click=${(/** @type {PointerEvent} */ event) => tapped(app, row.id, message, event)}
                >
                    ${
                        isInGroup && place.isFirst
                            ? html`<span class="sender" dir="auto"
                                  >${sender ? nameOf(sender) : senderOf(message)}</span
                              >`
                            : html`<span class="visually-hidden"
                                  >${message.isMine ? "You" : senderOf(message)}:
                              </span>`
                    }
                    ${
                        message.is_forwarded
                            ? html`<span class="mark-line">${icon("forward")} Forwarded</span>`
                            : nothing
                    }
                    ${quote(app, view, message)} ${body(message)}
                    <span class="meta">
                        ${isPinned ? mark("pin", "Pinned") : nothing}
                        ${
                            message.is_edited
                                ? html`<span title=${message.edited_at ? dateAndTime(message.edited_at) : ""}
                                      >edited</span
                                  >`
                                : nothing
                        }
                        <time datetime=${message.created_at} title=${dateAndTime(message.created_at)}
                            >${timeOfDay(message.created_at)}</time
                        >
                        ${message.isMine ? tickMark(message.tick) : nothing}
                    </span>
                </div>
                ${
                    message.is_deleted
                        ? nothing
                        : html`<span class="more"
                              >${iconButton("more", "Message actions", () => openActions(app, row.id, message))}</span
                          >`
                }
            </div>
            ${reactions(app, row.id, message)} ${failure(app, message)}
        </div>
    </div>`;
}

/** A touch screen has no pointer that could rest on a message to show its button.
 * @param {App} app @param {string} roomId @param {MessageView} message @param {PointerEvent} event */
function tapped(app, roomId, message, event) {
    const isControl = event.target instanceof Element && event.target.closest("a, button");
    if (event.pointerType === "touch" && !isControl) openActions(app, roomId, message);
}

/** The element of the text has no spaces of its own: they would be shown. @param {MessageView} message */
function body(message) {
    if (message.is_deleted) return html`<span class="content">${icon("ban")} Message deleted</span>`;
    return html`${special(message)}
    ${
        message.content
            ? html`<span class="content ${isFewEmoji(message.content) ? "large" : ""}" dir="auto"
                  >${linked(message.content)}</span
              >`
            : nothing
    }`;
}

/** What a type of message shows besides its text. @param {MessageView} message */
function special(message) {
    const { media_url: media, payload } = message;
    switch (message.message_type) {
        case "image":
            return media?.startsWith("https://")
                ? html`<a href=${media} target="_blank" rel="noopener noreferrer"
                      ><img
                          class="photo"
                          src=${media}
                          alt=${message.content || "Photo"}
                          loading="lazy"
                          referrerpolicy="no-referrer"
                  /></a>`
                : html`<p class="kind">Photo</p>`;
        case "file":
        case "voice":
            return html`<p class="kind">
                ${media?.startsWith("https://") ? link(media, summary({ ...message, content: "" })) : summary(message)}
            </p>`;
        case "location":
            return html`<p class="kind">
                Location ${numbers(payload, ["latitude", "longitude", "lat", "lng"])}
            </p>`;
        case "workout":
            return html`<dl class="workout">
                ${Object.entries(payload ?? {})
                    .filter(([, value]) => typeof value === "string" || typeof value === "number")
                    .map(
                        ([name, value]) =>
                            html`<dt>${name.replaceAll("_", " ")}</dt>
                                <dd dir="auto">${String(value)}</dd>`,
                    )}
            </dl>`;
        default:
            return nothing;
    }
}

/** @param {Record<string, unknown> | null} payload @param {string[]} names */
function numbers(payload, names) {
    return names
        .map((name) => payload?.[name])
        .filter((value) => typeof value === "number")
        .join(", ");
}

/** The message that this one replies to, as it is now if it is stored.
 * @param {App} app @param {RoomView} view @param {MessageView} message */
function quote(app, view, message) {
    if (!message.reply_to_id || message.is_deleted) return nothing;
    const stored = view.messages.find((candidate) => candidate.id === message.reply_to_id);
    const replied = stored ?? message.reply_to;
    if (!replied) return html`<span class="quote gone">Message not available</span>`;
    const sender = replied.sender_id === app.me ? "You" : senderOf(replied);
    const jump = () => void jumpTo(app, view.row.id, chatOf(app, view.row.id), replied.id);
    return html`<button class="quote" @click=${jump}>
        <span class="visually-hidden">Reply to </span>
        <span class="quote-sender" dir="auto">${sender}</span>
        <span class="ellipsis" dir="auto">${summary(replied)}</span>
    </button>`;
}

/** @param {App} app @param {string} roomId @param {MessageView} message */
function reactions(app, roomId, message) {
    if (message.reactions.length === 0) return nothing;
    return html`<ul class="reactions" aria-label="Reactions">
        ${message.reactions.map(
            ({ emoji, count, mine }) =>
                html`<li>
                    <button
                        class="reaction ${mine ? "own" : ""}"
                        aria-pressed=${mine}
                        aria-label="${emoji} ${count}"
                        @click=${() => toggleReaction(app, message, emoji, mine)}
                        @contextmenu=${(/** @type {Event} */ event) => {
                            event.preventDefault();
                            event.stopPropagation();
                            openReactions(app, roomId, message);
                        }}
                    >
                        ${emoji} <span>${count}</span>
                    </button>
                </li>`,
        )}
    </ul>`;
}

/** @param {App} app @param {MessageView} message */
function failure(app, message) {
    if (message.tick !== "failed") return nothing;
    return html`<div class="failure" role="alert">
        ${icon("alert")}<span dir="auto">${message.failure?.detail ?? "This message was not sent."}</span>
        <button class="button small" @click=${() => app.run("retry", () => app.client.retry(message.key))}>
            Retry
        </button>
        <button
            class="button small"
            @click=${() => app.run("copy", () => navigator.clipboard.writeText(message.content))}
        >
            Copy
        </button>
        <button
            class="button small"
            @click=${() => app.run("discard", () => app.client.discard(message.key))}
        >
            Delete
        </button>
    </div>`;
}
