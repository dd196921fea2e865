/**
 * The state of one room on a device, and how frames and responses change it. All functions are pure: they
 * return a new state and leave the old one unchanged. `tests/replica.rs` has the same rules, and a test
 * replays its traces.
 *
 * @import {Frame, Message, Participant, Room, RoomState, RoomSync, UnchangedRoom} from '../types/index.js'
 */

import { find, merged, withPreviewsOf } from "./log.js";

/** What a frame does to a room: `null` deletes it. With `hasGap`, an earlier frame was missed. */
/** @typedef {{room: RoomState | null | undefined, hasGap: boolean}} Taken */

/** Fields that `room_updated` contains. */
const DETAILS = /** @type {const} */ ([
    "name",
    "avatar_url",
    "description",
    "history_visibility",
    "pinned_message_ids",
]);
/**
 * Fields that `participant_updated` may change. Positions come from receipts only: in this frame they may be
 * older.
 */
const IDENTITY = /** @type {const} */ (["username", "display_name", "avatar_url", "role", "read_receipts"]);
/** Frames that contain only what their own revision changed. */
const PARTIAL = new Set([
    "message_reaction",
    "room_updated",
    "participant_joined",
    "participant_left",
    "participant_updated",
]);

/**
 * The room that a frame concerns.
 * @param {Frame} frame
 * @returns {string | null}
 */
export function roomOf(frame) {
    return frame.data?.chat_room_id ?? frame.data?.id ?? null;
}

/**
 * Applies a frame to its room, which is `undefined` if the device does not store it.
 * @param {RoomState | undefined} room
 * @param {Frame} frame
 * @param {string} me
 * @returns {Taken}
 */
export function takeFrame(room, frame, me) {
    const { type, data } = frame;
    if (type === "participant_left" && data.user_id === me) {
        // A late frame refers to an earlier membership.
        return { room: room && room.rev >= data.rev ? room : null, hasGap: false };
    }
    if (type === "room_deleted") return { room: null, hasGap: false };
    if (type === "room_created") return { room, hasGap: true };
    if (!room) return { room, hasGap: data?.chat_room_id !== undefined };
    // The frame lacks what the missed revisions changed: a newer `rev` would hide that it is missing.
    if (PARTIAL.has(type) && data.rev > room.rev + 1) return { room, hasGap: true };
    return applyKnown({ ...room }, frame);
}

/**
 * @param {RoomState} room A copy that this function may change.
 * @param {Frame} frame
 * @returns {Taken}
 */
function applyKnown(room, { type, data }) {
    switch (type) {
        case "new_message":
        case "message_sent":
            return applyMessage(room, data);
        case "message_updated":
            if (data.rev > room.rev) room.messages = withPreviewsOf(room.messages, data);
            return changeMessage(room, data, () => data);
        case "message_deleted":
            unpin(room, new Set([data.id]));
            if (data.rev > room.rev) room.messages = withPreviewsOf(room.messages, data);
            return changeMessage(room, data, () => data);
        case "message_reaction":
            return changeMessage(room, data, (stored) => ({
                ...stored,
                reactions: data.reactions,
                rev: data.rev,
            }));
        case "room_updated":
            return changeRoom(room, data, () =>
                Object.fromEntries(DETAILS.map((field) => [field, data[field]])),
            );
        case "participant_joined":
        case "participant_left":
            return changeRoom(room, data, (stored) => ({
                participants: withMember(stored.participants, data),
                participant_count: data.participant_count,
            }));
        case "participant_updated":
            return changeRoom(room, data, (stored) => ({
                participants: stored.participants.map((participant) =>
                    renewed(participant, data.participants),
                ),
            }));
        case "room_settings_updated":
            applySettings(room, data.settings);
            break;
        case "message_read_receipt":
            advanceReceipt(room, data.user_id, data.seq, 0);
            break;
        case "message_delivered_receipt":
            advanceReceipt(room, data.user_id, 0, data.seq);
            break;
    }
    return { room, hasGap: false };
}

/**
 * @param {Participant[]} participants
 * @param {any} data The data of `participant_joined` or `participant_left`.
 */
function withMember(participants, data) {
    const id = data.participant?.user_id ?? data.user_id;
    const others = participants.filter((participant) => participant.user_id !== id);
    return [...others, ...(data.participant ? [data.participant] : [])].map((participant) =>
        data.new_owner_id && participant.user_id === data.new_owner_id
            ? { ...participant, role: /** @type {const} */ ("owner") }
            : participant,
    );
}

/**
 * @param {Participant} participant
 * @param {Participant[]} updates
 */
function renewed(participant, updates) {
    const update = updates.find((it) => it.user_id === participant.user_id);
    if (!update) return participant;
    const fields = IDENTITY.filter((field) => field in update);
    return { ...participant, ...Object.fromEntries(fields.map((field) => [field, update[field]])) };
}

/**
 * Applies one room of a sync. A partial response for a room that is no longer stored does not apply.
 * @param {RoomState | undefined} room
 * @param {RoomSync} synced
 * @returns {RoomState | undefined}
 */
export function takeRoomSync(room, synced) {
    if (synced.complete && !room) return undefined;
    const { seq, rev } = synced;
    const base = synced.complete ? room : undefined;
    const next = base ? { ...base } : newRoom(synced.room, seq, rev, room?.readSeq ?? 0);
    if (base) mergeRoom(next, synced.room, rev);
    next.others = { read: synced.others_read_seq, delivered: synced.others_delivered_seq };
    next.unread = { seq: synced.room.seq, count: synced.room.unread_count };
    mergeMessages(next, synced.messages);
    // The stored part of the log must have no hole. Previews of messages below it change, too.
    mergeMessages(
        next,
        synced.changed.filter(({ seq }) => find(next.messages, seq).found),
    );
    for (const message of synced.changed) next.messages = withPreviewsOf(next.messages, message);
    next.rev = Math.max(next.rev, rev);
    next.seq = Math.max(next.seq, seq);
    advanceSeq(next);
    unpinDeleted(next);
    return next;
}

/**
 * Applies the row of a room of which the device misses no message and no change.
 * @param {RoomState} room
 * @param {UnchangedRoom} row
 * @param {string} me
 * @returns {RoomState}
 */
export function takeUnchanged(room, row, me) {
    const next = { ...room };
    next.others = { read: row.others_read_seq, delivered: row.others_delivered_seq };
    next.unread = { seq: room.seq, count: row.unread_count };
    for (const { user_id } of room.room.participants) {
        if (user_id === me) advanceReceipt(next, user_id, row.read_seq, row.delivered_seq);
        else advanceReceipt(next, user_id, row.others_read_seq, row.others_delivered_seq);
    }
    for (const { user_id, read_seq, delivered_seq } of row.receipts) {
        advanceReceipt(next, user_id, read_seq, delivered_seq);
    }
    applySettings(next, row.settings);
    return next;
}

/**
 * Stores a room of `GET /chat/rooms/{id}`, which has all participants.
 * @param {RoomState} room
 * @param {Room} response
 * @returns {RoomState}
 */
export function takeRoom(room, response) {
    const next = { ...room };
    mergeRoom(next, response, response.rev);
    return next;
}

/**
 * Adds messages of a room's history.
 * @param {RoomState} room
 * @param {Message[]} messages
 * @returns {RoomState}
 */
export function takeHistory(room, messages) {
    const next = { ...room };
    mergeMessages(next, messages);
    advanceSeq(next);
    return next;
}

/**
 * @param {Room} room
 * @param {number} seq
 * @param {number} rev
 * @param {number} readSeq
 * @returns {RoomState}
 */
function newRoom(room, seq, rev, readSeq) {
    return {
        seq,
        rev,
        room,
        messages: [],
        others: null,
        readSeq,
        hasAll: seq === 0,
        unread: { seq: room.seq, count: room.unread_count },
    };
}

/**
 * @param {RoomState} room
 * @param {Message} message
 * @returns {Taken}
 */
function applyMessage(room, message) {
    // An unknown message at or below `seq` is older than the current membership, or than the stored part of
    // the log.
    if (message.seq > room.seq || find(room.messages, message.seq).found) mergeMessages(room, [message]);
    advanceSeq(room);
    return { room, hasGap: message.seq > room.seq };
}

/**
 * @param {RoomState} room
 * @param {{seq: number, rev: number}} change
 * @param {(message: Message) => Message} apply
 * @returns {Taken}
 */
function changeMessage(room, { seq, rev }, apply) {
    const { at, found } = find(room.messages, seq);
    if (found && room.messages[at].rev < rev) {
        room.messages = room.messages.with(at, apply(room.messages[at]));
    }
    // A room that was not opened yet stores only a preview of its newest message.
    const { last_message } = room.room;
    if (!found && last_message?.seq === seq && last_message.rev < rev) {
        room.room = { ...room.room, last_message: apply(last_message) };
    }
    // The missing message may still arrive in an older version, so this revision does not count as known.
    if (seq > room.seq && !found) return { room, hasGap: true };
    return advanceRev(room, rev);
}

/**
 * @param {RoomState} room
 * @param {{rev: number}} change
 * @param {(room: Room) => Partial<Room>} apply
 * @returns {Taken}
 */
function changeRoom(room, { rev }, apply) {
    if (room.room.rev < rev) room.room = { ...room.room, ...apply(room.room), rev };
    return advanceRev(room, rev);
}

/**
 * The user's own settings of a room have their own version.
 * @param {RoomState} room
 * @param {Room['settings'] | null | undefined} settings
 */
function applySettings(room, settings) {
    if (settings && room.room.settings.version < settings.version) room.room = { ...room.room, settings };
}

/**
 * @param {RoomState} room
 * @param {number} rev
 * @returns {Taken}
 */
function advanceRev(room, rev) {
    if (rev === room.rev + 1) room.rev = rev;
    return { room, hasGap: rev > room.rev };
}

/** @param {RoomState} room */
function advanceSeq(room) {
    let { at } = find(room.messages, room.seq + 1);
    for (; room.messages[at]?.seq === room.seq + 1; at += 1) room.seq += 1;
}

/**
 * A position never moves back, and a read message is also delivered.
 * @param {RoomState} room
 * @param {string} user
 * @param {number} read
 * @param {number} reached
 */
function advanceReceipt(room, user, read, reached) {
    const delivered = Math.max(read, reached);
    const at = room.room.participants.findIndex((participant) => participant.user_id === user);
    const known = room.room.participants[at];
    if (!known || (known.read_seq >= read && known.delivered_seq >= delivered)) return;
    const read_seq = Math.max(known.read_seq, read);
    const delivered_seq = Math.max(known.delivered_seq, delivered);
    const participants = room.room.participants.with(at, { ...known, read_seq, delivered_seq });
    room.room = { ...room.room, participants };
}

/**
 * Stores messages of a response unless a newer version is already stored.
 * @param {RoomState} room
 * @param {Message[]} messages
 */
function mergeMessages(room, messages) {
    if (messages.length === 0) return;
    room.messages = merged(room.messages, messages);
    /** @type {Map<string, number>} */
    const newest = new Map();
    for (const { sender_id, seq } of messages)
        newest.set(sender_id, Math.max(newest.get(sender_id) ?? 0, seq));
    // The sender of a message has read everything up to it.
    for (const [sender, seq] of newest) advanceReceipt(room, sender, seq, 0);
}

/**
 * Stores the room of a response unless a later revision is already stored. Positions never move back.
 * @param {RoomState} room
 * @param {Room} response
 * @param {number} rev
 */
function mergeRoom(room, response, rev) {
    const [kept, other] = room.room.rev > rev ? [room.room, response] : [response, room.room];
    room.room = kept;
    applySettings(room, other.settings);
    for (const { user_id, read_seq, delivered_seq } of other.participants) {
        advanceReceipt(room, user_id, read_seq, delivered_seq);
    }
}

/**
 * A response may list pins from before a deletion that a frame has already announced.
 * @param {RoomState} room
 */
function unpinDeleted(room) {
    unpin(room, new Set(room.messages.filter((message) => message.is_deleted).map((message) => message.id)));
}

/**
 * @param {RoomState} room
 * @param {Set<string>} ids
 */
function unpin(room, ids) {
    const pinned = room.room.pinned_message_ids;
    if (!pinned.some((id) => ids.has(id))) return;
    room.room = { ...room.room, pinned_message_ids: pinned.filter((id) => !ids.has(id)) };
}
