/**
 * Catching up: sync, page by page; history of rooms that a sync does not complete; and gaps between frames.
 *
 * @import {Frame, HttpResponse, RoomSync, SyncResponse} from '../types/index.js'
 * @import {Step} from './step.js'
 */

import { retryDelay } from "./backoff.js";
import { forgetOlder, noteChange } from "./history.js";
import { flush, onLogged } from "./outbox.js";
import { closeRoom } from "./closing.js";
import { roomOf, takeFrame, takeHistory, takeRoom, takeRoomSync, takeUnchanged } from "./rooms.js";

/** The number of rooms that one call names. */
const MAX_NAMED = 500;
/** The number of messages in a page of history. */
export const PAGE = 50;
/** Frames that change a message. */
const CHANGES = new Set(["message_updated", "message_deleted", "message_reaction"]);
/** The number of participants that a sync returns. */
const LISTED = 9;
/** Most gaps close within this time: frames overtake each other. */
const GAP_WAIT = 2000;

/**
 * Starts a sync. If one is in progress, another follows it.
 * @param {Step} step
 * @param {string[] | null} named The rooms to sync; `null` for all.
 */
export function startSync(step, named) {
    const { isActive, again } = step.state.sync;
    if (isActive) {
        const both = again?.named && named ? [...new Set([...again.named, ...named])] : null;
        step.setSync({ again: { named: again ? both : named } });
        return;
    }
    step.setSync({ isActive: true, named, again: null, cursor: null, isPageDue: true, attempt: 0 });
    proceed(step);
}

/** Takes the next step of a sync: history first, then participants, then pages. @param {Step} step */
export function proceed(step) {
    const { isActive, unloaded, partial, isPageDue } = step.state.sync;
    if (!isActive) return;
    if (unloaded.length > 0) {
        const before = (step.room(unloaded[0])?.seq ?? 0) + 1;
        step.http(
            { kind: "sync", part: "history", roomId: unloaded[0] },
            "GET",
            historyPath(unloaded[0], before),
        );
    } else if (partial.length > 0) {
        step.http({ kind: "sync", part: "room", roomId: partial[0] }, "GET", `/chat/rooms/${partial[0]}`);
    } else if (isPageDue) {
        step.http({ kind: "sync", part: "page" }, "POST", "/chat/sync", syncRequest(step));
    } else {
        finish(step);
    }
}

/**
 * @param {string} roomId
 * @param {number} before
 */
export function historyPath(roomId, before) {
    return `/chat/rooms/${roomId}/messages?limit=${PAGE}&before_seq=${before}`;
}

/**
 * The body of `POST /chat/sync`. A call names the rooms with the lowest ids above the cursor.
 * @param {Step} step
 */
function syncRequest(step) {
    const { named, cursor } = step.state.sync;
    const ids = (named ?? [...step.state.rooms.keys()]).filter((id) => cursor === null || id > cursor);
    const positions = ids
        .sort()
        .slice(0, MAX_NAMED)
        .map((id) => {
            const room = step.room(id);
            return [id, { seq: room?.seq ?? 0, rev: room?.rev ?? 0 }];
        });
    return { rooms: Object.fromEntries(positions), cursor, ...(named ? { only_named: true } : {}) };
}

/** @param {Step} step */
function finish(step) {
    const { deferred, again } = step.state.sync;
    step.setSync({ isActive: false, deferred: [], again: null, attempt: 0 });
    for (const frame of deferred) receive(step, frame);
    // The response of the sync may predate the removal of the user from a room.
    const hasLeft = deferred.some(
        ({ type, data }) => type === "participant_left" && data.user_id === step.state.me,
    );
    const next = again ?? (hasLeft ? { named: null } : null);
    // A frame may have started a sync already: then this one follows.
    if (next) startSync(step, next.named);
    if (step.state.sync.isActive) return;
    const { socket } = step.state.connection;
    if (socket !== null) step.setConnection({ status: "live", attempt: 0 });
    flush(step);
}

/**
 * @param {Step} step
 * @param {{part: 'page' | 'history' | 'room', roomId: string}} call
 * @param {HttpResponse} response
 */
export function onSyncResponse(step, call, response) {
    if (!response || response.status === 429 || response.status >= 500) {
        const { attempt } = step.state.sync;
        step.setSync({ attempt: attempt + 1 });
        step.timer("sync", step.now + retryDelay(response?.retryAfter, attempt, step.random));
        return;
    }
    step.setSync({ attempt: 0 });
    const isDone = response.status === 200;
    if (call.part === "page") {
        if (isDone) applyPage(step, response.body);
        else step.setSync({ isPageDue: false });
    } else {
        const list = call.part === "history" ? "unloaded" : "partial";
        step.setSync({ [list]: step.state.sync[list].filter((id) => id !== call.roomId) });
        const room = step.room(call.roomId);
        if (response.status === 404) {
            // The room is no longer complete. If it returns, another sync has all of it.
            closeRoom(step, call.roomId);
            step.setSync({ again: { named: null } });
        } else if (isDone && room) {
            const next =
                call.part === "history"
                    ? { ...takeHistory(room, response.body), hasAll: response.body.length < PAGE }
                    : takeRoom(room, response.body);
            step.setRoom(call.roomId, next);
        }
    }
    proceed(step);
}

/**
 * @param {Step} step
 * @param {SyncResponse} page
 */
function applyPage(step, page) {
    for (const id of page.left) closeRoom(step, id);
    for (const synced of page.rooms) applyRoom(step, synced);
    for (const row of page.unchanged ?? []) {
        const room = step.room(row.id);
        if (!room) continue;
        step.setRoom(row.id, takeUnchanged(room, row, step.state.me));
        // The row has the receipts of the participants in lists only.
        if (step.isOpen(row.id) && room.room.participant_count > LISTED) add(step, "partial", row.id);
    }
    step.setSync({ cursor: page.next_cursor, isPageDue: !page.complete });
}

/**
 * @param {Step} step
 * @param {RoomSync} synced
 */
function applyRoom(step, synced) {
    const { id } = synced.room;
    const before = step.room(id);
    const room = takeRoomSync(before, synced);
    if (!room) return;
    if (!synced.complete) forgetOlder(step, id);
    for (const message of synced.changed) noteChange(step, id, { type: "message_updated", data: message });
    step.setRoom(id, room);
    // Other rooms load their history when the user opens them.
    const isShown = step.isOpen(id) || (before?.messages.length ?? 0) > 0;
    if (!synced.complete && isShown && room.seq > 0) add(step, "unloaded", id);
    if (step.isOpen(id) && isPartial(room.room)) add(step, "partial", id);
}

/** @param {Step} step @param {'unloaded' | 'partial'} list @param {string} id */
function add(step, list, id) {
    step.setSync({ [list]: [...step.state.sync[list].filter((it) => it !== id), id] });
}

/**
 * Whether a response had only some of the participants.
 * @param {{participant_count: number, participants: unknown[]}} room
 */
export function isPartial(room) {
    return room.participant_count !== room.participants.length;
}

/**
 * Takes a frame, or an equivalent response, about a room. Frames wait for a sync of their room.
 * @param {Step} step
 * @param {Frame} frame
 */
export function receive(step, frame) {
    const id = roomOf(frame);
    if (id === null) return;
    const { isActive, named, deferred } = step.state.sync;
    if (isActive && (named === null || named.includes(id) || !step.room(id))) {
        step.setSync({ deferred: [...deferred, frame] });
        return;
    }
    if (apply(step, id, frame)) {
        closeGap(step, id);
        return;
    }
    if (frame.type === "room_created" || !step.room(id)) {
        // A sync returns a room that it does not name completely.
        startSync(step, null);
        return;
    }
    const waiting = step.state.aside.get(id) ?? [];
    step.map("aside").set(id, [...waiting, frame]);
    if (waiting.length === 0) step.timer(`gap:${id}`, step.now + GAP_WAIT * step.random());
}

/**
 * Applies a frame unless it is above a gap.
 * @param {Step} step
 * @param {string} id
 * @param {Frame} frame
 * @returns {boolean} Whether it was applied.
 */
function apply(step, id, frame) {
    const taken = takeFrame(step.room(id), frame, step.state.me);
    if (taken.hasGap) return false;
    if (taken.room === null) closeRoom(step, id);
    else step.setRoom(id, taken.room);
    if (CHANGES.has(frame.type)) noteChange(step, id, frame);
    if (frame.type === "message_sent") onLogged(step, frame.data);
    return true;
}

/**
 * Applies the frames above a gap, as far as they follow now.
 * @param {Step} step
 * @param {string} id
 */
function closeGap(step, id) {
    let waiting = step.state.aside.get(id);
    if (!waiting) return;
    for (let count = -1; count !== waiting.length;) {
        count = waiting.length;
        waiting = waiting.filter((frame) => !apply(step, id, frame));
    }
    if (waiting.length > 0) {
        step.map("aside").set(id, waiting);
        return;
    }
    step.map("aside").delete(id);
    step.timer(`gap:${id}`, null);
}

/**
 * The gap is still open: what is missing comes from a sync, and the frames above it follow.
 * @param {Step} step
 * @param {string} id
 */
export function onGapTimer(step, id) {
    const waiting = step.state.aside.get(id);
    if (!waiting) return;
    step.map("aside").delete(id);
    startSync(step, [id]);
    step.setSync({ deferred: [...step.state.sync.deferred, ...waiting] });
}

/**
 * A 404 for a stored room: the user may not be in it any more. A sync tells.
 * @param {Step} step
 * @param {string} roomId
 */
export function onRoomNotFound(step, roomId) {
    if (step.room(roomId)) startSync(step, [roomId]);
}
