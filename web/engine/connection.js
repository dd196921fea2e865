/**
 * The connection: handshake, `hello`, keeping it alive, replacing it before it ends, and reconnecting.
 *
 * @import {Frame, HttpResponse} from '../types/index.js'
 * @import {Step} from './step.js'
 */

import { backoff } from "./backoff.js";
import { refreshLists } from "./friends.js";
import { abandonFrames, flush } from "./outbox.js";
import { startSync } from "./sync.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** How long to wait for a token and a handshake, and then for `connection_established`. */
const CONNECT_TIMEOUT = 20 * SECOND;
const HELLO_TIMEOUT = 10 * SECOND;
const PONG_TIMEOUT = 10 * SECOND;

/** Timers that end with the session. */
const TIMERS = ["reconnect", "handshake", "ping", "pong", "rollover", "sync", "limited"];

/**
 * Starts a handshake, unless one is in progress. An established connection stays until the new one has
 * replaced it.
 * @param {Step} step
 * @param {boolean} [isExpired] Whether a new token is needed.
 */
export function connect(step, isExpired = false) {
    const { next, status, socket } = step.state.connection;
    if (next !== null || status === "signed_out") return;
    const number = step.next();
    step.setConnection({ next: number, retryAt: null, status: socket === null ? "connecting" : status });
    step.timer("reconnect", null);
    step.timer("handshake", step.now + CONNECT_TIMEOUT);
    step.effect({ type: "connect", socket: number, isExpired });
}

/**
 * @param {Step} step
 * @param {number} socket
 * @param {number | null} expiresAt When the token of the connection expires.
 */
export function onOpen(step, socket, expiresAt) {
    if (socket !== step.state.connection.next) return;
    step.setConnection({ expiresAt });
    step.timer("handshake", step.now + HELLO_TIMEOUT);
    step.effect({ type: "send", socket, frame: { type: "hello", data: {}, ref: "hello" } });
}

/** @param {Step} step */
export function onEstablished(step) {
    const { socket: old, next: socket, status, expiresAt } = step.state.connection;
    if (old !== null) {
        abandonFrames(step);
        step.effect({ type: "disconnect", socket: old });
    }
    const renewAt = lead(step.now, expiresAt);
    step.setConnection({
        socket,
        next: null,
        retryAt: null,
        renewAt,
        status: old === null ? "catching_up" : status,
    });
    step.state.receipts = new Map();
    step.timer("handshake", null);
    step.timer("pong", null);
    step.timer("ping", step.now + 5 * MINUTE);
    step.timer("rollover", Math.min(step.now + (100 + 15 * step.random()) * MINUTE, renewAt));
    startSync(step, null);
    refreshLists(step);
    flush(step);
}

/**
 * When to replace the token: a minute before it expires, or earlier in the life of a short one.
 * @param {number} now
 * @param {number | null} expiresAt
 */
function lead(now, expiresAt) {
    if (expiresAt === null) return Infinity;
    return expiresAt - Math.min(MINUTE, Math.max(0, expiresAt - now) / 10);
}

/**
 * @param {Step} step
 * @param {number} socket
 * @param {boolean} wasOpen
 * @param {'closed' | 'no_token' | 'expired'} reason
 */
export function onClosed(step, socket, wasOpen, reason) {
    const { connection } = step.state;
    if (socket === connection.next) {
        step.setConnection({ next: null });
        step.timer("handshake", null);
        if (reason === "expired") return signOut(step, false);
        // A browser does not tell why a handshake was refused. A refused token is refused here, too.
        if (!wasOpen && reason === "closed") step.http({ kind: "probe" }, "GET", "/users/me");
        wait(step);
    } else if (socket === connection.socket) {
        step.setConnection({ socket: null });
        step.timer("ping", null);
        step.timer("pong", null);
        step.timer("rollover", null);
        abandonFrames(step);
        if (connection.next === null) wait(step);
        else step.setConnection({ status: "connecting" });
    }
}

/** @param {Step} step */
function wait(step) {
    const { attempt, socket, status } = step.state.connection;
    if (status === "signed_out") return;
    const retryAt = step.now + backoff(attempt, step.random);
    const waiting = step.state.isOnline ? "waiting" : "offline";
    step.setConnection({ attempt: attempt + 1, ...(socket === null ? { status: waiting, retryAt } : {}) });
    step.timer("reconnect", retryAt);
}

/** Closes the connection that does not respond. @param {Step} step @param {'socket' | 'next'} which */
function drop(step, which) {
    const socket = step.state.connection[which];
    if (socket === null) return;
    step.effect({ type: "disconnect", socket });
    onClosed(step, socket, true, "closed");
}

/**
 * @param {Step} step
 * @param {string} name
 * @returns {boolean} Whether it is a timer of the connection.
 */
export function onConnectionTimer(step, name) {
    const { connection } = step.state;
    if (name === "reconnect") connect(step);
    else if (name === "handshake") drop(step, "next");
    else if (name === "ping") ping(step);
    else if (name === "pong") drop(step, "socket");
    else if (name === "rollover") connect(step, connection.renewAt <= step.now);
    else return false;
    return true;
}

/** Checks whether the connection still exists. @param {Step} step */
export function ping(step) {
    const isSent = step.send({ type: "ping", data: { timestamp: step.now }, ref: "ping" });
    if (isSent) step.timer("pong", step.now + PONG_TIMEOUT);
}

/** Tries at once what waits for a later attempt: the network or the user has returned. @param {Step} step */
export function wake(step) {
    const { status } = step.state.connection;
    if (status === "live" || status === "catching_up") ping(step);
    else if (status === "waiting" || status === "offline") {
        step.setConnection({ attempt: 0 });
        connect(step);
    }
}

/**
 * @param {Step} step
 * @param {boolean} isOnline
 */
export function onOnline(step, isOnline) {
    step.state.isOnline = isOnline;
    const { status } = step.state.connection;
    if (isOnline || status === "live" || status === "catching_up") wake(step);
    else if (status === "waiting") step.setConnection({ status: "offline" });
}

/**
 * @param {Step} step
 * @param {Frame} frame An `error` that answers no send.
 */
export function onError(step, frame) {
    const { code } = frame.data;
    if (code === "invalid_token") signOut(step, true);
    else if (code === "token_expired") {
        drop(step, "next");
        drop(step, "socket");
        connect(step, true);
    } else if (frame.ref === "hello") drop(step, "next");
}

/**
 * Ends the session. With `isDeleted`, the account does not exist any more, and neither should its data.
 * @param {Step} step
 * @param {boolean} isDeleted
 */
export function signOut(step, isDeleted) {
    if (step.state.connection.status === "signed_out") return;
    stop(step);
    step.setConnection({ status: "signed_out" });
    step.effect({ type: "signed_out", isDeleted });
}

/** Closes connections and cancels timers. @param {Step} step */
export function stop(step) {
    for (const socket of [step.state.connection.socket, step.state.connection.next]) {
        if (socket !== null) step.effect({ type: "disconnect", socket });
    }
    step.setConnection({ socket: null, next: null, retryAt: null, status: "waiting" });
    abandonFrames(step);
    step.state.calls = new Map();
    for (const name of TIMERS) step.timer(name, null);
}

/**
 * The meaning of a 401, for any call: the token was refused, also after it was renewed.
 * @param {Step} step
 * @param {HttpResponse} response
 * @returns {boolean} Whether the session has ended.
 */
export function isRefused(step, response) {
    if (response?.status !== 401) return false;
    signOut(step, response.body?.code === "invalid_token");
    return true;
}
