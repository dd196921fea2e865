/**
 * The stored state of one user of one API, in IndexedDB.
 *
 * @import {Store} from '../types/index.js'
 */

import { deleteDB, openDB } from "../vendor/idb/build/index.js";

const VERSION = 1;

/**
 * @param {string} name
 * @returns {Promise<Store>}
 */
export async function openIndexedDb(name) {
    const database = await openDB(name, VERSION, {
        upgrade(database) {
            database.createObjectStore("meta");
            database.createObjectStore("rooms", { keyPath: "id" });
            database.createObjectStore("messages", { keyPath: ["chat_room_id", "seq"] });
            database.createObjectStore("outbox", { keyPath: "n", autoIncrement: true });
            database.createObjectStore("drafts");
        },
        // Another tab deletes or upgrades the database.
        blocking: (_current, _blocked, event) => /** @type {IDBDatabase} */ (event.target).close(),
    });
    return {
        async load() {
            const transaction = database.transaction(["meta", "rooms", "messages", "outbox", "drafts"]);
            const store = (/** @type {string} */ it) => transaction.objectStore(it);
            const [names, values, rooms, messages, outbox, ids, texts] = await Promise.all([
                store("meta").getAllKeys(),
                store("meta").getAll(),
                store("rooms").getAll(),
                store("messages").getAll(),
                store("outbox").getAll(),
                store("drafts").getAllKeys(),
                store("drafts").getAll(),
            ]);
            const meta = Object.fromEntries(names.map((key, at) => [String(key), values[at]]));
            return { meta, rooms, messages, outbox, drafts: ids.map((id, at) => [String(id), texts[at]]) };
        },

        async commit(changes) {
            const transaction = database.transaction(
                ["meta", "rooms", "messages", "outbox", "drafts"],
                "readwrite",
            );
            const store = (/** @type {string} */ it) => transaction.objectStore(it);
            for (const [key, value] of Object.entries(changes.meta)) store("meta").put(value, key);
            for (const id of changes.deletedRooms) {
                store("rooms").delete(id);
                store("messages").delete(IDBKeyRange.bound([id], [id, []]));
            }
            for (const key of changes.deletedMessages) store("messages").delete(key);
            for (const room of changes.rooms) store("rooms").put(room);
            for (const message of changes.messages) store("messages").put(message);
            for (const entry of changes.outbox) store("outbox").put(entry);
            for (const n of changes.deletedOutbox) store("outbox").delete(n);
            for (const [id, text] of changes.drafts) {
                if (text === null) store("drafts").delete(id);
                else store("drafts").put(text, id);
            }
            await transaction.done;
        },

        async queue(entry) {
            // Durable: the user sees the message as queued from here on.
            const transaction = database.transaction("outbox", "readwrite", { durability: "strict" });
            const n = Number(await transaction.store.add({ ...entry }));
            await transaction.done;
            return { ...entry, n };
        },

        async destroy() {
            database.close();
            await deleteDB(name);
        },

        close() {
            database.close();
        },
    };
}

/**
 * A store in memory, for hosts without IndexedDB. With the same `data`, a second one has the content of the
 * first.
 * @param {Map<string, any>} [data]
 * @returns {Store}
 */
export function memoryStore(data = new Map()) {
    const table = (/** @type {string} */ name) => {
        if (!data.has(name)) data.set(name, new Map());
        return data.get(name);
    };
    return {
        async load() {
            return structuredClone({
                meta: Object.fromEntries(table("meta")),
                rooms: [...table("rooms").values()],
                messages: [...table("messages").values()],
                outbox: [...table("outbox").values()],
                drafts: [...table("drafts")],
            });
        },
        async commit(changes) {
            const { meta, rooms, messages, outbox, drafts } = structuredClone(changes);
            for (const [name, value] of Object.entries(meta)) table("meta").set(name, value);
            for (const id of changes.deletedRooms) {
                table("rooms").delete(id);
                for (const key of [...table("messages").keys()]) {
                    if (key.startsWith(`${id}:`)) table("messages").delete(key);
                }
            }
            for (const key of changes.deletedMessages) table("messages").delete(key.join(":"));
            for (const room of rooms) table("rooms").set(room.id, room);
            for (const message of messages)
                table("messages").set(`${message.chat_room_id}:${message.seq}`, message);
            for (const entry of outbox) table("outbox").set(entry.n, entry);
            for (const n of changes.deletedOutbox) table("outbox").delete(n);
            for (const [id, text] of drafts) {
                if (text === null) table("drafts").delete(id);
                else table("drafts").set(id, text);
            }
        },
        async queue(entry) {
            const n = (table("meta").get("n") ?? 0) + 1;
            table("meta").set("n", n);
            table("outbox").set(n, structuredClone({ ...entry, n }));
            return { ...entry, n };
        },
        async destroy() {
            data.clear();
        },
        close() {},
    };
}
