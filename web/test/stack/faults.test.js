/** Clients on the local stack, with broken connections, restarts, limits and ended accounts. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { memoryStore } from "../../platform/store.js";
import { startProxy } from "./proxy.js";
import { startClient, startStack, until } from "./stack.js";

/** @type {Awaited<ReturnType<typeof startStack>>} */
let stack;
before(async () => (stack = await startStack(["--param", "RateLimits=messages=4/2s"])));
after(() => stack?.stop());

const isLive = (client) => client.state.connection.status === "live";
const contents = (client, roomId) => client.room(roomId)?.messages.map((message) => message.content);

/** Two connected clients with a direct room; the first one's socket goes through a proxy. */
async function pair(t, names, options = {}) {
    const proxy = await startProxy(stack.socket);
    const first = await startClient({ ...stack, socket: proxy.url }, names[0], options);
    const second = await startClient(stack, names[1]);
    t.after(() => {
        first.close();
        second.close();
        proxy.stop();
    });
    await until(first, () => isLive(first));
    await until(second, () => isLive(second));
    const roomId = await first.openDirect(second.userId);
    await until(second, () => second.room(roomId));
    return { proxy, first, second, roomId };
}

test("a connection that breaks between a send and its acknowledgement leaves one message", async (t) => {
    const { proxy, first, second, roomId } = await pair(t, ["fay", "gil"]);
    proxy.hold();
    await first.send(roomId, { content: "once" });
    await until(second, () => contents(second, roomId)?.length === 1);
    assert.deepEqual(
        first.room(roomId)?.messages.map((message) => message.tick),
        ["sending"],
    );
    proxy.cut();
    await until(first, () => first.room(roomId)?.messages[0]?.tick === "delivered");
    await first.send(roomId, { content: "twice" });
    await until(second, () => contents(second, roomId)?.length === 2);
    assert.deepEqual(contents(first, roomId), ["once", "twice"]);
    assert.deepEqual(contents(second, roomId), ["once", "twice"]);
});

test("messages queued without a network are sent in order after a restart", async (t) => {
    const data = new Map();
    const openStore = async () => memoryStore(data);
    const { proxy, first, second, roomId } = await pair(t, ["hal", "ida"], { openStore });
    first.close();
    proxy.stop();
    const offline = await startClient({ ...stack, socket: proxy.url }, "hal", { openStore });
    assert.equal(offline.room(roomId)?.row.title, "ida", "the stored room is shown");
    for (const content of ["one", "two", "three"]) await offline.send(roomId, { content });
    assert.deepEqual(contents(offline, roomId), ["one", "two", "three"]);
    offline.close();
    const again = await startClient(stack, "hal", { openStore });
    t.after(() => again.close());
    await until(second, () => contents(second, roomId)?.length === 3);
    assert.deepEqual(contents(second, roomId), ["one", "two", "three"]);
    await until(again, () => again.room(roomId)?.messages.every((message) => message.tick === "delivered"));
    assert.equal(data.get("outbox").size, 0);
});

test("a lost push is found by one sync of its room", async (t) => {
    let isLosing = false;
    class LossySocket extends WebSocket {
        set onmessage(listener) {
            super.onmessage = (event) => {
                if (isLosing && JSON.parse(event.data).type === "new_message") isLosing = false;
                else listener(event);
            };
        }
    }
    /** @type {any[]} */
    const syncs = [];
    let ended = 0;
    const { fetch } = globalThis;
    globalThis.fetch = async (url, options) => {
        if (!String(url).endsWith("/chat/sync")) return fetch(url, options);
        syncs.push(JSON.parse(options.body));
        return fetch(url, options).finally(() => (ended += 1));
    };
    t.after(() => (globalThis.fetch = fetch));
    const { first, second, roomId } = await pair(t, ["jo", "kay"], { WebSocket: LossySocket });
    await second.send(roomId, { content: "before" });
    await until(first, () => contents(first, roomId)?.length === 1 && ended === syncs.length);
    syncs.length = 0;
    isLosing = true;
    await second.send(roomId, { content: "lost" });
    await second.send(roomId, { content: "found" });
    await until(first, () => contents(first, roomId)?.length === 3);
    assert.deepEqual(contents(first, roomId), ["before", "lost", "found"]);
    const named = syncs.filter((body) => body.only_named).map((body) => Object.keys(body.rooms));
    assert.deepEqual(named, [[roomId]]);
});

test("above the rate limit, messages wait and arrive in order", async (t) => {
    const { first, second, roomId } = await pair(t, ["lea", "max"]);
    const sent = Array.from({ length: 7 }, (_, n) => `message ${n}`);
    for (const content of sent) await first.send(roomId, { content });
    await until(first, () => first.state.limitedUntil !== null);
    await until(second, () => contents(second, roomId)?.length === sent.length);
    assert.deepEqual(contents(second, roomId), sent);
    assert.equal(first.state.limitedUntil, null);
});

test("an expired token ends the session without a handshake, and keeps the data", async () => {
    const expired = `e30.${btoa(JSON.stringify({ sub: crypto.randomUUID(), exp: 1 }))}.e30`;
    let handshakes = 0;
    class CountedSocket extends WebSocket {
        constructor(/** @type {string} */ url) {
            super(url);
            handshakes += 1;
        }
    }
    const data = new Map();
    const ended = deferred();
    const client = await startClient(stack, "nia", {
        getToken: async () => expired,
        openStore: async () => memoryStore(data),
        WebSocket: CountedSocket,
        onSignedOut: () => ended.resolve(),
    });
    await ended.promise;
    assert.equal(client.state.connection.status, "signed_out");
    assert.equal(handshakes, 0);
    assert.ok(data.get("meta").get("deviceId"));
});

test("a deleted account ends the session of every device, and deletes the data", async (t) => {
    const data = new Map();
    const ended = deferred();
    const phone = await startClient(stack, "oda", {
        openStore: async () => memoryStore(data),
        onSignedOut: () => ended.resolve(),
    });
    const laptop = await startClient(stack, "oda");
    t.after(() => [phone, laptop].forEach((client) => client.close()));
    await until(phone, () => isLive(phone));
    await laptop.deleteAccount();
    phone.reconnect();
    await ended.promise;
    assert.equal(phone.state.connection.status, "signed_out");
    assert.equal(data.size, 0);
});

test("a refused action rejects with the service's reason, and changes nothing", async (t) => {
    const { first, roomId } = await pair(t, ["pia", "quin"]);
    await assert.rejects(first.updateGroup(roomId, { name: "Gym" }), { status: 403, code: "direct_room" });
    await assert.rejects(first.updateProfile({ username: "" }), (error) => {
        assert.deepEqual([error.status, error.errors[0].field], [422, "username"]);
        return true;
    });
    assert.equal(first.room(roomId)?.row.room.name, null);
});

/** @returns {{promise: Promise<void>, resolve: () => void}} */
function deferred() {
    let resolve = () => {};
    const promise = new Promise((/** @type {() => void} */ it) => (resolve = it));
    return { promise, resolve };
}
