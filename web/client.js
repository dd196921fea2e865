/**
 * The client: joins the engine and the platform, without the DOM. docs/web.md describes it.
 *
 * @import {ClientOptions, ClientState, RoomView, Store} from './types/index.js'
 */

import { Views } from "./engine/view.js";
import { actionsOf } from "./actions.js";
import { Http } from "./platform/http.js";
import { showNotification } from "./platform/notify.js";
import { Runtime } from "./platform/runtime.js";
import { memoryStore, openIndexedDb } from "./platform/store.js";
import { claimsOf } from "./platform/token.js";

export { ApiError } from "./platform/http.js";

/**
 * Opens the stored state of the user, and connects. The state is complete when the returned promise resolves:
 * a client also starts without a network.
 * @param {ClientOptions} options
 */
export async function createClient(options) {
    const http = new Http(options.api, options.getToken);
    const me = await userOf(options, http);
    const name = `athlytiq:${options.api}:${me}`;
    const store = await openStore(options, name);
    const { deviceId, isNew } = await deviceOf(store);
    const views = new Views();
    /** @type {Set<() => void>} */
    const listeners = new Set();
    let isNotifying = false;
    /** @type {{of: unknown, state: ClientState} | null} */
    let shown = null;

    const notify = () => {
        if (isNotifying) return;
        isNotifying = true;
        queueMicrotask(() => {
            isNotifying = false;
            for (const listener of [...listeners]) listener();
        });
    };
    const runtime = new Runtime({
        name,
        me,
        deviceId,
        client: options,
        store,
        http,
        onState: notify,
        onNotify: ({ message }) =>
            showNotification(message, views.row(runtime.state, message.chat_room_id, Date.now())),
        onSignedOut() {
            forgetUser(options.api);
            notify();
            options.onSignedOut?.();
        },
    });
    const client = {
        /**
         * What the views show. Treat it as immutable: it is a new object after each change.
         * @returns {ClientState}
         */
        get state() {
            if (shown?.of !== runtime.state) {
                shown = { of: runtime.state, state: views.all(runtime.state, Date.now()) };
            }
            return shown.state;
        },

        /** Calls back once for each batch of changes. @param {() => void} listener */
        subscribe(listener) {
            listeners.add(listener);
            return () => listeners.delete(listener);
        },

        /** @param {string} id @returns {RoomView | null} */
        room: (id) => views.room(runtime.state, id, Date.now()),

        /** Stops everything in this tab. Another tab takes over. */
        close() {
            removeListeners();
            runtime.close();
        },

        ...actionsOf({ runtime, http, store, me, deviceId }),
    };
    await runtime.start();
    const removeListeners = listen(runtime);
    if (isNew) client.registerDevice();
    return client;
}

/** @typedef {Awaited<ReturnType<typeof createClient>>} Client */

/**
 * The user, also without a network: from the token, or the last user of this API.
 * @param {ClientOptions} options
 * @param {Http} http
 * @returns {Promise<string>}
 */
async function userOf(options, http) {
    const key = `athlytiq:user:${options.api}`;
    const remembered = globalThis.localStorage?.getItem(key) ?? null;
    const token = await options.getToken(false).catch(() => null);
    const known = options.userId ?? (token === null ? remembered : claimsOf(token).userId);
    const me = known ?? (await http.call({ method: "GET", path: "/users/me" }))?.body?.id;
    if (typeof me !== "string") throw new Error("The user is not known: no token is available.");
    globalThis.localStorage?.setItem(key, me);
    return me;
}

/** @param {string} api */
function forgetUser(api) {
    globalThis.localStorage?.removeItem(`athlytiq:user:${api}`);
}

/**
 * @param {ClientOptions} options
 * @param {string} name
 */
async function openStore(options, name) {
    if (options.openStore) return options.openStore(name);
    if (!globalThis.indexedDB) return memoryStore();
    try {
        return await openIndexedDb(name);
    } catch (error) {
        // Some browsers have no storage in private windows.
        console.error("IndexedDB is not available. Messages are kept in memory.", error);
        return memoryStore();
    }
}

/**
 * The id of this device: one for each profile of the browser and user.
 * @param {Store} store
 */
async function deviceOf(store) {
    const { meta } = await store.load();
    if (meta.deviceId) return { deviceId: String(meta.deviceId), isNew: false };
    const deviceId = crypto.randomUUID();
    await store.commit({ ...NO_CHANGES, meta: { deviceId } });
    return { deviceId, isNew: true };
}

const NO_CHANGES = {
    meta: {},
    rooms: [],
    deletedRooms: [],
    messages: [],
    deletedMessages: [],
    outbox: [],
    deletedOutbox: [],
    drafts: [],
};

/**
 * Events of the browser.
 * @param {Runtime} runtime
 * @returns {() => void} Removes the listeners.
 */
function listen(runtime) {
    const target = /** @type {typeof globalThis & EventTarget} */ (globalThis);
    if (typeof document === "undefined") return () => {};
    const controller = new AbortController();
    const { signal } = controller;
    const on = (/** @type {string} */ name, /** @type {() => void} */ listener) =>
        target.addEventListener(name, listener, { signal });
    on("online", () => runtime.dispatch({ type: "online", isOnline: true }));
    on("offline", () => runtime.dispatch({ type: "online", isOnline: false }));
    // A page that is restored from the back/forward cache has lost its connection.
    on("pageshow", () => runtime.dispatch({ type: "wake" }));
    return () => controller.abort();
}
