/** Several tabs of one user: clients that share a store, locks and a channel, as tabs of a browser do. */

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { memoryStore } from "../../platform/store.js";
import { startClient, startStack, until } from "./stack.js";

/** Exclusive locks, granted in the order of the requests, as Web Locks. */
class Locks {
    /** @type {Map<string, Promise<unknown>>} */
    #last = new Map();

    /** @param {string} name @param {{signal: AbortSignal}} options @param {() => unknown} callback */
    async request(name, { signal }, callback) {
        const earlier = this.#last.get(name) ?? Promise.resolve();
        const held = earlier.then(() => (signal.aborted ? undefined : callback()));
        this.#last.set(name, held);
        await held;
    }
}

/** @type {Awaited<ReturnType<typeof startStack>>} */
let stack;
let opened = 0;
class CountedSocket extends WebSocket {
    constructor(/** @type {string} */ url, /** @type {string[]} */ protocols) {
        super(url, protocols);
        opened += 1;
    }
}

before(async () => (stack = await startStack()));
after(() => stack?.stop());
beforeEach(() => {
    opened = 0;
    Object.defineProperty(globalThis, "navigator", {
        value: { locks: new Locks(), onLine: true },
        configurable: true,
    });
});

/** Opens a tab of a user. @param {Map<string, any>} data What the tabs of the user store. */
async function openTab(t, username, data, options = {}) {
    const openStore = async () => memoryStore(data);
    const tab = await startClient(stack, username, { openStore, WebSocket: CountedSocket, ...options });
    t.after(() => tab.close());
    await until(tab, () => tab.state.connection.status === "live");
    return tab;
}

const contents = (tab, roomId) => tab.room(roomId)?.messages.map((message) => message.content);

test("tabs share one connection, show the same, and all can send", async (t) => {
    const data = new Map();
    const first = await openTab(t, "ana", data);
    const second = await openTab(t, "ana", data);
    assert.equal(opened, 1);
    const ben = await openTab(t, "ben", new Map());
    const roomId = await second.openDirect(ben.userId);
    // A room that is not open loads no history.
    ben.openRoom(roomId);
    await second.send(roomId, { content: "from the second tab" });
    await first.send(roomId, { content: "from the first tab" });
    await until(ben, () => contents(ben, roomId)?.length === 2);
    for (const tab of [first, second]) {
        await until(tab, () => tab.room(roomId)?.messages.every((message) => message.tick === "delivered"));
    }
    await until(second, () => isDeepStrictEqual(second.room(roomId), first.room(roomId)));
    assert.equal(opened, 2, "one for each user");
});

test("another tab takes over from a closed one, with what it had queued", async (t) => {
    const data = new Map();
    const first = await openTab(t, "cleo", data);
    const second = await openTab(t, "cleo", data);
    const dev = await openTab(t, "dev", new Map());
    const roomId = await first.openDirect(dev.userId);
    dev.openRoom(roomId);
    await until(second, () => second.room(roomId));
    first.close();
    await second.send(roomId, { content: "after it was closed" });
    await until(dev, () => contents(dev, roomId)?.length === 1);
    await until(second, () => second.room(roomId)?.messages[0]?.tick === "delivered");
    assert.equal(opened, 3);
});

test("a room that is open in a closed tab is not read any more", async (t) => {
    const data = new Map();
    const first = await openTab(t, "elif", data);
    const second = await openTab(t, "elif", data);
    const finn = await openTab(t, "finn", new Map());
    const roomId = await finn.openDirect(first.userId);
    await until(second, () => second.room(roomId));
    second.openRoom(roomId);
    second.setVisible(true);
    await finn.send(roomId, { content: "read" });
    await until(finn, () => finn.room(roomId)?.messages[0]?.tick === "read");
    second.close();
    await finn.send(roomId, { content: "unread" });
    await until(first, () => first.room(roomId)?.row.unread === 1);
    await until(finn, () => finn.room(roomId)?.messages[1]?.tick === "delivered");
});

test("signing out in one tab ends all, and deletes the data", async (t) => {
    const data = new Map();
    let ended = 0;
    const onSignedOut = () => (ended += 1);
    const first = await openTab(t, "gus", data, { onSignedOut });
    const second = await openTab(t, "gus", data, { onSignedOut });
    await second.signOut();
    for (const tab of [first, second]) await until(tab, () => tab.state.connection.status === "signed_out");
    await until(first, () => ended === 2);
    assert.deepEqual(
        [...data.values()].flatMap((table) => [...table]),
        [],
    );
    assert.equal(opened, 1);
});
