/**
 * What an open room needs: its newest messages, older ones on demand, and all participants.
 *
 * @import {Event, Frame, HttpResponse, RoomState} from '../types/index.js'
 * @import {Step} from './step.js'
 */

import { wake } from "./connection.js";
import { find } from "./log.js";
import { takeFrame, takeHistory, takeRoom } from "./rooms.js";
import { PAGE, historyPath, isPartial, onRoomNotFound } from "./sync.js";
import { unreadOf } from "./view.js";

/** A room that opens with fewer stored messages loads more. */
const FIRST_SCREEN = 30;

/**
 * A tab shows other rooms than before, or its visibility has changed.
 * @param {Step} step
 * @param {Event & {type: 'view'}} event
 */
export function onView(step, { tab, rooms, isVisible }) {
    const before = step.state.views.get(tab);
    if (rooms.length === 0 && !isVisible) step.map("views").delete(tab);
    else step.map("views").set(tab, { rooms, isVisible });
    for (const id of before?.rooms ?? []) {
        if (!step.isOpen(id) && step.state.lines.has(id)) step.map("lines").delete(id);
        // A closed room keeps only its newest messages.
        step.touched.add(id);
    }
    for (const id of rooms) if (!before?.rooms.includes(id)) open(step, id);
    if (isVisible && before?.isVisible === false) wake(step);
}

/** Loads what a room needs that the user has opened. @param {Step} step @param {string} id */
export function open(step, id) {
    const room = step.room(id);
    if (!room) return;
    if (!step.state.lines.has(id)) step.map("lines").set(id, firstUnread(step, id));
    if (room.messages.length < FIRST_SCREEN) loadOlder(step, id);
    if (isPartial(room.room)) step.http({ kind: "room", roomId: id }, "GET", `/chat/rooms/${id}`);
}

/** The first unread message, above which a view shows a line. @param {Step} step @param {string} id */
function firstUnread(step, id) {
    const room = step.room(id);
    if (!room || unreadOf(room, step.state.me) === 0) return null;
    const own = room.room.participants.find((it) => it.user_id === step.state.me);
    return Math.max(own?.read_seq ?? 0, room.readSeq) + 1;
}

/** The first position that is stored, or would be next. @param {RoomState} room */
function oldestOf({ messages, seq }) {
    return messages[0]?.seq ?? seq + 1;
}

/** @param {Step} step @param {string} id */
export function loadOlder(step, id) {
    const room = step.room(id);
    const isLoading = step.state.older.get(id)?.isLoading || step.state.sync.unloaded.includes(id);
    if (!room || room.hasAll || isLoading) return;
    const oldest = oldestOf(room);
    if (oldest <= (room.room.first_seq ?? 1)) return;
    step.map("older").set(id, { isLoading: true, error: null, missed: [] });
    step.http({ kind: "older", roomId: id, oldest }, "GET", historyPath(id, oldest));
}

/**
 * @param {Step} step
 * @param {{kind: 'older' | 'room', roomId: string, oldest?: number}} call
 * @param {HttpResponse} response
 */
export function onOlder(step, { kind, roomId, oldest }, response) {
    const room = step.room(roomId);
    const missed = step.state.older.get(roomId)?.missed ?? [];
    if (kind === "older") {
        const error = response?.status === 200 ? null : "Could not load older messages.";
        step.map("older").set(roomId, {
            isLoading: false,
            error: response?.body?.detail ?? error,
            missed: [],
        });
    }
    if (response?.status === 404) onRoomNotFound(step, roomId);
    if (response?.status !== 200 || !room) return;
    if (kind === "room") step.setRoom(roomId, takeRoom(room, response.body));
    // The page must not leave a hole: the stored part of the log may be another one by now.
    if (kind === "older" && oldestOf(room) === oldest) {
        const loaded = { ...takeHistory(room, response.body), hasAll: response.body.length < PAGE };
        step.setRoom(
            roomId,
            missed.reduce((it, frame) => takeFrame(it, frame, step.state.me).room ?? it, loaded),
        );
    }
}

/**
 * A change of a message that is not stored. If a page with the message is on its way, the page can be older.
 * @param {Step} step
 * @param {string} id
 * @param {Frame} frame
 */
export function noteChange(step, id, frame) {
    const older = step.state.older.get(id);
    const isStored = find(step.room(id)?.messages ?? [], frame.data.seq).found;
    if (older?.isLoading && !isStored)
        step.map("older").set(id, { ...older, missed: [...older.missed, frame] });
}

/**
 * The log of a room is another one: a page on its way does not belong to it.
 * @param {Step} step
 * @param {string} id
 */
export function forgetOlder(step, id) {
    if (!step.state.older.has(id)) return;
    step.map("older").delete(id);
    for (const [number, call] of step.state.calls) {
        if (call.kind === "older" && call.roomId === id) step.map("calls").delete(number);
    }
}
