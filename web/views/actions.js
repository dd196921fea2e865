/** What a user does with a message, in dialogs. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { chatOf } from "./chat.js";
import { canEdit, focusComposer, isInLog, startEdit } from "./composer.js";
import { confirm, dialogHead } from "./dialog.js";
import { icon } from "./icons.js";
import { jumpTo } from "./log.js";
import { openReport } from "./report.js";
import { dateAndTime, nameOf, senderOf, summary } from "./text.js";
import { avatar, avatarOf, empty, iconButton, loaded, pictureOf } from "./widgets.js";

/** @import { App } from './app.js' */
/** @import { IconName } from './icons.js' */
/** @import { Message, MessageView, Reactor, RoomView } from './types.d.ts' */

const QUICK = ["👍", "❤️", "😂", "😮", "😢", "🔥", "💪"];
const MORE = [
    "😀",
    "😅",
    "😊",
    "😍",
    "😎",
    "🤔",
    "😴",
    "😭",
    "😡",
    "🥵",
    "🥶",
    "🤞",
    "👏",
    "🙏",
    "🙌",
    "👀",
    "👎",
    "✅",
    "❌",
    "💯",
    "🎉",
    "🏆",
    "🥇",
    "🏃",
    "🚴",
    "🏊",
    "🏋️",
    "🧘",
    "⛰️",
    "☀️",
    "🌧️",
    "⏱️",
    "☕",
    "🍌",
    "🍕",
    "🍻",
    "💧",
    "❓",
];

/** The current version of a message, which may have changed since the dialog opened.
 * @param {App} app @param {string} roomId @param {MessageView} message */
function current(app, roomId, message) {
    return app.client.room(roomId)?.messages.find((candidate) => candidate.key === message.key) ?? null;
}

/** @param {App} app @param {string} roomId @param {MessageView} message */
export function openActions(app, roomId, message) {
    if (message.is_deleted || message.message_type === "system") return;
    app.dialogs.open(() => {
        const view = app.client.room(roomId);
        const shown = current(app, roomId, message);
        if (!view || !shown)
            return html`${dialogHead(app, "Message")}${empty({ title: "Message not available" })}`;
        return html`${dialogHead(app, shown.isMine ? "Your message" : `Message from ${senderOf(shown)}`)}
            ${isInLog(shown) ? emojis(app, shown, QUICK) : nothing}
            <ul class="menu">
                ${items(app, view, shown).map(
                    ({ name, text, run, isDanger }) =>
                        html`<li>
                            <button class="menu-item ${isDanger ? "danger-text" : ""}" @click=${run}>
                                ${icon(name)} ${text}
                            </button>
                        </li>`,
                )}
            </ul>
            <p class="sheet-text muted">${dateAndTime(shown.created_at)}</p>`;
    });
}

/** @typedef {{ name: IconName, text: string, run: () => void, isDanger?: boolean }} Item */

/** @param {App} app @param {RoomView} view @param {MessageView} message @returns {Item[]} */
function items(app, view, message) {
    const { row } = view;
    const chat = chatOf(app, row.id);
    const close = () => app.dialogs.close();
    const isPinned = view.pins.includes(message.id);
    const mine = row.room.participants.find((participant) => participant.user_id === app.me);
    const canModerate = row.room.is_group && mine !== undefined && mine.role !== "member";
    /** @type {(Item | false)[]} */
    const all = [
        isInLog(message) && {
            name: "reply",
            text: "Reply",
            run: () => {
                close();
                chat.editing = null;
                chat.replyTo = message;
                focusComposer(app);
            },
        },
        isInLog(message) && {
            name: "smile",
            text: "Other reaction",
            run: () => openEmojis(app, row.id, message),
        },
        message.reactions.length > 0 && {
            name: "people",
            text: "Who reacted",
            run: () => openReactions(app, row.id, message),
        },
        message.content !== "" && {
            name: "copy",
            text: "Copy text",
            run: () => {
                close();
                void app.run("copy", () => navigator.clipboard.writeText(message.content));
            },
        },
        isInLog(message) && { name: "forward", text: "Forward", run: () => openForward(app, message) },
        isInLog(message) && {
            name: "pin",
            text: isPinned ? "Unpin" : "Pin",
            run: () => {
                close();
                void app.run(`pin:${message.id}`, () =>
                    isPinned ? app.client.unpin(message) : app.client.pin(message),
                );
            },
        },
        canEdit(message) && {
            name: "edit",
            text: "Edit",
            run: () => {
                close();
                startEdit(app, view, chat, message);
            },
        },
        isInLog(message) &&
            !message.isMine && { name: "alert", text: "Report", run: () => openReport(app, { message }) },
        isInLog(message) &&
            (message.isMine || canModerate) && {
                name: "trash",
                text: "Delete for everyone",
                isDanger: true,
                run: () =>
                    confirm(app, {
                        title: "Delete this message?",
                        text: `“${summary(message)}” is deleted for everyone.`,
                        action: "Delete",
                        run: () => app.client.remove(message),
                    }),
            },
    ];
    return all.filter((item) => item !== false);
}

/** @param {App} app @param {MessageView} message @param {string[]} choice */
function emojis(app, message, choice) {
    return html`<div class="emojis" role="group" aria-label="React">
        ${choice.map((emoji) => {
            const isMine = message.reactions.some((reaction) => reaction.emoji === emoji && reaction.mine);
            return html`<button
                class="emoji"
                aria-pressed=${isMine}
                @click=${() => {
                    app.dialogs.close();
                    toggleReaction(app, message, emoji, isMine);
                }}
            >
                ${emoji}
            </button>`;
        })}
    </div>`;
}

/** @param {App} app @param {Message} message @param {string} emoji @param {boolean} isMine */
export function toggleReaction(app, message, emoji, isMine) {
    void app.run(`react:${message.id}:${emoji}`, () =>
        isMine ? app.client.unreact(message, emoji) : app.client.react(message, emoji),
    );
}

/** @param {App} app @param {string} roomId @param {MessageView} message */
function openEmojis(app, roomId, message) {
    app.dialogs.open(() => {
        const shown = current(app, roomId, message) ?? message;
        return html`${dialogHead(app, "React")}${emojis(app, shown, [...QUICK, ...MORE])}`;
    });
}

/** @param {App} app @param {string} roomId @param {MessageView} message */
export function openReactions(app, roomId, message) {
    const key = `reactions:${message.id}`;
    app.forget(`resource:${key}`);
    app.dialogs.open(() => {
        const resource = app.resource(key, () => app.client.listReactions(message));
        return html`${dialogHead(app, "Reactions")}
        ${loaded(
            resource,
            (/** @type {Reactor[]} */ reactors) =>
                html`<ul class="list">
                    ${reactors.map(
                        (reactor) =>
                            html`<li class="row">
                                ${avatarOf(reactor)}<span class="grow ellipsis" dir="auto"
                                    >${nameOf(reactor)}</span
                                >
                                <span class="large-emoji">${reactor.emojis.join(" ")}</span>
                            </li>`,
                    )}
                </ul>`,
        )}`;
    });
}

/** @param {App} app @param {MessageView} message */
function openForward(app, message) {
    const choice = { query: "" };
    app.dialogs.open(() => {
        const query = choice.query.trim().toLocaleLowerCase();
        const rows = app.state.rooms.filter((row) => row.title.toLocaleLowerCase().includes(query));
        return html`${dialogHead(app, "Forward to")}
            <label class="search">
                <span class="visually-hidden">Search conversations</span>${icon("search")}
                <input
                    type="search"
                    placeholder="Search"
                    @input=${(/** @type {Event} */ event) => {
                        choice.query = /** @type {HTMLInputElement} */ (event.target).value;
                        app.draw();
                    }}
                />
            </label>
            <ul class="list">
                ${rows.map(
                    (row) =>
                        html`<li>
                            <button
                                class="row"
                                @click=${async () => {
                                    app.dialogs.close();
                                    if (await app.run("forward", () => app.client.forward(message, row.id)))
                                        app.go(`#/r/${row.id}`);
                                }}
                            >
                                ${avatar({ name: row.title, url: pictureOf(row) })}
                                <span class="ellipsis" dir="auto">${row.title}</span>
                            </button>
                        </li>`,
                )}
            </ul>`;
    });
}

/** @param {App} app @param {string} roomId */
export function openPins(app, roomId) {
    app.dialogs.open(() => {
        const view = app.client.room(roomId);
        return html`${dialogHead(app, "Pinned messages")}
            <ul class="list">
                ${view?.pins.map((id) => {
                    const message = view.messages.find((candidate) => candidate.id === id);
                    return html`<li class="row">
                        <button
                            class="pin-item"
                            @click=${() => {
                                app.dialogs.close();
                                void jumpTo(app, roomId, chatOf(app, roomId), id);
                            }}
                        >
                            <strong dir="auto">${message ? senderOf(message) : "Older message"}</strong>
                            <span class="ellipsis" dir="auto"
                                >${message ? summary(message) : "Show it in the conversation"}</span
                            >
                        </button>
                        ${
                            message
                                ? iconButton(
                                      "close",
                                      "Unpin",
                                      () => void app.run(`pin:${id}`, () => app.client.unpin(message)),
                                  )
                                : nothing
                        }
                    </li>`;
                })}
            </ul>`;
    });
}
