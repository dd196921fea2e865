/**
 * A model of the service with one network for many clients: rooms, logs, sync and pushes, in virtual time.
 */

import { initialState, step } from "../../engine/machine.js";
import { generator } from "../../platform/clock.js";
import { memoryStore } from "../../platform/store.js";
import { START, message, participant, room as newRoom } from "./driver.js";

/** How often something goes wrong, from 0 to 1. */
const FAULTS = { lost: 0.08, duplicated: 0.05, failed: 0.1, refused: 0.15 };

export class World {
    now = START;
    hasFaults = true;
    /** What happens later, by time. @type {{at: number, n: number, run: () => unknown}[]} */
    #queue = [];
    #count = 0;
    /** @type {Map<string, {room: any, log: any[], changes: [number, number][]}>} */
    rooms = new Map();
    /** @type {Client[]} */
    clients = [];

    /** @param {number} seed @param {string[]} roomIds @param {string[]} users */
    constructor(seed, roomIds, users) {
        this.random = generator(seed);
        for (const id of roomIds) {
            const participants = users.map((user) => participant(user, { username: user.slice(-1) }));
            const room = newRoom({ id, is_group: true, participants, participant_count: users.length });
            this.rooms.set(id, { room, log: [], changes: [] });
        }
    }

    /** Whether a fault of a kind happens now. @param {keyof typeof FAULTS} kind */
    fails(kind) {
        return this.hasFaults && this.random() < FAULTS[kind];
    }

    /** @param {number} limit */
    below(limit) {
        return Math.floor(this.random() * limit);
    }

    /** @param {number} delay @param {() => unknown} run */
    later(delay, run) {
        this.#count += 1;
        this.#queue.push({ at: this.now + delay, n: this.#count, run });
    }

    /** Lets time pass. @param {number} milliseconds */
    async advance(milliseconds) {
        const end = this.now + milliseconds;
        for (;;) {
            this.#queue.sort((a, b) => a.at - b.at || a.n - b.n);
            if (this.#queue.length === 0 || this.#queue[0].at > end) break;
            const { at, run } = /** @type {any} */ (this.#queue.shift());
            this.now = at;
            await run();
        }
        this.now = end;
    }

    /** Pushes a frame to all connections. @param {(client: Client) => any} frameFor */
    push(frameFor) {
        for (const client of this.clients) {
            const { connection } = client;
            const frame = frameFor(client);
            if (connection === null || frame === null || this.fails("lost")) continue;
            const copies = this.fails("duplicated") ? 2 : 1;
            for (let copy = 0; copy < copies; copy += 1) {
                this.later(this.below(3000), () => client.receive(connection, structuredClone(frame)));
            }
        }
    }

    /**
     * Appends a message, or returns the one of an earlier attempt.
     * @param {string} sender
     * @param {any} data
     */
    append(sender, data) {
        const { log } = this.#of(data.chat_room_id);
        const earlier = log.find((it) => it.client_message_id === data.client_message_id);
        if (earlier) return earlier;
        const { chat_room_id, content, client_message_id } = data;
        const seq = log.length + 1;
        const id = `${chat_room_id}:${seq}`;
        log.push(message(seq, { id, chat_room_id, content, client_message_id, sender_id: sender, rev: 0 }));
        this.advanceReceipt(chat_room_id, sender, seq, seq);
        return log[seq - 1];
    }

    /**
     * Changes a message, and pushes the change.
     * @param {string} roomId
     * @param {number} seq
     * @param {any} fields
     */
    change(roomId, seq, fields) {
        const { room, log, changes } = this.#of(roomId);
        room.rev += 1;
        log[seq - 1] = { ...log[seq - 1], ...fields, rev: room.rev };
        changes.push([room.rev, seq]);
        const type = fields.is_deleted ? "message_deleted" : "message_updated";
        const data = log[seq - 1];
        this.push(() => ({ type, data }));
    }

    /** @param {string} roomId @param {string} user @param {number} read @param {number} delivered */
    advanceReceipt(roomId, user, read, delivered) {
        const { room } = this.#of(roomId);
        const of = room.participants.find((/** @type {any} */ it) => it.user_id === user);
        of.read_seq = Math.max(of.read_seq, read);
        of.delivered_seq = Math.max(of.delivered_seq, delivered, read);
    }

    /** @param {string} id */
    #of(id) {
        return /** @type {any} */ (this.rooms.get(id));
    }

    /**
     * The response of an HTTP call.
     * @param {string} me
     * @param {{method: string, path: string, body?: any}} request
     */
    respond(me, { path, body }) {
        if (path === "/chat/sync") return this.#sync(body);
        if (path === "/chat/messages") return this.append(me, body);
        if (path === "/users/me") return { id: me, username: me.slice(-1) };
        const [, id, query] = /^\/chat\/rooms\/([^/]+)\/messages\?(.*)$/.exec(path) ?? [];
        if (!id) return [];
        const before = Number(new URLSearchParams(query).get("before_seq") ?? Infinity);
        return this.#of(id)
            .log.filter((/** @type {any} */ it) => it.seq < before)
            .slice(-50)
            .reverse();
    }

    /** One room in each page. @param {any} request */
    #sync({ rooms, only_named, cursor }) {
        const ids = [...this.rooms.keys()].sort().filter((id) => cursor === null || id > cursor);
        const [id] = only_named ? ids.filter((it) => rooms[it]) : ids;
        const complete = id === undefined || id === ids.at(-1) || only_named;
        const page = { complete, next_cursor: complete ? null : id, rooms: [], left: [] };
        if (id === undefined) return page;
        const { room, log, changes } = this.#of(id);
        const from = rooms[id];
        const changed = new Set(changes.filter(([rev]) => rev > from?.rev).map(([, seq]) => seq));
        const synced = {
            room: { ...room, seq: log.length },
            complete: from !== undefined && log.length - from.seq < 20,
            seq: log.length,
            rev: room.rev,
            messages: [],
            changed: [],
            others_read_seq: 0,
            others_delivered_seq: 0,
        };
        if (synced.complete) {
            synced.messages = log.filter((it) => it.seq > from.seq);
            synced.changed = log.filter((it) => it.seq <= from.seq && changed.has(it.seq));
        }
        return { ...page, rooms: [synced] };
    }
}

export class Client {
    state = initialState();
    data = new Map();
    store = memoryStore(this.data);
    /** The number of the connection that the service knows. @type {number | null} */
    connection = null;
    /** Counts the restarts: what an earlier run has started has no effect any more. */
    #run = 0;
    /** @type {Map<string, number>} */
    #timers = new Map();
    #storedAt = 0;
    sent = 0;

    /** @param {World} world @param {string} me @param {string} name */
    constructor(world, me, name) {
        Object.assign(this, { world, me, name });
        world.clients.push(this);
    }

    /** Starts from what is stored: also after a crash. */
    async start() {
        this.#run += 1;
        this.#timers.clear();
        this.connection = null;
        this.state = initialState();
        const stored = await this.store.load();
        this.event({ type: "start", stored, me: this.me, isOnline: true });
    }

    /** @param {any} event */
    event(event) {
        const { state, effects } = step(this.state, event, this.world.now, this.world.random);
        this.state = state;
        effects.forEach((effect) => this.#perform(effect));
    }

    /** @param {number} socket @param {any} frame */
    receive(socket, frame) {
        this.event({ type: "socket_frame", socket, frame });
    }

    /** Ends the connection; what is in flight may be lost. */
    cut() {
        const socket = this.connection;
        this.connection = null;
        if (socket !== null) this.event({ type: "socket_closed", socket, wasOpen: true, reason: "closed" });
    }

    /** @param {string} roomId */
    async send(roomId) {
        this.sent += 1;
        const key = `${this.name}.${this.sent}`;
        const afterSeq = this.state.rooms.get(roomId)?.seq ?? 0;
        const entry = await this.store.queue({
            key,
            roomId,
            body: { content: key },
            afterSeq,
            createdAt: this.world.now,
            failure: null,
            sent: null,
        });
        this.event({ type: "queued", entry });
    }

    /**
     * Runs something later, unless the client has restarted.
     * @param {number} delay
     * @param {() => unknown} run
     */
    #later(delay, run) {
        const started = this.#run;
        this.world.later(delay, () => started === this.#run && run());
    }

    /** @param {any} effect */
    #perform(effect) {
        const { world } = this;
        if (effect.type === "timer") {
            this.#timers.set(effect.name, effect.at);
            if (effect.at === null || effect.at === Infinity) return;
            this.#later(Math.max(0, effect.at - world.now), () => {
                if (this.#timers.get(effect.name) !== effect.at) return;
                this.#timers.delete(effect.name);
                this.event({ type: "timer", name: effect.name });
            });
        } else if (effect.type === "connect") {
            const { socket } = effect;
            const isRefused = world.fails("refused");
            this.#later(world.below(500), () =>
                this.event(
                    isRefused
                        ? { type: "socket_closed", socket, wasOpen: false, reason: "closed" }
                        : { type: "socket_open", socket, expiresAt: null },
                ),
            );
        } else if (effect.type === "disconnect") {
            if (this.connection === effect.socket) this.connection = null;
        } else if (effect.type === "send") {
            if (!world.fails("lost"))
                this.#later(world.below(800), () => this.#serve(effect.socket, effect.frame));
        } else if (effect.type === "http") {
            this.#http(effect);
        } else if (effect.type === "persist") {
            // Changes are stored in their order.
            this.#storedAt = Math.max(this.#storedAt, world.now + world.below(300));
            this.#later(this.#storedAt - world.now, () => this.#persist(effect));
        }
    }

    /** @param {any} effect */
    async #persist({ changes, positions }) {
        await this.store.commit(changes);
        this.event({ type: "persisted", positions });
    }

    /** @param {any} effect */
    #http({ id, request }) {
        const { world } = this;
        const isLost = world.fails("failed");
        const isBusy = world.fails("failed");
        const answer = (/** @type {any} */ response) =>
            this.#later(world.below(2500), () => this.event({ type: "http", id, response }));
        this.#later(world.below(500), () => {
            if (isBusy)
                return answer({ status: 503, body: { code: "busy" }, retryAfter: 2, nextCursor: null });
            const body = structuredClone(world.respond(this.me, request));
            answer(isLost ? null : { status: 200, body, retryAfter: null, nextCursor: null });
        });
    }

    /** The service handles a frame. @param {number} socket @param {any} frame */
    #serve(socket, { type, data, ref }) {
        const { world } = this;
        const reply = (/** @type {string} */ kind, /** @type {any} */ body) => {
            const frame = structuredClone({ type: kind, data: body, ref });
            if (!world.fails("lost")) this.#later(world.below(800), () => this.receive(socket, frame));
        };
        if (type === "hello") {
            this.connection = socket;
            return reply("connection_established", { user_id: this.me });
        }
        if (this.connection !== socket) return;
        if (type === "ping") reply("pong", data);
        else if (type === "send_message") {
            const isNew = !world.rooms.get(data.chat_room_id)?.log.some((it) => it.client_message_id === ref);
            const sent = world.append(this.me, data);
            if (isNew) world.push((client) => (client === this ? null : { type: "new_message", data: sent }));
            reply("message_sent", sent);
        } else if (type === "message_read" || type === "message_delivered") {
            const { chat_room_id, seq } = data;
            world.advanceReceipt(chat_room_id, this.me, type === "message_read" ? seq : 0, seq);
            const receipt = { chat_room_id, user_id: this.me, seq, message_ids: [] };
            world.push(() => ({ type: `${type}_receipt`, data: receipt }));
        }
    }
}
