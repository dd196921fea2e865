/**
 * What the views show: derived from the state, and the same object as before where nothing has changed.
 *
 * @import {ClientState, EngineState, Message, MessageView, OutboxEntry, Overlay, Participant, Room, RoomRow,
 *     RoomState, RoomView, Tick} from '../types/index.js'
 */

import { find } from "./log.js";
import { ShownLog, nameOf, senderOf, statusOf } from "./shown_log.js";

/**
 * @param {Room} room
 * @param {string} me
 */
export function titleOf(room, me) {
    const others = room.participants.filter((participant) => participant.user_id !== me).map(nameOf);
    return room.name ?? (others.length > 0 ? others.join(", ") : "Only you");
}

/**
 * The participants, without read positions that they or the user withhold.
 * @param {Room} room
 * @param {string} me
 * @returns {Participant[]}
 */
export function visibleParticipants({ participants }, me) {
    const isOwnWithheld = participants.some((it) => it.user_id === me && it.read_receipts === false);
    return participants.map((it) => {
        const isWithheld = it.user_id !== me && (isOwnWithheld || it.read_receipts === false);
        return isWithheld ? { ...it, read_seq: 0 } : it;
    });
}

/**
 * Up to which position all others have read and received.
 * @param {RoomState} room
 * @param {string} me
 */
export function reached({ room, others }, me) {
    // A list shows only some participants of a large group.
    if (others && room.participants.length !== room.participant_count) return others;
    const visible = visibleParticipants(room, me).filter((it) => it.user_id !== me);
    if (visible.length === 0) return { read: 0, delivered: 0 };
    return {
        read: Math.min(...visible.map((it) => it.read_seq)),
        delivered: Math.min(...visible.map((it) => it.delivered_seq)),
    };
}

/**
 * The number of messages above the user's own position, without system messages and deleted ones. The
 * messages that the device does not store are part of the service's count.
 * @param {RoomState} room
 * @param {string} me
 */
export function unreadOf({ seq, room, messages, readSeq, unread }, me) {
    const own = room.participants.find((it) => it.user_id === me);
    const read = Math.max(own?.read_seq ?? 0, readSeq);
    let count = Math.max(0, seq - read);
    const oldest = messages[0]?.seq ?? seq + 1;
    for (let { at } = find(messages, read + 1); at < messages.length; at += 1) {
        if (messages[at].seq <= seq && !isCounted(messages[at])) count -= 1;
    }
    if (oldest <= read + 1) return count;
    const stored = messages.filter((it) => it.seq > unread.seq && it.seq <= seq && isCounted(it)).length;
    return Math.max(0, Math.min(count, unread.count + stored));
}

/** @param {Message} message */
function isCounted(message) {
    return message.message_type !== "system" && !message.is_deleted;
}

/** @param {RoomState} room @param {Overlay[]} overlays @returns {Room} */
function roomWithOverlays({ room }, overlays) {
    for (const { seq, settings, pin } of overlays) {
        if (seq === null && settings) room = { ...room, settings: { ...room.settings, ...settings } };
        if (pin) {
            const others = room.pinned_message_ids.filter((id) => id !== pin.id);
            room = { ...room, pinned_message_ids: pin.isPinned ? [pin.id, ...others] : others };
        }
    }
    return room;
}

/** What a row and a view are derived from: if nothing of it changes, neither do they. */
/** @typedef {{inputs: unknown[], row: RoomRow}} CachedRow */

/** Derives the views of one client, and keeps the last ones. */
export class Views {
    /** @type {Map<string, CachedRow>} */
    #rows = new Map();
    /** @type {Map<string, {inputs: unknown[], view: RoomView}>} */
    #views = new Map();
    /** @type {Map<string, ShownLog>} */
    #logs = new Map();

    /**
     * @param {EngineState} state
     * @param {string} id
     * @param {number} now
     * @returns {RoomRow | null}
     */
    row(state, id, now) {
        const room = state.rooms.get(id);
        if (!room) return null;
        const entries = state.outbox.filter((it) => it.roomId === id);
        const isMuted = (it = room.room.settings.muted_until) => it !== null && Date.parse(it) > now;
        const overlays = [...state.overlays.values()].filter((it) => it.roomId === id);
        const typing = state.typing.get(id);
        const sending = state.sending.get(id);
        const inputs = [room, state.drafts.get(id), typing, isMuted(), sending, ...entries, "", ...overlays];
        const cached = this.#rows.get(id);
        if (cached && isSame(cached.inputs, inputs)) return cached.row;
        const shown = roomWithOverlays(room, overlays);
        const row = this.#row(
            state,
            room,
            { ...shown, participants: visibleParticipants(shown, state.me) },
            entries,
        );
        row.isMuted = isMuted(shown.settings.muted_until);
        this.#rows.set(id, { inputs, row });
        return row;
    }

    /**
     * @param {EngineState} state
     * @param {RoomState} stored
     * @param {Room} room
     * @param {OutboxEntry[]} entries
     * @returns {RoomRow}
     */
    #row(state, stored, room, entries) {
        const newest = stored.messages.findLast((it) => it.seq <= stored.seq);
        const [entry] = entries.slice(-1);
        const preview = entry ? queued(state, entry) : (newest ?? room.last_message);
        const { me } = state;
        const tick = entry
            ? tickOf(state, entry)
            : preview
              ? statusOf(preview, reached(stored, me), me)
              : null;
        return {
            id: room.id,
            room,
            title: titleOf(room, me),
            peer: room.is_group ? null : (room.participants.find((it) => it.user_id !== me) ?? null),
            preview,
            unread: unreadOf(stored, me),
            tick,
            draft: state.drafts.get(room.id) ?? "",
            typing: [...(state.typing.get(room.id) ?? [])].map(([user_id, { name }]) => ({ user_id, name })),
            isMuted: false,
            isPinned: room.settings.is_pinned,
            isArchived: room.settings.is_archived,
        };
    }

    /**
     * @param {EngineState} state
     * @param {string} id
     * @param {number} now
     * @returns {RoomView | null}
     */
    room(state, id, now) {
        const row = this.row(state, id, now);
        const stored = state.rooms.get(id);
        if (!row || !stored) return null;
        const older = state.older.get(id);
        const inputs = [row, older, state.lines.get(id)];
        const cached = this.#views.get(id);
        if (cached && isSame(cached.inputs, inputs)) return cached.view;
        const overlays = [...state.overlays.values()].filter((it) => it.roomId === id);
        const shown = this.#logs.get(id) ?? new ShownLog();
        this.#logs.set(id, shown);
        const log = shown.update(stored, reached(stored, state.me), overlays, state.me);
        const outbox = state.outbox.filter((it) => it.roomId === id).map((entry) => queued(state, entry));
        const view = {
            row,
            messages: [...log, ...outbox],
            hasOlder:
                !stored.hasAll && (stored.messages[0]?.seq ?? stored.seq + 1) > (stored.room.first_seq ?? 1),
            isLoadingOlder: older?.isLoading ?? false,
            olderError: older?.error ?? null,
            pins: row.room.pinned_message_ids,
            firstUnreadSeq: state.lines.get(id) ?? null,
        };
        this.#views.set(id, { inputs, view });
        return view;
    }

    /**
     * @param {EngineState} state
     * @param {number} now
     * @returns {ClientState}
     */
    all(state, now) {
        const rows = [...state.rooms.keys()].map((id) => /** @type {RoomRow} */ (this.row(state, id, now)));
        rows.sort((a, b) => Number(b.isPinned) - Number(a.isPinned) || (activity(b) < activity(a) ? -1 : 1));
        for (const id of this.#rows.keys()) {
            if (!state.rooms.has(id)) {
                this.#rows.delete(id);
                this.#views.delete(id);
                this.#logs.delete(id);
            }
        }
        const counted = rows.filter((row) => !row.isMuted && !row.isArchived);
        return {
            me: state.profile,
            connection: { status: state.connection.status, retryAt: state.connection.retryAt },
            isLoaded: state.isLoaded,
            rooms: rows,
            friends: state.friends,
            requests: state.requests,
            blocks: state.blocks,
            presence: state.presence,
            unreadTotal: counted.reduce((sum, row) => sum + row.unread, 0),
            limitedUntil: state.limitedUntil,
            notices: state.notices,
        };
    }
}

/** @param {RoomRow} row */
function activity(row) {
    return row.preview?.created_at ?? row.room.created_at;
}

/** @param {unknown[]} a @param {unknown[]} b */
function isSame(a, b) {
    return a.length === b.length && a.every((value, at) => value === b[at]);
}

/**
 * @param {EngineState} state
 * @param {OutboxEntry} entry
 * @returns {Tick}
 */
function tickOf(state, entry) {
    if (entry.failure) return "failed";
    if (entry.sent) return "sent";
    const sending = state.sending.get(entry.roomId);
    return sending?.key === entry.key && sending.state !== "waiting" ? "sending" : "queued";
}

/**
 * A message in the outbox, in the form of a message in the log.
 * @param {EngineState} state
 * @param {OutboxEntry} entry
 * @returns {MessageView}
 */
function queued(state, entry) {
    const { body, key, roomId, failure, sent } = entry;
    const room = state.rooms.get(roomId);
    const original = body.reply_to_id ? room?.messages.find((it) => it.id === body.reply_to_id) : undefined;
    const source = body.forward_room_id ? state.rooms.get(body.forward_room_id) : undefined;
    const forwarded = source?.messages.find((it) => it.id === body.forward_message_id);
    /** @type {Message} */
    const message = sent ?? {
        id: key,
        chat_room_id: roomId,
        sender_id: state.me,
        sender_username: state.profile?.username ?? "",
        sender_display_name: state.profile?.display_name ?? null,
        content: body.content ?? forwarded?.content ?? "",
        message_type: /** @type {Message['message_type']} */ (
            body.message_type ?? forwarded?.message_type ?? "text"
        ),
        media_url: body.media_url ?? forwarded?.media_url ?? null,
        reply_to_id: body.reply_to_id ?? null,
        reply_to: original ? { ...original, content: [...original.content].slice(0, 100).join("") } : null,
        is_edited: false,
        edited_at: null,
        is_deleted: false,
        is_forwarded: body.forward_message_id !== undefined,
        created_at: new Date(entry.createdAt).toISOString(),
        seq: (room?.seq ?? 0) + 1,
        rev: 0,
        status: null,
        client_message_id: key,
        payload: body.payload ?? forwarded?.payload ?? null,
        reactions: [],
    };
    const own = room?.room.participants.find((it) => it.user_id === state.me);
    return { ...message, ...senderOf(message, own), isMine: true, tick: tickOf(state, entry), failure, key };
}
