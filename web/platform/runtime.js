/**
 * Runs the engine in a tab. The leader steps the engine for each event, performs the effects, and sends the
 * event to the other tabs. These step their copy of the state, and perform no effects. Events of their users
 * go to the leader.
 *
 * @import {ClientOptions, Effect, EngineState, Event, Store} from '../types/index.js'
 * @import {Http} from './http.js'
 */

import { initialState, step } from "../engine/machine.js";
import { Timers, generator } from "./clock.js";
import { Tabs } from "./leader.js";
import { Sockets } from "./socket.js";

/** How long to wait before changes that could not be stored are stored again. */
const STORE_RETRY = 5000;

/**
 * @typedef {object} RuntimeOptions
 * @property {string} name The name of the database, of the locks and of the channel.
 * @property {string} me
 * @property {string} deviceId
 * @property {ClientOptions} client
 * @property {Store} store
 * @property {Http} http
 * @property {(state: EngineState) => void} onState
 * @property {(effect: Effect & {type: 'notify'}) => void} onNotify
 * @property {() => void} onSignedOut
 */

export class Runtime {
    state = initialState();
    /** The number of events applied since the leader started. */
    #applied = 0;
    /** Events that arrived before this tab had a state. @type {any[] | null} */
    #early = [];
    /** @type {Promise<void>} */
    #stored = Promise.resolve();
    /** @type {(() => boolean)[]} */
    #waiting = [];
    #isClosed = false;
    /** Whether changes could not be stored before this tab was closed: the next leader syncs them. */
    #isLost = false;
    /** The rooms that this tab shows. */
    #view = { rooms: /** @type {string[]} */ ([]), isVisible: false };

    /** @param {RuntimeOptions} options */
    constructor(options) {
        this.#options = options;
        const { client, deviceId } = options;
        this.#sockets = new Sockets({
            url: client.socket,
            deviceId,
            getToken: client.getToken,
            emit: (event) => this.#lead(event),
            WebSocket: client.WebSocket ?? globalThis.WebSocket,
        });
        this.#timers = new Timers((name) => this.#lead({ type: "timer", name }));
        this.tabs = new Tabs(options.name, {
            onLead: () => this.#startLeading(),
            onMessage: (message) => this.#onMessage(message),
        });
    }
    #options;
    #sockets;
    #timers;

    /** Shows the stored state, and joins the other tabs. */
    async start() {
        const { store, me } = this.#options;
        const stored = await store.load();
        this.#apply({ type: "start", stored, me, isOnline: isOnline() }, Date.now(), 1);
        this.tabs.join();
        this.tabs.post({ type: "joined" });
    }

    /** An event of this tab's user or platform. @param {Event} event */
    dispatch(event) {
        if (this.#isClosed) return;
        if (this.tabs.isLeader) this.#lead(event);
        else this.tabs.post({ type: "event", event });
    }

    /**
     * Waits until the state of this tab meets a condition.
     * @param {(state: EngineState) => boolean} condition
     */
    until(condition) {
        return new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
            const check = () => {
                if (!condition(this.state)) return false;
                resolve();
                return true;
            };
            if (!check()) this.#waiting.push(check);
        });
    }

    /** @param {Partial<{rooms: string[], isVisible: boolean}>} change */
    setView(change) {
        this.#view = { ...this.#view, ...change };
        this.dispatch({ type: "view", tab: this.tabs.id, ...this.#view });
    }

    get view() {
        return this.#view;
    }

    async #startLeading() {
        const { store, me } = this.#options;
        // What the last leader had not stored does not count. Its rows in the outbox do.
        const stored = await store.load().catch(() => null);
        if (this.#isClosed) return;
        // Another tab has signed out, and has deleted the database.
        if (!stored?.meta.deviceId) return this.#end(false);
        this.#early = null;
        this.#lead({ type: "start", stored, me, isOnline: isOnline() });
        this.tabs.post({ type: "lead" });
        this.setView({});
    }

    /**
     * A step of the leader. A tab that does not lead any more ignores late events of its platform.
     * @param {Event} event
     */
    #lead(event) {
        if (this.#isClosed || !this.tabs.isLeader) return;
        const now = Date.now();
        const seed = Math.floor(Math.random() * 2 ** 32);
        this.#applied += 1;
        this.tabs.post({ type: "step", n: this.#applied, event, now, seed });
        for (const effect of this.#apply(event, now, seed)) this.#perform(effect);
    }

    /**
     * @param {Event} event
     * @param {number} now
     * @param {number} seed
     */
    #apply(event, now, seed) {
        const { state, effects } = step(this.state, event, now, generator(seed));
        const hasEnded =
            state.connection.status === "signed_out" && this.state.connection.status !== "signed_out";
        this.state = state;
        this.#options.onState(state);
        this.#waiting = this.#waiting.filter((check) => !check());
        if (hasEnded && !this.tabs.isLeader) {
            this.close();
            this.#options.onSignedOut();
        }
        return effects;
    }

    /** @param {any} message From another tab. */
    #onMessage(message) {
        if (this.tabs.isLeader) {
            if (message.type === "event") {
                this.#lead(message.event);
                if (message.event.type === "view") this.#watch(message.event.tab);
            } else if (message.type === "joined") {
                this.tabs.post({ type: "snapshot", n: this.#applied, state: this.state });
            }
            return;
        }
        if (message.type === "snapshot" && this.#early) {
            const early = this.#early;
            this.#early = null;
            this.#applied = message.n;
            this.state = message.state;
            this.#options.onState(this.state);
            early.forEach((it) => this.#follow(it));
            this.setView({});
        } else if (message.type === "lead") {
            this.setView({});
        } else if (message.type === "step") {
            this.#follow(message);
        }
    }

    /** @param {{n: number, event: Event, now: number, seed: number}} message A step of the leader. */
    #follow(message) {
        const { n, event, now, seed } = message;
        if (event.type === "start") {
            // A new leader starts from the store, and counts from one.
            this.#early = null;
            this.#applied = n - 1;
        }
        if (this.#early) this.#early.push(message);
        if (this.#early || n <= this.#applied) return;
        if (n > this.#applied + 1) {
            // This tab was frozen.
            this.#early = [message];
            this.tabs.post({ type: "joined" });
            return;
        }
        this.#applied = n;
        this.#apply(event, now, seed);
    }

    /** A tab that is gone shows no rooms. @param {string} tab */
    #watch(tab) {
        this.tabs.watch(tab, () => this.#lead({ type: "view", tab, rooms: [], isVisible: false }));
    }

    /** @param {Effect} effect */
    #perform(effect) {
        switch (effect.type) {
            case "connect":
                this.#sockets.connect(effect.socket, effect.isExpired);
                return;
            case "disconnect":
                this.#sockets.disconnect(effect.socket);
                return;
            case "send":
                this.#sockets.send(effect.socket, effect.frame);
                return;
            case "http":
                this.#options.http.call(effect.request).then((response) => {
                    this.#lead({ type: "http", id: effect.id, response });
                });
                return;
            case "timer":
                this.#timers.set(effect.name, effect.at);
                return;
            case "persist":
                this.#stored = this.#stored.then(() => this.#persist(effect));
                return;
            case "notify":
                this.#options.onNotify(effect);
                return;
            case "signed_out":
                this.#end(effect.isDeleted);
        }
    }

    /**
     * Stores the changes of a step, in the order of the steps.
     * @param {Effect & {type: 'persist'}} effect
     */
    async #persist({ changes, positions }) {
        while (!this.#isLost) {
            try {
                await this.#options.store.commit(changes);
                this.#lead({ type: "persisted", positions });
                return;
            } catch (error) {
                // Later changes wait: a position must not be stored without the messages below it.
                console.error("The state could not be stored.", error);
                this.#isLost = this.#isClosed;
                await new Promise((resolve) => setTimeout(resolve, STORE_RETRY));
            }
        }
    }

    /** @param {boolean} isDeleted */
    async #end(isDeleted) {
        this.#stop();
        await this.#stored;
        if (isDeleted) await this.#options.store.destroy();
        this.state = { ...this.state, connection: { ...this.state.connection, status: "signed_out" } };
        this.#options.onState(this.state);
        // Not earlier: the next leader must not load what is being deleted.
        this.tabs.close();
        this.#options.store.close();
        this.#options.onSignedOut();
    }

    #stop() {
        this.#isClosed = true;
        this.#sockets.close();
        this.#timers.close();
    }

    close() {
        if (this.#isClosed) return;
        if (!this.tabs.isLeader) this.setView({ rooms: [], isVisible: false });
        this.#stop();
        // The next leader loads what this one has stored.
        this.#stored.finally(() => {
            this.tabs.close();
            this.#options.store.close();
        });
    }
}

function isOnline() {
    return globalThis.navigator?.onLine ?? true;
}
