/**
 * The engine: a client that follows docs/client-protocol.md. It is pure. `step` takes a state and an event,
 * and returns the next state and the effects that the platform performs. Nothing else changes the state.
 *
 * @import {Effect, EngineState, Event, Frame, HttpResponse} from '../types/index.js'
 */

import { changesOf, restoreRooms } from "./changes.js";
import {
    connect,
    isRefused,
    onClosed,
    onConnectionTimer,
    onError,
    onEstablished,
    onOnline,
    onOpen,
    signOut,
    stop,
    wake,
} from "./connection.js";
import { onAccountFrame, onList, onListTimer, onPresenceTimer } from "./friends.js";
import { loadOlder, onOlder, onView } from "./history.js";
import * as outbox from "./outbox.js";
import { endTyping, markRead, onReceiptError, onTyping, sendReceipts, setTyping } from "./receipts.js";
import { onResponse } from "./responses.js";
import { Step } from "./step.js";
import { onGapTimer, onRoomNotFound, onSyncResponse, proceed, receive } from "./sync.js";

/** The newest messages of a room that stay stored after it is closed. */
const KEPT = 500;

/** @returns {EngineState} */
export function initialState() {
    return {
        me: "",
        profile: null,
        connection: {
            status: "connecting",
            retryAt: null,
            attempt: 0,
            socket: null,
            next: null,
            expiresAt: null,
            renewAt: Infinity,
        },
        rooms: new Map(),
        outbox: [],
        sending: new Map(),
        limitedUntil: null,
        drafts: new Map(),
        friends: [],
        requests: { received: [], sent: [] },
        blocks: [],
        presence: new Map(),
        typing: new Map(),
        typingSent: null,
        sync: {
            isActive: false,
            named: null,
            again: null,
            cursor: null,
            isPageDue: false,
            unloaded: [],
            partial: [],
            deferred: [],
            attempt: 0,
        },
        aside: new Map(),
        calls: new Map(),
        listAttempts: {},
        views: new Map(),
        lines: new Map(),
        older: new Map(),
        committed: new Map(),
        receipts: new Map(),
        overlays: new Map(),
        notices: [],
        counter: 0,
        isLoaded: false,
        isOnline: true,
    };
}

/**
 * @param {EngineState} state
 * @param {Event} event
 * @param {number} now Milliseconds since 1970.
 * @param {() => number} random Numbers in [0, 1).
 * @returns {{state: EngineState, effects: Effect[]}}
 */
export function step(state, event, now, random) {
    const step = new Step(state, now, random);
    handle(step, event);
    settle(step, event.type === "start");
    return { state: step.state, effects: step.effects };
}

/**
 * @param {Step} step
 * @param {Event} event
 */
function handle(step, event) {
    switch (event.type) {
        case "start":
            return start(step, event);
        case "socket_open":
            return onOpen(step, event.socket, event.expiresAt);
        case "socket_frame":
            return onFrame(step, event.socket, event.frame);
        case "socket_closed":
            return onClosed(step, event.socket, event.wasOpen, event.reason);
        case "http":
            return onHttp(step, event.id, event.response);
        case "timer":
            return onTimer(step, event.name);
        case "persisted":
            for (const [id, seq] of event.positions) {
                step.map("committed").set(id, seq);
                sendReceipts(step, id);
            }
            return;
        case "online":
            return onOnline(step, event.isOnline);
        case "view":
            return onView(step, event);
        case "queued":
            if (step.state.drafts.has(event.entry.roomId)) step.map("drafts").delete(event.entry.roomId);
            return outbox.queue(step, event.entry);
        case "retry":
            return outbox.retry(step, event.key);
        case "discard":
            return outbox.discard(step, event.key);
        case "draft":
            if (event.text === "") step.map("drafts").delete(event.roomId);
            else step.map("drafts").set(event.roomId, event.text);
            return;
        case "typing":
            return setTyping(step, event.roomId, event.isTyping);
        case "load_older":
            return loadOlder(step, event.roomId);
        case "action":
            if (event.change) step.map("overlays").set(event.key, event.change);
            else step.map("overlays").delete(event.key);
            return;
        case "response":
            return onResponse(step, event.request, event.body);
        case "not_found":
            return onRoomNotFound(step, event.roomId);
        case "dismiss":
            step.state.notices = step.state.notices.filter((notice) => notice.id !== event.id);
            return;
        case "wake":
            return wake(step);
        case "sign_out":
            return signOut(step, event.isDeleted);
        case "stop":
            return stop(step);
    }
}

/**
 * @param {Step} step
 * @param {Event & {type: 'start'}} event
 */
function start(step, { stored, me, isOnline }) {
    const rooms = restoreRooms(stored.rooms, stored.messages);
    const committed = new Map([...rooms].map(([id, room]) => [id, room.seq]));
    step.state = {
        ...initialState(),
        ...stored.meta,
        me,
        rooms,
        committed,
        isOnline,
        outbox: stored.outbox.sort((a, b) => a.n - b.n),
        drafts: new Map(stored.drafts),
        counter: step.state.counter,
        isLoaded: true,
    };
    connect(step);
}

/**
 * @param {Step} step
 * @param {number} socket
 * @param {Frame} frame
 */
function onFrame(step, socket, frame) {
    const { connection } = step.state;
    if (socket !== connection.socket && socket !== connection.next) return;
    if (socket === connection.socket) step.timer("pong", null);
    const { type, data, ref } = frame;
    if (type === "connection_established") {
        if (socket === connection.next) onEstablished(step);
        return;
    }
    if (type === "message_sent" || type === "error") {
        if (outbox.onReply(step, frame)) return;
        if (type === "error" && String(ref).startsWith("receipt:")) return onReceiptError(step, frame);
        if (type === "error") return onError(step, frame);
    }
    if (type === "typing_indicator") return onTyping(step, frame);
    if (data === undefined || onAccountFrame(step, frame)) return;
    receive(step, frame);
    if (type === "new_message") {
        endTyping(step, data.chat_room_id, data.sender_id);
        notify(step, data);
    }
}

/**
 * @param {Step} step
 * @param {import('../types/index.js').Message} message
 */
function notify(step, message) {
    const { me, views } = step.state;
    const room = step.room(message.chat_room_id);
    const isHidden = ![...views.values()].some((view) => view.isVisible);
    if (!room || !isHidden || message.sender_id === me || message.message_type === "system") return;
    const { muted_until } = room.room.settings;
    if (muted_until === null || Date.parse(muted_until) <= step.now) step.effect({ type: "notify", message });
}

/**
 * @param {Step} step
 * @param {number} id
 * @param {HttpResponse} response
 */
function onHttp(step, id, response) {
    const call = /** @type {any} */ (step.state.calls.get(id));
    if (!call) return;
    step.map("calls").delete(id);
    if (isRefused(step, response)) return;
    if (call.kind === "sync") onSyncResponse(step, call, response);
    else if (call.kind === "list") onList(step, call, response);
    else if (call.kind === "send") outbox.onSendResponse(step, call, response);
    else if (call.kind === "lookup") outbox.onLookUp(step, call, response);
    else if (call.kind === "older" || call.kind === "room") onOlder(step, call, response);
}

/**
 * @param {Step} step
 * @param {string} name
 */
function onTimer(step, name) {
    if (onConnectionTimer(step, name)) return;
    const [kind, id, user] = name.split(":");
    if (kind === "sync") proceed(step);
    else if (kind === "gap") onGapTimer(step, id);
    else if (kind === "send") outbox.onSendTimeout(step, id);
    else if (kind === "retry") outbox.attempt(step, id);
    else if (kind === "limited") outbox.onLimitTimer(step);
    else if (kind === "receipt") sendReceipts(step, id);
    else if (kind === "typing") endTyping(step, id, user);
    else if (kind === "presence") onPresenceTimer(step, id);
    else if (kind === "list") onListTimer(step, /** @type {any} */ (id));
}

/**
 * What follows from the changes of a step, whatever caused them.
 * @param {Step} step
 * @param {boolean} isStart The state is the stored one.
 */
function settle(step, isStart) {
    if (isStart) return;
    for (const view of step.state.views.values())
        if (view.isVisible) view.rooms.forEach((id) => markRead(step, id));
    if (step.state.outbox.length > 0) outbox.removeLogged(step);
    for (const id of step.touched) {
        const room = step.room(id);
        if (room && room.messages.length > KEPT && !step.isOpen(id)) {
            step.setRoom(id, { ...room, messages: room.messages.slice(-KEPT), hasAll: false });
        }
        sendReceipts(step, id);
    }
    const changes = changesOf(step.before, step.state, step.touched);
    if (!changes) return;
    /** @type {[string, number][]} */
    const positions = changes.rooms.map(({ id, seq }) => [id, seq]);
    step.effect({ type: "persist", changes, positions });
}
