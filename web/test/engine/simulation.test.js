/**
 * Clients on a service that loses, delays, duplicates and reorders: random schedules with broken connections
 * and crashes. In the end, all of them show the log, and each message is in it once.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ANA, BEN, OTHER_ROOM, ROOM } from "./driver.js";
import { Client, World } from "./model.js";

/** `FIRST=1000 SCHEDULES=1 node --test web/test/engine/simulation.test.js` repeats a seed. */
const { FIRST = "1", SCHEDULES = "100" } = process.env;
const STEPS = 60;
const ROOMS = [ROOM, OTHER_ROOM];

/** One random thing happens. @param {World} world */
async function act(world) {
    const client = world.clients[world.below(world.clients.length)];
    const roomId = ROOMS[world.below(2)];
    const { log } = /** @type {any} */ (world.rooms.get(roomId));
    const dice = world.below(100);
    if (dice < 50) await client.send(roomId);
    else if (dice < 65 && log.length > 0)
        world.change(roomId, 1 + world.below(log.length), { content: `edit ${dice}` });
    else if (dice < 70 && log.length > 0) {
        world.change(roomId, 1 + world.below(log.length), { content: "", is_deleted: true });
    } else if (dice < 80) client.cut();
    else if (dice < 85) await client.start();
    else if (dice < 95) {
        const rooms = dice % 2 === 0 ? [roomId] : [];
        client.event({ type: "view", tab: "t", rooms, isVisible: dice % 3 === 0 });
    } else client.event({ type: "wake" });
}

/** @param {number} seed */
async function run(seed) {
    const world = new World(seed, ROOMS, [ANA, BEN]);
    const clients = [
        new Client(world, ANA, "phone"),
        new Client(world, ANA, "laptop"),
        new Client(world, BEN, "ben"),
    ];
    for (const client of clients) await client.start();
    for (let n = 0; n < STEPS; n += 1) {
        await act(world);
        await world.advance(world.below(world.below(8) === 0 ? 20_000 : 700));
    }
    world.hasFaults = false;
    await world.advance(180_000);
    // A client whose push was lost finds out with the next sync.
    for (const client of clients) client.cut();
    await world.advance(180_000);
    for (const client of clients) check(world, client);
}

/** @param {World} world @param {Client} client */
function check(world, client) {
    const { state, name } = client;
    assert.equal(state.connection.status, "live", name);
    assert.deepEqual(state.outbox, [], `${name} has sent everything`);
    assert.equal(client.data.get("outbox")?.size ?? 0, 0, `${name} has stored that`);
    for (const [id, { room, log }] of world.rooms) {
        const stored = state.rooms.get(id);
        assert.deepEqual([stored?.seq, stored?.rev], [log.length, room.rev], `${name} has all of ${id}`);
        const oldest = stored?.messages[0]?.seq ?? log.length + 1;
        const stretch = log.slice(oldest - 1);
        assert.deepEqual(
            stored?.messages.map((it) => it.seq),
            stretch.map((it) => it.seq),
            `${name}: ${id} has no hole`,
        );
        assert.deepEqual(stored?.messages, log.slice(oldest - 1), `${name} shows the log of ${id}`);
        const own = log.map((it) => it.client_message_id).filter((key) => key.startsWith(`${name}.`));
        assert.equal(new Set(own).size, own.length, `${name} has sent each message once`);
        assert.deepEqual(
            own,
            [...own].sort((a, b) => number(a) - number(b)),
            `${name} has sent in order`,
        );
        const { delivered_seq } = room.participants.find((/** @type {any} */ it) => it.user_id === client.me);
        assert.equal(delivered_seq, log.length, `${name} has reported all of ${id} as received`);
        const onDisk = [...client.data.get("messages").values()].filter((it) => it.chat_room_id === id);
        assert.deepEqual(
            onDisk.sort((a, b) => a.seq - b.seq),
            stored?.messages,
            `${name} has stored what it shows`,
        );
    }
    const sent = [...world.rooms.values()]
        .flatMap(({ log }) => log)
        .filter((it) => {
            return it.client_message_id.startsWith(`${name}.`);
        });
    assert.equal(sent.length, client.sent, `no message of ${name} is lost`);
}

/** @param {string} key */
function number(key) {
    return Number(key.split(".")[1]);
}

test("clients converge to the log, and lose, duplicate and reorder no message", async () => {
    for (let seed = Number(FIRST); seed < Number(FIRST) + Number(SCHEDULES); seed += 1) {
        try {
            await run(seed);
        } catch (error) {
            error.message = `seed ${seed}: ${error.message}`;
            throw error;
        }
    }
});
