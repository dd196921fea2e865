/**
 * The tabs of one user. One of them leads: it runs the connection, the sync and the outbox. The others show a
 * copy of its state: the engine is pure, so they apply the same events with the same random numbers.
 */

/** @typedef {{onLead: () => void, onMessage: (message: any) => void}} TabsOptions */

export class Tabs {
    id = crypto.randomUUID();
    isLeader = false;
    #name;
    #options;
    #closed = new AbortController();
    /** @type {(() => void)[]} */
    #release = [];
    /** @type {BroadcastChannel | null} */
    #channel = null;
    #locks = globalThis.navigator?.locks;
    /** @type {Set<string>} */
    #watched = new Set();

    /**
     * @param {string} name
     * @param {TabsOptions} options
     */
    constructor(name, options) {
        this.#name = name;
        this.#options = options;
    }

    /** Joins the other tabs. `onLead` is called when this tab leads, at once if it is alone. */
    join() {
        if (!this.#locks) {
            this.isLeader = true;
            this.#options.onLead();
            return;
        }
        this.#channel = new BroadcastChannel(this.#name);
        this.#channel.onmessage = ({ data }) => this.#options.onMessage(data);
        this.#hold(`${this.#name} tab ${this.id}`, () => {});
        this.#hold(`${this.#name} leader`, () => {
            this.isLeader = true;
            this.#options.onLead();
        });
    }

    /**
     * @param {string} name
     * @param {() => void} onHeld
     */
    #hold(name, onHeld) {
        const held = () => {
            onHeld();
            return new Promise((/** @type {(value?: unknown) => void} */ release) =>
                this.#release.push(release),
            );
        };
        this.#locks.request(name, { signal: this.#closed.signal }, held).catch(() => {});
    }

    /**
     * Calls back when another tab no longer exists, even if it has crashed.
     * @param {string} id
     * @param {() => void} onGone
     */
    watch(id, onGone) {
        if (!this.#locks || id === this.id || this.#watched.has(id)) return;
        this.#watched.add(id);
        const gone = () => {
            this.#watched.delete(id);
            onGone();
        };
        this.#locks.request(`${this.#name} tab ${id}`, { signal: this.#closed.signal }, gone).catch(() => {});
    }

    /** @param {any} message */
    post(message) {
        this.#channel?.postMessage(message);
    }

    close() {
        this.isLeader = false;
        this.#closed.abort();
        this.#release.forEach((release) => release());
        this.#channel?.close();
        this.#channel = null;
    }
}
