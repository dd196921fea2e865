/**
 * Sending: a first-in, first-out queue for each room. The store contains an entry before the first attempt,
 * and until the log of the room contains its message.
 *
 * @import {Frame, HttpResponse, Message, OutboxEntry} from '../types/index.js'
 * @import {Step} from './step.js'
 */

import { retryDelay } from "./backoff.js";
import { PAGE, historyPath, onRoomNotFound, receive } from "./sync.js";

/** How long to wait for a response to a frame. */
const RESPONSE_TIMEOUT = 30_000;
/** Error codes of frames after which the same message can be sent again. */
const TEMPORARY = new Set(["internal", "busy", "token_expired", "invalid_token"]);

/** What came of an attempt. @typedef {{code: string, detail: string, retryAfter: number | null}} Refusal */

/**
 * Adds a stored entry.
 * @param {Step} step
 * @param {OutboxEntry} entry
 */
export function queue(step, entry) {
    if (step.state.outbox.some((it) => it.key === entry.key)) return;
    step.state.outbox = [...step.state.outbox, entry].sort((a, b) => a.n - b.n);
    flush(step);
}

/** Sends the first message of each room, as far as possible. @param {Step} step */
export function flush(step) {
    for (const id of new Set(step.state.outbox.map((entry) => entry.roomId))) attempt(step, id);
}

/**
 * Sends the first message of a room, unless an attempt is in progress or has to wait.
 * @param {Step} step
 * @param {string} roomId
 */
export function attempt(step, roomId) {
    const entry = step.state.outbox.find((it) => it.roomId === roomId && !it.failure && !it.sent);
    const current = step.state.sending.get(roomId);
    if (current && (current.state !== "waiting" || current.dueAt > step.now)) return;
    const { status, socket } = step.state.connection;
    if (!entry || status === "signed_out" || step.state.limitedUntil !== null) return;
    const { key, body, afterSeq } = entry;
    const data = { chat_room_id: roomId, ...body, client_message_id: key, after_seq: afterSeq };
    const next = { key, attempt: current?.key === key ? current.attempt : 0, dueAt: 0 };
    step.timer(`retry:${roomId}`, null);
    if (step.send({ type: "send_message", data, ref: key })) {
        step.timer(`send:${roomId}`, step.now + RESPONSE_TIMEOUT);
        step.map("sending").set(roomId, { ...next, state: "frame" });
    } else if (socket === null && status === "waiting" && step.state.connection.attempt > 1) {
        // The HTTP API can be reachable when the WebSocket is not.
        step.http({ kind: "send", roomId, key }, "POST", "/chat/messages", data);
        step.map("sending").set(roomId, { ...next, state: "http" });
    }
}

/**
 * Sends again, after a delay.
 * @param {Step} step
 * @param {string} roomId
 * @param {number | null} retryAfter In seconds.
 */
function retryLater(step, roomId, retryAfter) {
    const current = step.state.sending.get(roomId);
    if (!current) return;
    const dueAt = step.now + retryDelay(retryAfter, current.attempt, step.random);
    step.map("sending").set(roomId, { ...current, attempt: current.attempt + 1, state: "waiting", dueAt });
    step.timer(`send:${roomId}`, null);
    step.timer(`retry:${roomId}`, dueAt);
}

/** The connection has ended: what was sent on it may or may not be in the log. @param {Step} step */
export function abandonFrames(step) {
    for (const [id, sending] of step.state.sending) {
        if (sending.state !== "frame") continue;
        step.timer(`send:${id}`, null);
        step.map("sending").set(id, { ...sending, state: "waiting" });
    }
}

/**
 * A frame that answers a send. Returns whether it does.
 * @param {Step} step
 * @param {Frame} frame
 */
export function onReply(step, frame) {
    const entry = step.state.outbox.find((it) => it.key === frame.ref);
    if (!entry) return false;
    if (frame.type === "message_sent") onSent(step, entry, frame.data);
    else if (frame.data.code === "rate_limited") onLimited(step, entry.roomId, frame.data.retry_after);
    else if (TEMPORARY.has(frame.data.code)) retryLater(step, entry.roomId, frame.data.retry_after);
    else onRejected(step, entry, { code: frame.data.code, detail: frame.data.message });
    return true;
}

/**
 * @param {Step} step
 * @param {{roomId: string, key: string}} call
 * @param {HttpResponse} response
 */
export function onSendResponse(step, { roomId, key }, response) {
    const entry = step.state.outbox.find((it) => it.key === key);
    if (!entry) return;
    if (response?.status === 200) onSent(step, entry, response.body);
    else if (response?.status === 429) onLimited(step, roomId, response.retryAfter);
    else if (!response || response.status >= 500) retryLater(step, roomId, response?.retryAfter ?? null);
    else onRejected(step, entry, response.body);
}

/** No response within the limit. @param {Step} step @param {string} roomId */
export function onSendTimeout(step, roomId) {
    if (step.state.sending.get(roomId)?.state === "frame") retryLater(step, roomId, null);
}

/**
 * Rate limits are per user: no room sends before the delay has passed.
 * @param {Step} step
 * @param {string} roomId
 * @param {number | null} retryAfter
 */
function onLimited(step, roomId, retryAfter) {
    retryLater(step, roomId, retryAfter);
    const until = step.now + retryDelay(retryAfter, 0, step.random);
    step.state.limitedUntil = Math.max(step.state.limitedUntil ?? 0, until);
    step.timer("limited", step.state.limitedUntil);
}

/** @param {Step} step */
export function onLimitTimer(step) {
    step.state.limitedUntil = null;
    flush(step);
}

/**
 * @param {Step} step
 * @param {OutboxEntry} entry
 * @param {Message} message
 */
function onSent(step, entry, message) {
    update(step, entry.key, { sent: message, failure: null });
    settle(step, entry);
    receive(step, { type: "message_sent", data: message });
    flush(step);
}

/**
 * @param {Step} step
 * @param {OutboxEntry} entry
 * @param {{code?: string, detail?: string} | null} problem
 */
function onRejected(step, entry, problem) {
    if (problem?.code === "position_too_old") return lookUp(step, entry, null);
    settle(step, entry);
    const detail = problem?.detail ?? "Something went wrong. Try again in a moment.";
    update(step, entry.key, { failure: { code: problem?.code ?? "unavailable", detail } });
    if (problem?.code === "not_found") onRoomNotFound(step, entry.roomId);
    flush(step);
}

/**
 * Ends the attempts of an entry.
 * @param {Step} step
 * @param {OutboxEntry} entry
 */
function settle(step, { roomId, key }) {
    if (step.state.sending.get(roomId)?.key !== key) return;
    step.map("sending").delete(roomId);
    step.timer(`send:${roomId}`, null);
    step.timer(`retry:${roomId}`, null);
}

/**
 * More than 1,000 messages have followed: the message may be among them. Pages back to where it was queued.
 * @param {Step} step
 * @param {OutboxEntry} entry
 * @param {number | null} before
 */
function lookUp(step, entry, before) {
    const { key, roomId } = entry;
    const current = step.state.sending.get(roomId) ?? { key, attempt: 0, dueAt: 0 };
    step.map("sending").set(roomId, { ...current, state: "lookup" });
    step.timer(`send:${roomId}`, null);
    const path =
        before === null ? `/chat/rooms/${roomId}/messages?limit=${PAGE}` : historyPath(roomId, before);
    step.http({ kind: "lookup", roomId, key, before }, "GET", path);
}

/**
 * @param {Step} step
 * @param {{roomId: string, key: string, before: number | null}} call
 * @param {HttpResponse} response
 */
export function onLookUp(step, { roomId, key }, response) {
    const entry = step.state.outbox.find((it) => it.key === key);
    if (!entry) return;
    if (response?.status === 404) return onRejected(step, entry, response.body);
    // The next attempt is refused again, and then the search starts again.
    if (response?.status !== 200) return retryLater(step, roomId, response?.retryAfter ?? null);
    /** @type {Message[]} */
    const page = response.body;
    const found = page.find((it) => it.client_message_id === key && it.sender_id === step.state.me);
    if (found) return onSent(step, entry, found);
    const oldest = page.at(-1)?.seq ?? 0;
    if (oldest > entry.afterSeq + 1) return lookUp(step, entry, oldest);
    update(step, key, { afterSeq: Math.max(step.room(roomId)?.seq ?? 0, entry.afterSeq) });
    settle(step, entry);
    flush(step);
}

/**
 * The log of the room contains the message: the entry is done.
 * @param {Step} step
 * @param {Message} message
 */
export function onLogged(step, { client_message_id: key }) {
    const entry = step.state.outbox.find((it) => it.key === key);
    if (!entry) return;
    settle(step, entry);
    step.state.outbox = step.state.outbox.filter((it) => it !== entry);
}

/**
 * Removes entries whose message has arrived otherwise, such as by a sync after a lost acknowledgement.
 * @param {Step} step
 */
export function removeLogged(step) {
    for (const entry of step.state.outbox) {
        const room = step.room(entry.roomId);
        if (!room || !step.touched.has(entry.roomId)) continue;
        const isOwn = (/** @type {Message} */ it) =>
            it.client_message_id === entry.key && it.sender_id === step.state.me;
        const logged = room.messages.findLast(isOwn);
        // A message at or below `seq` can be in the part of the log that is not stored.
        if (logged) onLogged(step, logged);
        else if (entry.sent && entry.sent.seq <= room.seq) onLogged(step, entry.sent);
    }
    flush(step);
}

/** Sends a refused message again. @param {Step} step @param {string} key */
export function retry(step, key) {
    update(step, key, { failure: null });
    flush(step);
}

/** Removes a message that was refused. @param {Step} step @param {string} key */
export function discard(step, key) {
    step.state.outbox = step.state.outbox.filter((it) => it.key !== key || !it.failure);
}

/**
 * @param {Step} step
 * @param {string} key
 * @param {Partial<OutboxEntry>} change
 */
function update(step, key, change) {
    step.state.outbox = step.state.outbox.map((it) => (it.key === key ? { ...it, ...change } : it));
}
