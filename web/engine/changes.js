/**
 * What to store after a step: the difference between two states. Handlers cannot forget to store a change.
 *
 * @import {Changes, EngineState, Message, RoomState, StoredRoom} from '../types/index.js'
 */

/** The parts of the state that are stored as they are. */
export const META = /** @type {const} */ (["profile", "friends", "requests", "blocks"]);

/**
 * @param {EngineState} before
 * @param {EngineState} after
 * @param {Iterable<string>} touched The ids of rooms that may differ.
 * @returns {Changes | null} `null` if the stored state does not change.
 */
export function changesOf(before, after, touched) {
    /** @type {Changes} */
    const changes = {
        meta: {},
        rooms: [],
        deletedRooms: [],
        messages: [],
        deletedMessages: [],
        outbox: [],
        deletedOutbox: [],
        drafts: [],
    };
    for (const name of META) if (before[name] !== after[name]) changes.meta[name] = after[name];
    for (const id of touched) {
        const room = after.rooms.get(id);
        if (room === before.rooms.get(id)) continue;
        if (room) addRoom(changes, id, before.rooms.get(id), room);
        else changes.deletedRooms.push(id);
    }
    if (before.outbox !== after.outbox) {
        const known = new Map(before.outbox.map((entry) => [entry.key, entry]));
        for (const entry of after.outbox) {
            // A new entry is stored before it is queued.
            const earlier = known.get(entry.key);
            if (earlier && earlier !== entry) changes.outbox.push(entry);
            known.delete(entry.key);
        }
        changes.deletedOutbox = [...known.values()].map((entry) => entry.n);
    }
    if (before.drafts !== after.drafts) {
        for (const [id, text] of after.drafts)
            if (before.drafts.get(id) !== text) changes.drafts.push([id, text]);
        for (const id of before.drafts.keys()) if (!after.drafts.has(id)) changes.drafts.push([id, null]);
    }
    const { meta, ...lists } = changes;
    const isEmpty = Object.keys(meta).length === 0 && Object.values(lists).every((list) => list.length === 0);
    return isEmpty ? null : changes;
}

/**
 * @param {Changes} changes
 * @param {string} id
 * @param {RoomState | undefined} before
 * @param {RoomState} after
 */
function addRoom(changes, id, before, after) {
    changes.rooms.push(record(id, after));
    if (before?.messages === after.messages) return;
    // Both are in ascending order.
    const known = before?.messages ?? [];
    let at = 0;
    for (const message of after.messages) {
        for (; at < known.length && known[at].seq < message.seq; at += 1) {
            changes.deletedMessages.push([id, known[at].seq]);
        }
        if (known[at] !== message) changes.messages.push(message);
        if (known[at]?.seq === message.seq) at += 1;
    }
    for (const { seq } of known.slice(at)) changes.deletedMessages.push([id, seq]);
}

/**
 * @param {string} id
 * @param {RoomState} room
 * @returns {StoredRoom}
 */
function record(id, { messages: _, ...room }) {
    return { id, ...room };
}

/**
 * The rooms of a store, with their messages.
 * @param {StoredRoom[]} records
 * @param {Message[]} messages
 * @returns {Map<string, RoomState>}
 */
export function restoreRooms(records, messages) {
    /** @type {Map<string, RoomState>} */
    const rooms = new Map(records.map(({ id, ...room }) => [id, { ...room, messages: [] }]));
    for (const message of messages) rooms.get(message.chat_room_id)?.messages.push(message);
    for (const room of rooms.values()) room.messages.sort((a, b) => a.seq - b.seq);
    return rooms;
}
