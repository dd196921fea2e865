import assert from "node:assert/strict";
import { test } from "node:test";

import { ANA, Driver, OTHER_ROOM, ROOM, message, synced } from "./driver.js";

const live = () => new Driver().live([synced(), synced({ room: { id: OTHER_ROOM } })]);

/** The keys of the sends on the connection, in order. @param {Driver} driver */
const sent = (driver) => driver.frames.filter((it) => it.type === "send_message").map((it) => it.ref);

/** The log's version of a queued message. */
const logged = (key, seq, fields = {}) =>
    message(seq, { sender_id: ANA, client_message_id: key, content: key, ...fields });

/** @param {Driver} driver */
const ticks = (driver) =>
    driver.state.outbox.map((it) => [it.key, it.failure ? "failed" : it.sent ? "sent" : "queued"]);

function refuse(driver, ref, code, retry_after = null) {
    return driver.frame("error", { code, message: `${code}.`, retry_after }, ref);
}

function close(driver) {
    return driver.event({
        type: "socket_closed",
        socket: driver.state.connection.socket,
        wasOpen: true,
        reason: "closed",
    });
}

test("a room sends one message at a time, in order; rooms are independent", () => {
    const driver = live().queue("k1").queue("k2").queue("k3", { roomId: OTHER_ROOM });
    assert.deepEqual(sent(driver), ["k1", "k3"]);
    const { data } = driver.frames[0];
    assert.deepEqual(data, { chat_room_id: ROOM, content: "k1", client_message_id: "k1", after_seq: 0 });
    driver.frame("message_sent", logged("k1", 1), "k1");
    assert.deepEqual(sent(driver), ["k1", "k3", "k2"]);
});

test("an acknowledged message is in the log and no longer in the outbox", () => {
    const driver = live().queue("k1").frame("message_sent", logged("k1", 1), "k1");
    assert.deepEqual([driver.seqs(), ticks(driver)], [[1], []]);
    const { changes } = driver.of("persist").at(-1);
    assert.deepEqual([changes.messages.length, changes.deletedOutbox], [1, [1]], "in one transaction");
});

test("the order is that of the store, also if a tab reports its entry late", () => {
    const driver = new Driver().start().queue("k2").queue("k1");
    driver.establish();
    assert.deepEqual(sent(driver), ["k1"]);
});

test("an entry is queued once, even if the store has it already", () => {
    const driver = new Driver().start().queue("k1").queue("k1");
    assert.equal(driver.state.outbox.length, 1);
});

test("during a sync, an acknowledged message stays in the outbox until the log has it", () => {
    const driver = new Driver()
        .start({ rooms: [{ id: ROOM, ...stored() }] })
        .establish()
        .queue("k1");
    driver.frame("message_sent", logged("k1", 1), "k1");
    assert.deepEqual([driver.seqs(), ticks(driver)], [[], [["k1", "sent"]]]);
    driver.sync([synced({ complete: true })]);
    assert.deepEqual([driver.seqs(), ticks(driver)], [[1], []]);
});

test("a stored acknowledgement is not sent again after a restart", () => {
    const entry = {
        n: 1,
        key: "k1",
        roomId: ROOM,
        body: { content: "k1" },
        afterSeq: 0,
        createdAt: 0,
        failure: null,
        sent: logged("k1", 1),
    };
    const driver = new Driver().start({ rooms: [{ id: ROOM, ...stored() }], outbox: [entry] }).establish();
    assert.deepEqual(sent(driver), []);
    driver.sync([synced({ complete: true, seq: 1, messages: [logged("k1", 1)] })]);
    assert.deepEqual(ticks(driver), []);
});

test("an entry whose message arrives by a sync is done", () => {
    const driver = live().queue("k1");
    close(driver).advance(1000).establish();
    driver.sync([synced({ complete: true, seq: 1, messages: [logged("k1", 1)] })]);
    assert.deepEqual(ticks(driver), []);
});

test("no response within 30 s repeats the same message", () => {
    const driver = live().queue("k1").advance(30_000);
    assert.equal(sent(driver).length, 1);
    driver.advance(1000);
    assert.deepEqual(driver.frames[0], driver.frames[1]);
    driver.frame("message_sent", logged("k1", 1), "k1").advance(60_000);
    assert.equal(sent(driver).length, 2);
});

test("a broken connection repeats the message on the next one", () => {
    const driver = live().queue("k1");
    close(driver).advance(1000).establish();
    assert.deepEqual(sent(driver), ["k1", "k1"]);
    assert.equal(driver.frames[1].data.after_seq, 0);
});

test("entries of the store are sent after a restart", () => {
    const entry = {
        n: 7,
        key: "k7",
        roomId: ROOM,
        body: { content: "k7" },
        afterSeq: 3,
        createdAt: 0,
        failure: null,
        sent: null,
    };
    const driver = new Driver().start({ outbox: [entry] }).establish();
    assert.equal(driver.frames[0].data.after_seq, 3);
});

test("busy and internal repeat the message after their delay", () => {
    const driver = live().queue("k1");
    refuse(driver, "k1", "busy", 3).advance(2999);
    assert.equal(sent(driver).length, 1);
    driver.advance(1);
    refuse(driver, "k1", "internal").advance(1000);
    assert.equal(sent(driver).length, 3);
});

test("after a rate limit no room sends before the delay has passed", () => {
    const driver = live().queue("k1");
    refuse(driver, "k1", "rate_limited", 5).queue("k2", { roomId: OTHER_ROOM }).advance(4999);
    assert.deepEqual(sent(driver), ["k1"]);
    assert.equal(driver.state.limitedUntil, driver.now + 1);
    driver.advance(1);
    assert.deepEqual(sent(driver), ["k1", "k1", "k2"]);
    assert.equal(driver.state.limitedUntil, null);
});

test("a refused message does not hold up the next one, and can be sent again or discarded", () => {
    const driver = live().queue("k1").queue("k2");
    refuse(driver, "k1", "validation_failed");
    assert.deepEqual(driver.state.outbox[0].failure, {
        code: "validation_failed",
        detail: "validation_failed.",
    });
    assert.deepEqual(sent(driver), ["k1", "k2"]);
    driver.frame("message_sent", logged("k2", 1), "k2").event({ type: "retry", key: "k1" });
    assert.deepEqual(sent(driver), ["k1", "k2", "k1"]);
    refuse(driver, "k1", "validation_failed").event({ type: "discard", key: "k1" });
    assert.deepEqual(ticks(driver), []);
});

test("a message that is being sent cannot be discarded", () => {
    assert.equal(live().queue("k1").event({ type: "discard", key: "k1" }).state.outbox.length, 1);
});

test("position_too_old looks for the message, and does not send it twice", () => {
    const driver = live().queue("k1");
    refuse(driver, "k1", "position_too_old");
    const page = Array.from({ length: 50 }, (_, n) => message(1200 - n));
    driver.respond(`/chat/rooms/${ROOM}/messages?limit=50`, page);
    assert.match(driver.callsTo(`/chat/rooms/${ROOM}/messages`)[0].path, /before_seq=1151/);
    driver.respond(`/chat/rooms/${ROOM}/messages`, [logged("k1", 1150), message(1149)]);
    assert.deepEqual(sent(driver), ["k1"]);
    assert.deepEqual(ticks(driver), [["k1", "sent"]], "until the gap below it is closed");
});

test("position_too_old sends a message that is not in the log, from the current position", () => {
    const driver = live().queue("k1");
    refuse(driver, "k1", "position_too_old");
    // A message of another user with the same key is another message.
    driver.respond(`/chat/rooms/${ROOM}/messages`, [message(2), message(1, { client_message_id: "k1" })]);
    driver.frame("new_message", message(1));
    assert.deepEqual(sent(driver), ["k1", "k1"]);
});

test("a failed search is repeated by the next attempt", () => {
    const driver = live().queue("k1");
    refuse(driver, "k1", "position_too_old").respond(`/chat/rooms/${ROOM}/messages`, null).advance(1000);
    assert.deepEqual(sent(driver), ["k1", "k1"]);
});

test("if the WebSocket stays closed, messages go over HTTP", () => {
    const driver = live();
    close(driver).queue("k1");
    assert.deepEqual(driver.callsTo("/chat/messages"), [], "the next connection is tried first");
    for (let attempt = 0; attempt < 3; attempt += 1) {
        driver.advance(4000);
        const socket = driver.state.connection.next;
        if (socket !== null)
            driver.event({ type: "socket_closed", socket, wasOpen: false, reason: "closed" });
    }
    const [call] = driver.callsTo("/chat/messages");
    assert.deepEqual(call.body, { chat_room_id: ROOM, content: "k1", client_message_id: "k1", after_seq: 0 });
    driver.respond("/chat/messages", logged("k1", 1));
    assert.deepEqual([driver.seqs(), ticks(driver)], [[1], []]);
});

test("over HTTP, 429 holds up all rooms, 503 the room, and another 4xx is final", () => {
    for (const [status, limited] of [
        [429, true],
        [503, false],
        [422, false],
    ]) {
        const driver = live();
        close(driver);
        for (let attempt = 0; attempt < 3; attempt += 1) {
            driver.advance(4000);
            const socket = driver.state.connection.next;
            if (socket !== null)
                driver.event({ type: "socket_closed", socket, wasOpen: false, reason: "closed" });
        }
        driver.queue("k1");
        const problem = { code: "rate_limited", detail: "Too often." };
        driver.respond("/chat/messages", problem, { status, retryAfter: 9 });
        assert.equal(driver.state.limitedUntil !== null, limited);
        assert.equal(driver.state.outbox[0].failure !== null, status === 422);
    }
});

test("a room that no longer exists closes; its texts stay as a draft, and the user is told", () => {
    const driver = live();
    driver.event({ type: "draft", roomId: ROOM, text: "unfinished" }).queue("k1").queue("k2");
    driver.event({ type: "draft", roomId: ROOM, text: "unfinished" });
    refuse(driver, "k1", "not_found");
    assert.equal(driver.callsTo("/chat/sync")[0].body.only_named, true);
    driver.sync([], { left: [ROOM] });
    assert.deepEqual([driver.state.rooms.has(ROOM), ticks(driver)], [false, []]);
    assert.equal(driver.state.drafts.get(ROOM), "k1\nk2\nunfinished");
    const [notice] = driver.state.notices;
    assert.deepEqual([notice.roomId, notice.title, notice.unsent], [ROOM, "ben", ["k1", "k2", "unfinished"]]);
    assert.equal(driver.event({ type: "dismiss", id: notice.id }).state.notices.length, 0);
});

test("a room that still exists keeps its messages after a 404", () => {
    const driver = live().queue("k1");
    refuse(driver, "k1", "not_found").sync([synced({ complete: true })]);
    assert.deepEqual(ticks(driver), [["k1", "failed"]]);
});

test("queueing a message ends the draft of its room", () => {
    const driver = live().event({ type: "draft", roomId: ROOM, text: "k1" }).queue("k1");
    assert.equal(driver.state.drafts.has(ROOM), false);
    assert.deepEqual(driver.of("persist").at(-1).changes.drafts, [[ROOM, null]]);
});

function stored() {
    const { room, seq, rev } = synced();
    return { seq, rev, room, others: null, readSeq: 0, hasAll: true, unread: { seq: 0, count: 0 } };
}
