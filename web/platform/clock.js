/** Named timers: setting one replaces the earlier one of the same name. */

/** The longest delay of `setTimeout`. */
const LONGEST = 2 ** 31 - 1;

export class Timers {
    /** @type {Map<string, ReturnType<typeof setTimeout>>} */
    #timers = new Map();

    /** @param {(name: string) => void} onTimer */
    constructor(onTimer) {
        this.onTimer = onTimer;
    }

    /**
     * @param {string} name
     * @param {number | null} at Milliseconds since 1970; `null` cancels it.
     */
    set(name, at) {
        clearTimeout(this.#timers.get(name));
        this.#timers.delete(name);
        if (at === null || !Number.isFinite(at)) return;
        const delay = Math.min(Math.max(0, at - Date.now()), LONGEST);
        const timer = setTimeout(() => {
            this.#timers.delete(name);
            this.onTimer(name);
        }, delay);
        this.#timers.set(name, timer);
    }

    close() {
        for (const timer of this.#timers.values()) clearTimeout(timer);
        this.#timers.clear();
    }
}

/**
 * Random numbers in [0, 1) that follow from a seed: all tabs draw the same ones for an event.
 * @param {number} seed
 * @returns {() => number}
 */
export function generator(seed) {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
}
