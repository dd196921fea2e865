/**
 * Responses of calls that the user has made: they change the state like the equivalent frame.
 *
 * @import {HttpRequest, Message, Room} from '../types/index.js'
 * @import {Step} from './step.js'
 */

import { addRequest, keepRequests, onBlockChanged, refresh, removeFriend } from "./friends.js";
import { open } from "./history.js";
import { takeRoom } from "./rooms.js";
import { closeRoom } from "./closing.js";
import { receive, startSync } from "./sync.js";

/**
 * What a path is about.
 * @type {[RegExp, (step: Step, id: string, request: HttpRequest, body: any) => void][]}
 */
const ROUTES = [
    [/^\/users\/me$/, (step, _, { method }, body) => method !== "DELETE" && (step.state.profile = body)],
    [/^\/friends\/requests$/, (step, _, request, body) => addRequest(step, "sent", body)],
    [/^\/friends\/requests\/([^/?]+)/, onRequestAnswered],
    [/^\/friends\/blocks\/([^/]+)$/, (step, id, { method }) => onBlockChanged(step, id, method === "PUT")],
    [/^\/friends\/([^/]+)$/, (step, id) => removeFriend(step, id)],
    [/^\/chat\/rooms$/, (step, _, request, body) => onRoom(step, body)],
    [/^\/chat\/rooms\/([^/]+)$/, onRoomChanged],
    [/^\/chat\/rooms\/([^/]+)\/settings$/, onSettings],
    [/^\/chat\/rooms\/([^/]+)\/participants\/([^/]+)$/, onParticipant],
    [/^\/chat\/rooms\/([^/]+)\/messages\/[^/]+\/pin$/, onRoomChanged],
    [/^\/chat\/rooms\/[^/]+\/messages\/[^/]+/, (step, _, request, body) => onMessage(step, body)],
];

/**
 * @param {Step} step
 * @param {HttpRequest} request
 * @param {any} body
 */
export function onResponse(step, request, body) {
    if (request.method === "GET") return;
    const path = request.path.split("?")[0];
    for (const [pattern, apply] of ROUTES) {
        const match = pattern.exec(path);
        if (match) return apply(step, match[1], request, body);
    }
}

/** @param {Step} step @param {string} id @param {HttpRequest} request */
function onRequestAnswered(step, id, { path }) {
    keepRequests(step, (it) => it.id !== id);
    if (path.includes("action=accepted")) refresh(step, "friends");
}

/**
 * A room that was created or opened. A sync confirms that the user is in it.
 * @param {Step} step
 * @param {Room} room
 */
function onRoom(step, room) {
    if (!step.room(room.id)) {
        step.setRoom(room.id, {
            seq: room.seq,
            rev: room.rev,
            room,
            messages: [],
            others: null,
            readSeq: 0,
            hasAll: room.seq === 0,
            unread: { seq: room.seq, count: room.unread_count },
        });
    }
    if (step.isOpen(room.id)) open(step, room.id);
    startSync(step, null);
}

/** @param {Step} step @param {string} id @param {HttpRequest} request @param {any} body */
function onRoomChanged(step, id, { method }, body) {
    const room = step.room(id);
    if (body === null && method === "DELETE") closeRoom(step, id);
    else if (room) step.setRoom(id, takeRoom(room, body));
}

/** @param {Step} step @param {string} id @param {HttpRequest} _ @param {any} body */
function onSettings(step, id, _, body) {
    receive(step, { type: "room_settings_updated", data: { chat_room_id: id, settings: body } });
}

/** @param {Step} step @param {string} id @param {HttpRequest} request @param {any} body */
function onParticipant(step, id, request, body) {
    if (request.method === "DELETE" && request.path.endsWith(`/${step.state.me}`)) closeRoom(step, id);
    else if (body) onRoomChanged(step, id, request, body);
    else if (step.room(id)) startSync(step, [id]);
}

/** @param {Step} step @param {Message | null} message */
function onMessage(step, message) {
    if (!message?.chat_room_id) return;
    receive(step, { type: message.is_deleted ? "message_deleted" : "message_updated", data: message });
}
