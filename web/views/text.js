/** Words: names, times, previews, and the text of messages. */
import { html } from "../vendor/lit-html/lit-html.js";

/** @import { Message, Participant, Room } from './types.d.ts' */

/** @param {{ display_name?: string | null, username?: string | null } | null | undefined} person */
export function nameOf(person) {
    return person?.display_name ?? person?.username ?? "Someone";
}

/**
 * @param {Message | { sender_id: string, sender_username: string, sender_display_name?: string | null }}
 *     message
 */
export function senderOf(message) {
    const sender = /** @type {{ sender_username: string, sender_display_name?: string | null }} */ (message);
    return sender.sender_display_name ?? sender.sender_username;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const fullDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** @param {number | Date} time */
const dayNumber = (time) => {
    const at = new Date(time);
    return Math.round(Date.UTC(at.getFullYear(), at.getMonth(), at.getDate()) / 86_400_000);
};

/** @param {string} time */
export const timeOfDay = (time) => clock.format(new Date(time));

/** @param {string} time */
export const dateAndTime = (time) => moment.format(new Date(time));

/** @param {string} a @param {string} b */
export const isSameDay = (a, b) => dayNumber(Date.parse(a)) === dayNumber(Date.parse(b));

/** The day of a separator in a chat. @param {string} time */
export function day(time) {
    const ago = dayNumber(Date.now()) - dayNumber(Date.parse(time));
    if (ago <= 0) return "Today";
    if (ago === 1) return "Yesterday";
    return ago < 7 ? weekday.format(new Date(time)) : fullDate.format(new Date(time));
}

/** The time of a row in the list of rooms. @param {string} time */
export function shortTime(time) {
    const ago = dayNumber(Date.now()) - dayNumber(Date.parse(time));
    if (ago <= 0) return timeOfDay(time);
    if (ago === 1) return "Yesterday";
    return ago < 7 ? weekday.format(new Date(time)) : date.format(new Date(time));
}

/** @param {{ is_online: boolean | null, last_seen: string | null } | null | undefined} presence */
export function presenceText(presence) {
    if (presence?.is_online) return "online";
    if (!presence?.last_seen) return "";
    const minutes = Math.floor((Date.now() - Date.parse(presence.last_seen)) / 60_000);
    if (minutes < 1) return "last seen just now";
    if (minutes < 60) return `last seen ${minutes} min ago`;
    return `last seen ${day(presence.last_seen).toLowerCase()} at ${timeOfDay(presence.last_seen)}`;
}

/** @param {{ name: string }[]} typing */
export function typingText(typing) {
    if (typing.length === 0) return "";
    if (typing.length === 1) return `${typing[0].name} is typing…`;
    return typing.length === 2
        ? `${typing[0].name} and ${typing[1].name} are typing…`
        : "Several people are typing…";
}

/** What a message without text shows. @type {Record<string, string>} */
const KINDS = {
    image: "Photo",
    file: "File",
    location: "Location",
    workout: "Workout",
    voice: "Voice message",
};

/** @param {{ message_type: string, content: string, is_deleted?: boolean }} message */
export function summary(message) {
    if (message.is_deleted) return "Message deleted";
    return message.content || KINDS[message.message_type] || "Message";
}

/** The preview of a room's newest message, with its sender in groups.
 * @param {Message} message @param {Room} room @param {string} me */
export function preview(message, room, me) {
    if (message.message_type === "system") return systemText(message, room.participants, me);
    const text = summary(message);
    if (message.sender_id === me) return `You: ${text}`;
    return room.is_group ? `${senderOf(message)}: ${text}` : text;
}

/** The sentence for an event of a group.
 * @param {Message} message @param {Participant[]} participants @param {string} me */
export function systemText(message, participants, me) {
    const event = /** @type {Record<string, any>} */ (message.payload ?? {});
    /** @param {string} id @param {string} fallback */
    const name = (id, fallback) => {
        if (id === me) return "you";
        const found = participants.find((participant) => participant.user_id === id);
        return found ? nameOf(found) : fallback;
    };
    const actor = name(message.sender_id, senderOf(message));
    const Actor = actor === "you" ? "You" : actor;
    const target = name(event.user_id, event.username ?? "");
    switch (event.action) {
        case "participant_added":
            return `${Actor} added ${target}`;
        case "participant_removed":
            return `${Actor} removed ${target}`;
        case "participant_left":
            return `${Actor} left`;
        case "role_changed":
            return `${Actor} made ${target} ${event.role === "member" ? "a member" : `an ${event.role}`}`;
        case "room_changed":
            if (event.name) return `${Actor} named the group “${event.name}”`;
            return `${Actor} changed the group’s ${(event.changed ?? []).map(detailName).join(" and ")}`;
        default:
            return message.content;
    }
}

/** @param {string} detail */
const detailName = (detail) =>
    ({ avatar_url: "picture", history_visibility: "history setting" })[detail] ?? detail;

const LINK = /https:\/\/[^\s<>"]+/g;

/** The text with its https links. Trailing punctuation belongs to the sentence. @param {string} text */
export function linked(text) {
    /** @type {unknown[]} */
    const parts = [];
    let end = 0;
    for (const match of text.matchAll(LINK)) {
        const address = match[0].replace(/[.,;:!?'")\]]+$/, "");
        if (!URL.canParse(address)) continue;
        parts.push(text.slice(end, match.index), link(address));
        end = match.index + address.length;
    }
    parts.push(text.slice(end));
    return parts;
}

/** @param {string} address @param {unknown} [text] */
export function link(address, text = address) {
    return html`<a href=${address} target="_blank" rel="noopener noreferrer">${text}</a>`;
}

const FEW_EMOJI = new RegExp("^(?:\\p{RGI_Emoji}){1,3}$", "v");

/** Whether a text is shown large. @param {string} text */
export const isFewEmoji = (text) => text.length < 50 && FEW_EMOJI.test(text);

/** @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
