import assert from "node:assert/strict";
import { test } from "node:test";

import { BEN, Driver, OTHER_ROOM, ROOM, message, participant, room, synced } from "./driver.js";

test("a client without rooms sends none, and is live after a complete sync", () => {
    const driver = new Driver().start().establish();
    assert.deepEqual(driver.callsTo("/chat/sync")[0].body, { rooms: {}, cursor: null });
    assert.equal(driver.state.connection.status, "catching_up");
    driver.sync([synced()]);
    assert.equal(driver.state.connection.status, "live");
});

test("the sync waits for connection_established", () => {
    const driver = new Driver().start();
    driver.event({ type: "socket_open", socket: driver.state.connection.next, expiresAt: null });
    assert.equal(driver.callsTo("/chat/sync").length, 0);
});

test("pages follow until the sync is complete", () => {
    const driver = new Driver().start().establish();
    driver.sync([synced()], { complete: false, next_cursor: ROOM });
    const [call] = driver.callsTo("/chat/sync");
    assert.deepEqual(call.body, { rooms: {}, cursor: ROOM }, "rooms above the cursor only");
    assert.equal(driver.state.connection.status, "catching_up");
    driver.sync([synced({ room: { id: OTHER_ROOM } })]);
    assert.equal(driver.state.rooms.size, 2);
});

test("a call names the 500 rooms with the lowest ids above the cursor", () => {
    const ids = Array.from(
        { length: 700 },
        (_, n) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
    );
    const rooms = ids.map((id) => synced({ room: { id } }));
    const driver = new Driver().start().establish().sync(rooms);
    driver.event({
        type: "socket_closed",
        socket: driver.state.connection.socket,
        wasOpen: true,
        reason: "closed",
    });
    driver.advance(1000).establish();
    assert.deepEqual(Object.keys(driver.callsTo("/chat/sync")[0].body.rooms), ids.slice(0, 500));
    driver.sync([], { complete: false, next_cursor: ids[99] });
    assert.deepEqual(Object.keys(driver.callsTo("/chat/sync")[0].body.rooms), ids.slice(100, 600));
});

test("a failed call is repeated before any other step, after Retry-After", () => {
    const driver = new Driver().start().establish();
    driver.respond("/chat/sync", { code: "busy" }, { status: 503, retryAfter: 7 });
    driver.advance(6999);
    assert.equal(driver.callsTo("/chat/sync").length, 0);
    driver.advance(1);
    driver.respond("/chat/sync", null);
    assert.equal(driver.callsTo("/chat/sync").length, 0);
    driver.advance(2000);
    assert.equal(driver.callsTo("/chat/sync").length, 1);
});

test("frames wait for the sync, and are applied in their order", () => {
    const driver = new Driver().start().establish();
    driver.frame("new_message", message(1)).frame("new_message", message(2));
    assert.equal(driver.state.rooms.size, 0);
    driver.sync([synced({ seq: 1 })]);
    assert.deepEqual(driver.seqs(), [2]);
    assert.equal(driver.state.rooms.get(ROOM).seq, 2);
});

test("a complete room adds messages and replaces changed ones", () => {
    const driver = new Driver().live([synced({ seq: 0 })]);
    driver.frame("new_message", message(1));
    driver.event({
        type: "socket_closed",
        socket: driver.state.connection.socket,
        wasOpen: true,
        reason: "closed",
    });
    driver.advance(1000).establish();
    assert.deepEqual(driver.callsTo("/chat/sync")[0].body.rooms[ROOM], { seq: 1, rev: 0 });
    const changed = [message(1, { content: "edited", rev: 1 })];
    driver.sync([synced({ complete: true, seq: 2, rev: 1, messages: [message(2)], changed })]);
    const stored = driver.state.rooms.get(ROOM);
    assert.deepEqual(
        stored.messages.map((it) => it.content),
        ["edited", "message 2"],
    );
    assert.deepEqual([stored.seq, stored.rev], [2, 1]);
});

test("a room that the sync does not complete is stored anew, and loads its history if it was shown", () => {
    const driver = new Driver().live();
    driver.frame("new_message", message(1));
    driver.event({
        type: "socket_closed",
        socket: driver.state.connection.socket,
        wasOpen: true,
        reason: "closed",
    });
    driver.advance(1000).establish();
    driver.sync([synced({ seq: 900, rev: 3 })]);
    assert.deepEqual(driver.seqs(), []);
    assert.equal(
        driver.callsTo(`/chat/rooms/${ROOM}/messages`)[0].path.split("?")[1],
        "limit=50&before_seq=901",
    );
    driver.respond(`/chat/rooms/${ROOM}/messages`, [message(900), message(899)]);
    assert.deepEqual(driver.seqs(), [899, 900]);
    assert.equal(driver.state.connection.status, "live");
});

test("a room of which the history returns 404 is deleted, and the sync is repeated", () => {
    const driver = new Driver().live();
    driver.frame("new_message", message(1));
    driver.event({
        type: "socket_closed",
        socket: driver.state.connection.socket,
        wasOpen: true,
        reason: "closed",
    });
    driver
        .advance(1000)
        .establish()
        .sync([synced({ seq: 900 })]);
    driver.respond(`/chat/rooms/${ROOM}/messages`, { code: "not_found" }, { status: 404 });
    assert.equal(driver.state.rooms.size, 0);
    assert.deepEqual(driver.callsTo("/chat/sync")[0].body.rooms, {});
});

test("rooms that the user has left are deleted", () => {
    const driver = new Driver().live();
    driver.frame("room_created", room({ id: OTHER_ROOM }));
    driver.sync([], { left: [ROOM] });
    assert.equal(driver.state.rooms.size, 0);
});

test("frames that overtake each other close their gap without a sync", () => {
    const driver = new Driver().live();
    driver
        .frame("new_message", message(2))
        .frame("message_updated", message(2, { rev: 1, content: "edited" }));
    assert.deepEqual(driver.seqs(), []);
    driver.frame("new_message", message(1));
    assert.deepEqual(driver.seqs(), [1, 2]);
    assert.equal(driver.state.rooms.get(ROOM).rev, 1);
    driver.advance(10_000);
    assert.equal(driver.callsTo("/chat/sync").length, 0);
});

test("a gap that stays open leads to one sync of its room", () => {
    const driver = new Driver().live([synced(), synced({ room: { id: OTHER_ROOM } })]);
    driver.frame("new_message", message(3)).frame("new_message", message(4));
    driver.advance(999);
    assert.equal(driver.callsTo("/chat/sync").length, 0);
    driver.advance(1);
    const calls = driver.callsTo("/chat/sync");
    assert.equal(calls.length, 1);
    assert.deepEqual(calls[0].body, {
        rooms: { [ROOM]: { seq: 0, rev: 0 } },
        cursor: null,
        only_named: true,
    });
    assert.equal(driver.state.connection.status, "live");
    driver.frame("new_message", message(1, { chat_room_id: OTHER_ROOM }));
    assert.deepEqual(driver.seqs(OTHER_ROOM), [1], "other rooms do not wait");
    driver.sync([synced({ complete: true, seq: 3, messages: [message(1), message(2), message(3)] })]);
    assert.deepEqual(driver.seqs(), [1, 2, 3, 4]);
    assert.equal(driver.callsTo("/chat/sync").length, 0);
});

test("a frame about an unknown room leads to a sync of all rooms", () => {
    const driver = new Driver().live([]);
    driver.frame("new_message", message(1));
    assert.deepEqual(driver.callsTo("/chat/sync")[0].body, { rooms: {}, cursor: null });
});

test("the own removal deletes a room, and a sync in progress is followed by another", () => {
    const driver = new Driver().live();
    driver.frame("room_created", room({ id: OTHER_ROOM }));
    driver.frame("participant_left", {
        chat_room_id: ROOM,
        rev: 1,
        user_id: driver.state.me,
        participant_count: 1,
    });
    driver.sync([synced({ complete: true })]);
    assert.equal(driver.state.rooms.size, 0);
    assert.equal(driver.callsTo("/chat/sync").length, 1);
});

test("an open room of which a list shows only some participants loads all of them", () => {
    const driver = new Driver();
    driver.event({ type: "view", tab: "t", rooms: [ROOM], isVisible: true });
    driver.start();
    driver.event({ type: "view", tab: "t", rooms: [ROOM], isVisible: true });
    driver.establish().sync([synced({ room: { participant_count: 3, is_group: true } })]);
    assert.equal(driver.state.connection.status, "catching_up");
    const third = participant("00000000-0000-4000-8000-00000000000c");
    const all = [participant(BEN), third, participant(driver.state.me)];
    driver.respond(`/chat/rooms/${ROOM}`, room({ participants: all, participant_count: 3, is_group: true }));
    assert.equal(driver.state.rooms.get(ROOM).room.participants.length, 3);
    assert.equal(driver.state.connection.status, "live");
});
