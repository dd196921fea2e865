/**
 * One step of the engine: a copy of the state that handlers may change, and the effects that they request.
 * Maps are copied on the first change, so the state before the step stays as it was.
 *
 * @import {Call, Connection, Effect, EngineState, Frame, RoomState} from '../types/index.js'
 */

/**
 * How long a connection may be silent before the client sends a `ping`. The gateway closes it after ten
 * minutes.
 */
const PING_AFTER = 5 * 60_000;

export class Step {
    /** @type {Set<string>} */
    #copied = new Set();
    /** @type {Effect[]} */
    effects = [];
    /** The ids of rooms that changed in this step. @type {Set<string>} */
    touched = new Set();

    /**
     * @param {EngineState} before
     * @param {number} now Milliseconds since 1970.
     * @param {() => number} random Numbers in [0, 1).
     */
    constructor(before, now, random) {
        this.before = before;
        this.state = { ...before };
        this.now = now;
        this.random = random;
    }

    /**
     * A map of the state that this step may change.
     * @template {'rooms' | 'sending' | 'drafts' | 'presence' | 'typing' | 'aside' | 'calls' | 'views' |
     *     'older'
     *     | 'committed' | 'receipts' | 'overlays' | 'lines'} K
     * @param {K} name
     * @returns {EngineState[K]}
     */
    map(name) {
        if (!this.#copied.has(name)) {
            this.#copied.add(name);
            this.state[name] = /** @type {any} */ (new Map(/** @type {any} */ (this.state[name])));
        }
        return this.state[name];
    }

    /** @param {string} id */
    room(id) {
        return this.state.rooms.get(id);
    }

    /**
     * @param {string} id
     * @param {RoomState | null | undefined} room `null` deletes it.
     */
    setRoom(id, room) {
        if (room === this.room(id) || (!room && !this.state.rooms.has(id))) return;
        this.touched.add(id);
        if (room) this.map("rooms").set(id, room);
        else this.map("rooms").delete(id);
    }

    /** @param {Partial<Connection>} change */
    setConnection(change) {
        this.state.connection = { ...this.state.connection, ...change };
    }

    /** @param {Partial<EngineState['sync']>} change */
    setSync(change) {
        this.state.sync = { ...this.state.sync, ...change };
    }

    /** @param {Effect} effect */
    effect(effect) {
        this.effects.push(effect);
    }

    /**
     * Sets a named timer, or cancels it with `null`.
     * @param {string} name
     * @param {number | null} at
     */
    timer(name, at) {
        this.effect({ type: "timer", name, at });
    }

    /** A number that no other call, connection or frame of this client has. */
    next() {
        this.state.counter += 1;
        return this.state.counter;
    }

    /**
     * Starts an HTTP call. Its response arrives as an event with the same id.
     * @param {Call} call What the response is for.
     * @param {string} method
     * @param {string} path
     * @param {any} [body]
     */
    http(call, method, path, body) {
        const id = this.next();
        this.map("calls").set(id, call);
        this.effect({ type: "http", id, request: { method, path, ...(body === undefined ? {} : { body }) } });
    }

    /**
     * Sends a frame on the established connection. Returns whether there is one.
     * @param {Frame} frame
     */
    send(frame) {
        const { socket } = this.state.connection;
        if (socket === null) return false;
        this.effect({ type: "send", socket, frame });
        this.timer("ping", this.now + PING_AFTER);
        return true;
    }

    /** Whether a room is open in any view. @param {string} id */
    isOpen(id) {
        return [...this.state.views.values()].some((view) => view.rooms.includes(id));
    }
}
