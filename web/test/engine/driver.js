/** Drives the engine in tests: the network, the store and the clock are the test's. */

import { initialState, step } from "../../engine/machine.js";

export const ANA = "00000000-0000-4000-8000-00000000000a";
export const BEN = "00000000-0000-4000-8000-00000000000b";
export const ROOM = "00000000-0000-4000-8000-0000000000f1";
export const OTHER_ROOM = "00000000-0000-4000-8000-0000000000f2";
export const START = Date.parse("2026-01-31T09:00:00.000Z");

/** The engine is pure: it must not change a state that it has returned. */
function freeze(value) {
    if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
    if (value instanceof Map) {
        for (const name of ["set", "delete", "clear"]) {
            Object.defineProperty(value, name, {
                value: () => {
                    throw new Error(`${name} on an old map`);
                },
            });
        }
        for (const item of value.values()) freeze(item);
    }
    Object.values(value).forEach(freeze);
    return Object.freeze(value);
}

/** An engine whose effects wait for the test. Stores succeed at once, unless `isStoring` is false. */
export class Driver {
    state = freeze(initialState());
    now = START;
    /** What `random` returns. */
    random = 0.5;
    isStoring = true;
    answersPings = true;
    /** @type {Map<string, number>} */
    timers = new Map();
    /** HTTP calls without a response. @type {{id: number, method: string, path: string, body: any}[]} */
    calls = [];
    /** Frames sent, except `hello` and `ping`. @type {any[]} */
    frames = [];
    /** @type {any[]} */
    #events = [];
    /** All effects, in order. @type {any[]} */
    effects = [];

    /** An event, and then those that its effects cause at once. @param {any} event */
    event(event) {
        this.#events.push(event);
        if (this.#events.length > 1) return this;
        for (; this.#events.length > 0; this.#events.shift()) {
            const { state, effects } = step(this.state, this.#events[0], this.now, () => this.random);
            this.state = freeze(state);
            for (const effect of effects) this.#perform(effect);
        }
        return this;
    }

    #perform(effect) {
        this.effects.push(effect);
        if (effect.type === "timer") {
            if (effect.at === null) this.timers.delete(effect.name);
            else this.timers.set(effect.name, effect.at);
        } else if (effect.type === "http") this.calls.push({ id: effect.id, ...effect.request });
        else if (effect.type === "send" && !["hello", "ping"].includes(effect.frame.type))
            this.frames.push(effect.frame);
        else if (effect.type === "send" && effect.frame.type === "ping" && this.answersPings) {
            this.frame("pong", effect.frame.data, effect.frame.ref);
        } else if (effect.type === "persist" && this.isStoring) {
            this.event({ type: "persisted", positions: effect.positions });
        }
    }

    /** Effects of a kind. @param {string} type */
    of(type) {
        return this.effects.filter((effect) => effect.type === type);
    }

    /** Lets time pass, and the timers fire that are due. @param {number} milliseconds */
    advance(milliseconds) {
        const end = this.now + milliseconds;
        for (;;) {
            const [next] = [...this.timers].filter(([, at]) => at <= end).sort((a, b) => a[1] - b[1]);
            if (!next) break;
            this.timers.delete(next[0]);
            this.now = Math.max(this.now, next[1]);
            this.event({ type: "timer", name: next[0] });
        }
        this.now = end;
        return this;
    }

    /** The calls to a path. @param {string} path */
    callsTo(path) {
        return this.calls.filter((call) => call.path.startsWith(path));
    }

    /**
     * Responds to the oldest call to a path. `null` is no response.
     * @param {string} path
     * @param {any} body
     * @param {{status?: number, retryAfter?: number | null}} [options]
     */
    respond(path, body, { status = 200, retryAfter = null } = {}) {
        const call = this.callsTo(path)[0];
        if (!call) throw new Error(`No call to ${path}, only ${this.calls.map((it) => it.path)}`);
        this.calls = this.calls.filter((it) => it !== call);
        const response =
            body === null && status === 200 ? null : { status, body, retryAfter, nextCursor: null };
        return this.event({ type: "http", id: call.id, response });
    }

    /** Starts with a stored state. @param {object} [stored] */
    start(stored = {}) {
        const none = { meta: {}, rooms: [], messages: [], outbox: [], drafts: [] };
        return this.event({ type: "start", me: ANA, isOnline: true, stored: { ...none, ...stored } });
    }

    /** Completes the handshake in progress. @param {number | null} [expiresAt] */
    establish(expiresAt = null) {
        const socket = this.state.connection.next;
        this.event({ type: "socket_open", socket, expiresAt });
        const data = { user_id: ANA, server_time: new Date(this.now).toISOString() };
        this.event({
            type: "socket_frame",
            socket,
            frame: { type: "connection_established", data, ref: "hello" },
        });
        return this;
    }

    /** A frame on the established connection. @param {string} type @param {any} data @param {any} [ref] */
    frame(type, data, ref) {
        const frame = { type, data, ...(ref === undefined ? {} : { ref }) };
        return this.event({ type: "socket_frame", socket: this.state.connection.socket, frame });
    }

    /** Responds to a sync. @param {any[]} rooms @param {object} [page] */
    sync(rooms, page = {}) {
        return this.respond("/chat/sync", { complete: true, next_cursor: null, rooms, left: [], ...page });
    }

    /** Starts, connects and syncs. @param {any[]} rooms */
    live(rooms = [synced()]) {
        return this.start().establish().sync(rooms);
    }

    /** Queues a message as the client does, after the store contains it. */
    queue(key, { n = Number(key.replace(/\D/g, "")), roomId = ROOM, body = { content: key } } = {}) {
        const afterSeq = this.state.rooms.get(roomId)?.seq ?? 0;
        const entry = { n, key, roomId, body, afterSeq, createdAt: this.now, failure: null, sent: null };
        return this.event({ type: "queued", entry });
    }

    /** The positions of the stored messages. */
    seqs(roomId = ROOM) {
        return this.state.rooms.get(roomId)?.messages.map((message) => message.seq);
    }
}

export function participant(user_id, fields = {}) {
    return {
        user_id,
        username: user_id === ANA ? "ana" : "ben",
        display_name: null,
        avatar_url: null,
        joined_at: "2026-01-31T09:00:00.000Z",
        last_read_at: null,
        role: "member",
        read_receipts: true,
        read_seq: 0,
        delivered_seq: 0,
        is_online: null,
        last_seen: null,
        ...fields,
    };
}

export function room(fields = {}) {
    return {
        id: ROOM,
        name: null,
        is_group: false,
        avatar_url: null,
        description: null,
        history_visibility: "joined",
        created_by: ANA,
        created_at: "2026-01-31T09:00:00.000Z",
        last_message: null,
        unread_count: 0,
        participants: [participant(BEN), participant(ANA)],
        participant_count: 2,
        seq: 0,
        rev: 0,
        pinned_message_ids: [],
        settings: { muted_until: null, is_pinned: false, is_archived: false, theme: null, version: 0 },
        ...fields,
    };
}

export function message(seq, fields = {}) {
    return {
        id: `m${seq}`,
        chat_room_id: ROOM,
        sender_id: BEN,
        sender_username: "ben",
        content: `message ${seq}`,
        message_type: "text",
        media_url: null,
        reply_to_id: null,
        reply_to: null,
        is_edited: false,
        edited_at: null,
        is_deleted: false,
        is_forwarded: false,
        created_at: new Date(START + seq * 1000).toISOString(),
        seq,
        rev: 0,
        status: null,
        client_message_id: `c${seq}`,
        payload: null,
        reactions: [],
        ...fields,
    };
}

/** A room of a sync: complete for an empty room, otherwise as `fields` say. */
export function synced(fields = {}) {
    const { room: of = {}, seq = 0, rev = 0, ...rest } = fields;
    return {
        room: room({ seq, rev, ...of }),
        complete: false,
        seq,
        rev,
        messages: [],
        changed: [],
        others_read_seq: 0,
        others_delivered_seq: 0,
        ...rest,
    };
}
