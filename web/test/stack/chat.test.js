/** Two users chat through clients on the local stack. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startClient, startStack, until } from "./stack.js";

/** @type {Awaited<ReturnType<typeof startStack>>} */
let stack;
before(async () => (stack = await startStack()));
after(() => stack?.stop());

test("two users become friends, chat, and see each other's receipts", async (t) => {
    const ana = await startClient(stack, "ana");
    const ben = await startClient(stack, "ben");
    t.after(() => [ana, ben].forEach((client) => client.close()));
    for (const client of [ana, ben]) await until(client, () => client.state.connection.status === "live");

    await ana.requestFriend(ben.userId);
    assert.equal(ana.state.requests.sent.length, 1);
    const request = await until(ben, () => ben.state.requests.received[0]);
    await ben.respond(request.id, "accepted");
    await until(ana, () => ana.state.friends.some((friend) => friend.username === "ben"));
    await until(ben, () => ben.state.friends.some((friend) => friend.username === "ana"));

    const roomId = await ana.openDirect(ben.userId);
    ana.openRoom(roomId);
    ana.setVisible(true);
    await ana.send(roomId, { content: "Hi Ben!" });
    await ana.send(roomId, { content: "Run on Sunday?" });
    await until(ben, () => ben.state.rooms[0]?.unread === 2);
    assert.equal(ben.state.rooms[0].title, "ana");
    assert.equal(ben.state.rooms[0].preview?.content, "Run on Sunday?");
    await until(ana, () => ana.room(roomId)?.messages.at(-1)?.tick === "delivered");

    ben.openRoom(roomId);
    ben.setVisible(true);
    const view = await until(ben, () => (ben.room(roomId)?.messages.length === 2 ? ben.room(roomId) : null));
    assert.equal(view.firstUnreadSeq, 1);
    assert.deepEqual(
        view.messages.map((message) => message.content),
        ["Hi Ben!", "Run on Sunday?"],
    );
    assert.equal(view.row.unread, 0);
    await until(ana, () => ana.room(roomId)?.messages.every((message) => message.tick === "read"));

    await ben.react(view.messages[1], "👍");
    await until(ana, () => ana.room(roomId)?.messages[1].reactions[0]?.emoji === "👍");
    await ben.send(roomId, { content: "Yes!", reply_to_id: view.messages[1].id });
    const reply = await until(ana, () => ana.room(roomId)?.messages[2]);
    assert.equal(reply.reply_to?.content, "Run on Sunday?");
    await ana.edit(ana.room(roomId).messages[1], "Run on Saturday?");
    await until(ben, () => ben.room(roomId)?.messages[2].reply_to?.content === "Run on Saturday?");
    await ana.remove(ana.room(roomId).messages[0]);
    await until(ben, () => ben.room(roomId)?.messages[0].is_deleted);

    const shown = (client) =>
        client.room(roomId).messages.map(({ isMine, tick, status, key, ...rest }) => rest);
    await until(
        ana,
        () =>
            JSON.stringify(shown(ana)).replaceAll('"mine":true', '"mine":false') ===
            JSON.stringify(shown(ben)).replaceAll('"mine":true', '"mine":false'),
    );
});
