/**
 * The state of the page that all views share: the route, the state of each view, the open dialog, the
 * toast.
 */
import { dialogHost } from "./dialog.js";
import { announcer } from "./live.js";
import { navigation } from "./router.js";
import { nothing, render } from "../vendor/lit-html/lit-html.js";
import { shell } from "./shell.js";

/** @import { Client } from './types.d.ts' */
/** @import { Route } from './router.js' */

/**
 * What a view loads when it is first shown.
 * @template T
 * @typedef {{ status: 'loading' | 'ready' | 'error', value: T | null, error: string, reload: () => void }} Resource
 */

/** A toast disappears after this time, or when the user does something else. */
const TOAST_MS = 6000;

export class App {
    /**
     * The width from which the list and the chat, and from which also the details, are shown side by side.
     */
    #wide = matchMedia("(min-width: 720px)");
    #threePanes = matchMedia("(min-width: 1100px)");
    /** @type {Map<string, any>} */
    #locals = new Map();
    #isDrawing = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    #toastTimer;
    /** @type {(() => void)[]} */
    #cleanUp = [];
    /** @type {unknown} */
    dialog = nothing;
    /** @type {string | null} */
    toastText = null;
    /** @type {Set<string>} */
    busy = new Set();

    /** @param {Client} client @param {HTMLElement} root @param {HTMLElement} live */
    constructor(client, root, live) {
        this.client = client;
        this.root = root;
        this.navigation = navigation(() => this.#routeChanged());
        this.dialogs = dialogHost(this);
        /** @type {string | null} The room that the client knows to be open. */
        this.openRoomId = null;
        const announce = announcer(live);
        this.#cleanUp.push(
            client.subscribe(() => {
                announce(client.state, this.openRoomId);
                this.draw();
            }),
            this.navigation.stop,
        );
        for (const media of [this.#wide, this.#threePanes]) {
            const redraw = () => this.draw();
            media.addEventListener("change", redraw);
            this.#cleanUp.push(() => media.removeEventListener("change", redraw));
        }
        const visibility = () => client.setVisible(document.visibilityState === "visible");
        document.addEventListener("visibilitychange", visibility);
        this.#cleanUp.push(() => document.removeEventListener("visibilitychange", visibility));
        visibility();
        this.#routeChanged();
    }

    get state() {
        return this.client.state;
    }

    get me() {
        return this.client.state.me?.id ?? "";
    }

    /** @returns {Route} */
    get route() {
        return this.navigation.route();
    }

    get isWide() {
        return this.#wide.matches;
    }

    get hasThreePanes() {
        return this.#threePanes.matches;
    }

    /** Draws once after all changes of this task. Not in an animation frame: a hidden page has none. */
    draw() {
        if (this.#isDrawing) return;
        this.#isDrawing = true;
        queueMicrotask(() => {
            this.#isDrawing = false;
            const unread = this.state.unreadTotal;
            document.title = unread > 0 ? `(${unread}) Athlytiq Chat` : "Athlytiq Chat";
            render(shell(this), this.root);
            this.dialogs.settle();
            for (const done of this.afterDraw.splice(0)) done();
        });
    }

    /** @type {(() => void)[]} Called once after the next drawing. */
    afterDraw = [];

    /** @param {string} path @param {{ replace?: boolean }} [options] */
    go(path, options) {
        this.navigation.go(path, options);
    }

    /** @param {string} parent where to go if there is no earlier view of this app */
    back(parent) {
        this.navigation.back(parent);
    }

    /**
     * The state of a view, kept until the page closes.
     * @template T
     * @param {string} key @param {() => T} create @returns {T}
     */
    local(key, create) {
        if (!this.#locals.has(key)) this.#locals.set(key, create());
        return this.#locals.get(key);
    }

    /** @param {string} key */
    forget(key) {
        this.#locals.delete(key);
    }

    /**
     * Loads once for a key.
     * @template T
     * @param {string} key @param {() => Promise<T>} load @returns {Resource<T>}
     */
    resource(key, load) {
        return this.local(`resource:${key}`, () => {
            /** @type {Resource<T>} */
            const resource = { status: "loading", value: null, error: "", reload };
            const self = this;
            function reload() {
                resource.status = resource.value === null ? "loading" : "ready";
                load()
                    .then(
                        (value) => Object.assign(resource, { status: "ready", value }),
                        (error) => Object.assign(resource, { status: "error", error: detailOf(error) }),
                    )
                    .finally(() => self.draw());
            }
            queueMicrotask(reload);
            return resource;
        });
    }

    /** Runs an action of a control: `key` is busy meanwhile. A refusal becomes a toast; returns whether it succeeded.
     * @param {string} key @param {() => unknown} action */
    async run(key, action) {
        if (this.busy.has(key)) return false;
        this.busy.add(key);
        this.draw();
        try {
            await action();
            return true;
        } catch (error) {
            this.toast(detailOf(error));
            return false;
        } finally {
            this.busy.delete(key);
            this.draw();
        }
    }

    /** @param {string} text */
    toast(text) {
        clearTimeout(this.#toastTimer);
        this.toastText = text;
        this.#toastTimer = setTimeout(() => this.hideToast(), TOAST_MS);
        this.draw();
    }

    hideToast() {
        clearTimeout(this.#toastTimer);
        this.toastText = null;
        this.draw();
    }

    /** Tells the client which room is open. Details of a room keep it open. */
    #routeChanged() {
        const room = this.route.view === "room" ? this.route.id : null;
        if (room !== this.openRoomId) {
            if (this.openRoomId) {
                void this.client.closeRoom(this.openRoomId);
                this.forget(`chat:${this.openRoomId}`);
            }
            this.openRoomId = room;
            if (room) void this.client.openRoom(room);
        }
        this.dialogs.close();
        this.draw();
    }

    stop() {
        for (const clean of this.#cleanUp) clean();
        render(nothing, this.root);
    }
}

/** The text of a refusal. @param {unknown} error */
export function detailOf(error) {
    const detail = error instanceof Error && "detail" in error ? error.detail : null;
    return typeof detail === "string" ? detail : "Something went wrong. Try again in a moment.";
}

/** The reasons by field. @param {unknown} error @returns {Record<string, string>} */
export function fieldErrors(error) {
    const errors = error instanceof Error && "errors" in error ? error.errors : null;
    if (!Array.isArray(errors)) return {};
    return Object.fromEntries(errors.map(({ field, message }) => [field, message]));
}
