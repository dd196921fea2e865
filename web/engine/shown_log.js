/**
 * The log of a room as the views show it.
 *
 * @import {Message, MessageView, Overlay, Participant, RoomState} from '../types/index.js'
 */

import { find, withStoredPreview } from "./log.js";

/** @param {{display_name?: string | null, username: string}} user */
export function nameOf(user) {
    return user.display_name ?? user.username;
}

/**
 * A message keeps the names under which it was sent. A participant is shown under the present ones.
 * @param {Message} message
 * @param {Participant | undefined} sender
 */
export function senderOf(message, sender) {
    const sent = message.sender_display_name ?? message.sender_username;
    return { senderName: sender ? nameOf(sender) : sent, senderAvatar: sender?.avatar_url ?? null };
}

/**
 * @param {Message} message
 * @param {{read: number, delivered: number}} to
 * @param {string} me
 * @returns {'sent' | 'delivered' | 'read' | null}
 */
export function statusOf(message, to, me) {
    if (message.sender_id !== me) return null;
    return message.seq <= to.read ? "read" : message.seq <= to.delivered ? "delivered" : "sent";
}

/**
 * @param {Message} message
 * @param {Iterable<Overlay>} overlays
 */
function withOverlays(message, overlays) {
    for (const overlay of overlays) {
        if (overlay.seq !== message.seq || overlay.roomId !== message.chat_room_id) continue;
        message = { ...message, ...overlay.message };
        if (overlay.reaction) message.reactions = reacted(message.reactions, overlay.reaction);
    }
    return message;
}

/**
 * @param {Message['reactions']} reactions
 * @param {{emoji: string, isAdded: boolean}} change
 */
function reacted(reactions, { emoji, isAdded }) {
    const known = reactions.find((it) => it.emoji === emoji);
    if ((known?.mine ?? false) === isAdded) return reactions;
    if (!known) return [...reactions, { emoji, count: 1, mine: true }];
    const changed = { ...known, mine: isAdded, count: known.count + (isAdded ? 1 : -1) };
    return reactions.map((it) => (it === known ? changed : it)).filter((it) => it.count > 0);
}

/** Derives the messages of one room, and keeps those that have not changed. */
export class ShownLog {
    /** @type {Message[]} */
    #stored = [];
    /** The stored messages with overlays and present previews. @type {Message[]} */
    #bases = [];
    /** @type {MessageView[]} */
    #views = [];

    /**
     * @param {RoomState} room
     * @param {{read: number, delivered: number}} to Up to where all others have read and received.
     * @param {Overlay[]} overlays
     * @param {string} me
     * @returns {MessageView[]}
     */
    update({ seq, room, messages }, to, overlays, me) {
        // Messages above a gap wait until it is closed.
        const stored = messages.slice(0, find(messages, seq + 1).at);
        const senders = new Map(room.participants.map((it) => [it.user_id, it]));
        const shift = stored.length > 0 ? find(this.#stored, stored[0].seq).at : 0;
        /** @type {Map<string, Message> | null} */
        let byId = null;
        const bases = stored.map((message) => {
            const base = overlays.length > 0 ? withOverlays(message, overlays) : message;
            if (!base.reply_to) return base;
            byId ??= new Map(messages.map((it) => [it.id, it]));
            return withStoredPreview(base, byId);
        });
        const views = stored.map((message, at) => {
            const before = this.#views[at + shift];
            const isKnown =
                this.#stored[at + shift] === message && isSame(this.#bases[at + shift], bases[at]);
            const tick = statusOf(message, to, me);
            const sender = senderOf(message, senders.get(message.sender_id));
            const isShown = isKnown && before.tick === tick && before.senderName === sender.senderName;
            if (isShown && before.senderAvatar === sender.senderAvatar) return before;
            const isMine = message.sender_id === me;
            const key = isMine ? message.client_message_id : message.id;
            return { ...bases[at], ...sender, isMine, tick, failure: null, key };
        });
        [this.#stored, this.#bases, this.#views] = [stored, bases, views];
        return views;
    }
}

/**
 * Whether two versions of the same stored message show the same.
 * @param {Message} a
 * @param {Message} b
 */
function isSame(a, b) {
    if (a === b) return true;
    const hasSamePreview =
        a.reply_to?.content === b.reply_to?.content && a.reply_to?.is_deleted === b.reply_to?.is_deleted;
    return (
        hasSamePreview &&
        a.content === b.content &&
        a.is_edited === b.is_edited &&
        a.reactions === b.reactions
    );
}
