/**
 * Profile, friends, friend requests, blocks and presence. The lists have no revisions: they are loaded after
 * each `hello`, and frames and responses update them.
 *
 * @import {Frame, Friend, FriendRequest, HttpResponse} from '../types/index.js'
 * @import {Step} from './step.js'
 */

import { retryDelay } from "./backoff.js";
import { startSync } from "./sync.js";

/** A phone that switches networks is online again within this time. */
const OFFLINE_AFTER = 15_000;

const LISTS = /** @type {const} */ ({
    profile: "/users/me",
    friends: "/friends/",
    received: "/friends/requests?direction=received",
    sent: "/friends/requests?direction=sent",
    blocks: "/friends/blocks",
});

/** @typedef {keyof typeof LISTS} ListName */

/** Loads all lists again. @param {Step} step */
export function refreshLists(step) {
    for (const name of /** @type {ListName[]} */ (Object.keys(LISTS))) refresh(step, name);
}

/**
 * @param {Step} step
 * @param {ListName} name
 * @param {number} [attempt]
 */
export function refresh(step, name, attempt = 0) {
    // The response of an earlier call may predate the change: only the last one counts.
    for (const [id, call] of step.state.calls) {
        if (call.kind === "list" && call.name === name) step.map("calls").delete(id);
    }
    step.timer(`list:${name}`, null);
    step.http({ kind: "list", name, attempt }, "GET", LISTS[name]);
}

/**
 * @param {Step} step
 * @param {{name: ListName, attempt: number}} call
 * @param {HttpResponse} response
 */
export function onList(step, { name, attempt }, response) {
    if (response?.status !== 200) {
        if (response && response.status < 500 && response.status !== 429) return;
        step.state.listAttempts = { ...step.state.listAttempts, [name]: attempt + 1 };
        step.timer(`list:${name}`, step.now + retryDelay(response?.retryAfter, attempt, step.random));
        return;
    }
    if (name === "received" || name === "sent") setRequests(step, { [name]: response.body });
    else step.state[name] = response.body;
    if (name === "friends") setPresences(step, response.body);
}

/**
 * @param {Step} step
 * @param {ListName} name
 */
export function onListTimer(step, name) {
    refresh(step, name, step.state.listAttempts[name] ?? 0);
}

/**
 * @param {Step} step
 * @param {Partial<{received: FriendRequest[], sent: FriendRequest[]}>} change
 */
function setRequests(step, change) {
    step.state.requests = { ...step.state.requests, ...change };
}

/**
 * @param {Step} step
 * @param {(request: FriendRequest) => boolean} isKept
 */
export function keepRequests(step, isKept) {
    const { received, sent } = step.state.requests;
    setRequests(step, { received: received.filter(isKept), sent: sent.filter(isKept) });
}

/**
 * @param {Step} step
 * @param {'received' | 'sent'} direction
 * @param {FriendRequest} request
 */
export function addRequest(step, direction, request) {
    const others = step.state.requests[direction].filter((it) => it.id !== request.id);
    setRequests(step, { [direction]: [request, ...others] });
}

/** @param {Step} step @param {Friend} friend */
export function addFriend(step, friend) {
    step.state.friends = [...step.state.friends.filter((it) => it.id !== friend.id), friend];
    setPresence(step, friend.id, friend);
}

/** @param {Step} step @param {string} userId */
export function removeFriend(step, userId) {
    step.state.friends = step.state.friends.filter((it) => it.id !== userId);
    if (step.state.presence.has(userId)) step.map("presence").delete(userId);
    step.timer(`presence:${userId}`, null);
}

/**
 * @param {Step} step
 * @param {Frame} frame
 * @returns {boolean} Whether it is a frame about the account or about other users.
 */
export function onAccountFrame(step, { type, data }) {
    switch (type) {
        case "profile_updated":
            step.state.profile = data;
            break;
        case "user_status_change":
            setPresence(step, data.user_id, data);
            break;
        case "friend_request_received":
            addRequest(step, "received", data);
            break;
        case "friend_request_sent":
            addRequest(step, "sent", data);
            break;
        case "friend_request_responded":
            keepRequests(step, (it) => it.id !== data.request_id);
            if (data.friend) addFriend(step, data.friend);
            else if (data.action === "accepted") refresh(step, "friends");
            break;
        case "friend_request_cancelled":
            keepRequests(step, (it) => it.id !== data.request_id);
            break;
        case "friend_removed":
            removeFriend(step, data.user_id);
            break;
        case "block_changed":
            onBlockChanged(step, data.user_id, data.is_blocked);
            break;
        default:
            return false;
    }
    return true;
}

/**
 * The direct room disappears or reappears with a block.
 * @param {Step} step
 * @param {string} userId
 * @param {boolean} isBlocked
 */
export function onBlockChanged(step, userId, isBlocked) {
    if (isBlocked) {
        keepRequests(step, (it) => it.sender_id !== userId && it.receiver_id !== userId);
        removeFriend(step, userId);
    } else {
        step.state.blocks = step.state.blocks.filter((it) => it.user_id !== userId);
        refresh(step, "received");
        refresh(step, "sent");
    }
    refresh(step, "blocks");
    startSync(step, null);
}

/** @param {Step} step @param {Friend[]} friends */
function setPresences(step, friends) {
    const known = step.state.presence;
    step.state.presence = new Map();
    for (const friend of friends) {
        const before = known.get(friend.id);
        if (before) step.map("presence").set(friend.id, before);
        setPresence(step, friend.id, friend);
    }
}

/**
 * @param {Step} step
 * @param {string} userId
 * @param {{is_online: boolean | null, last_seen: string | null}} presence
 */
function setPresence(step, userId, { is_online, last_seen }) {
    const name = `presence:${userId}`;
    if (is_online === false && step.state.presence.get(userId)?.is_online) {
        step.map("presence").set(userId, { is_online: true, last_seen });
        step.timer(name, step.now + OFFLINE_AFTER);
        return;
    }
    step.map("presence").set(userId, { is_online, last_seen });
    step.timer(name, null);
}

/** @param {Step} step @param {string} userId */
export function onPresenceTimer(step, userId) {
    const known = step.state.presence.get(userId);
    if (known) step.map("presence").set(userId, { ...known, is_online: false });
}
