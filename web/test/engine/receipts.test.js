import assert from "node:assert/strict";
import { test } from "node:test";

import { ANA, BEN, Driver, OTHER_ROOM, ROOM, message, participant, synced } from "./driver.js";

/** The receipts sent, such as "delivered 3". @param {Driver} driver */
const receipts = (driver) =>
    driver.frames
        .filter((it) => ["message_read", "message_delivered"].includes(it.type))
        .map((it) => `${it.type.slice(8)} ${it.data.seq}`);

/** Opens the room in a tab. @param {Driver} driver @param {boolean} [isVisible] */
const open = (driver, isVisible = true) => driver.event({ type: "view", tab: "t", rooms: [ROOM], isVisible });

test("a message is delivered after the store contains it", () => {
    const driver = new Driver().live();
    driver.isStoring = false;
    driver.frame("new_message", message(1));
    assert.deepEqual(receipts(driver), []);
    driver.event({ type: "persisted", positions: [[ROOM, 1]] });
    assert.deepEqual(receipts(driver), ["delivered 1"]);
});

test("at most one receipt a second and room, for the highest position", () => {
    const driver = new Driver().live();
    for (const seq of [1, 2, 3, 4]) driver.frame("new_message", message(seq));
    assert.deepEqual(receipts(driver), ["delivered 1"]);
    driver.advance(1000);
    assert.deepEqual(receipts(driver), ["delivered 1", "delivered 4"]);
    driver.advance(60_000);
    assert.equal(receipts(driver).length, 2);
});

test("an open room in a visible tab is read, and reading implies delivery", () => {
    const driver = open(new Driver().live()).frame("new_message", message(1));
    assert.deepEqual(receipts(driver), ["read 1"]);
    assert.equal(driver.state.rooms.get(ROOM).readSeq, 1);
});

test("an open room in a hidden tab is read when the tab is shown", () => {
    const driver = open(new Driver().live(), false).frame("new_message", message(1));
    assert.deepEqual(receipts(driver), ["delivered 1"]);
    open(driver, true);
    assert.deepEqual(receipts(driver), ["delivered 1", "read 1"]);
});

test("a position that the service knows is not reported again", () => {
    const participants = [participant(BEN), participant(ANA, { read_seq: 5, delivered_seq: 5 })];
    const driver = new Driver().live([synced({ seq: 5, room: { participants } })]);
    open(driver);
    assert.deepEqual(receipts(driver), []);
});

test("what was read without a connection is reported on the next one", () => {
    const driver = open(new Driver().live()).frame("new_message", message(1));
    driver.event({
        type: "socket_closed",
        socket: driver.state.connection.socket,
        wasOpen: true,
        reason: "closed",
    });
    driver
        .advance(1000)
        .establish()
        .sync([synced({ complete: true, seq: 1 })]);
    assert.deepEqual(receipts(driver), ["read 1", "read 1"], "the first one may be lost");
});

test("a receipt over the rate limit is sent again after the delay", () => {
    const driver = new Driver().live().frame("new_message", message(1));
    driver
        .frame("error", { code: "rate_limited", message: "", retry_after: 4 }, `receipt:${ROOM}`)
        .advance(3999);
    assert.equal(receipts(driver).length, 1);
    driver.advance(1);
    assert.equal(receipts(driver).length, 2);
});

test("typing_start at once and then every three seconds, typing_stop once", () => {
    const driver = new Driver().live();
    const typed = () => driver.frames.map((it) => it.type).filter((type) => type.startsWith("typing"));
    const type = (isTyping) => driver.event({ type: "typing", roomId: ROOM, isTyping });
    type(true).advance(1000);
    type(true).advance(2000);
    assert.deepEqual(typed(), ["typing_start"]);
    type(true);
    assert.deepEqual(typed(), ["typing_start", "typing_start"]);
    type(false);
    type(false);
    assert.deepEqual(typed(), ["typing_start", "typing_start", "typing_stop"]);
});

test("an indicator ends after six seconds, after a stop, and after a message", () => {
    const start = { chat_room_id: ROOM, user_id: BEN, username: "ben", is_typing: true };
    const isShown = (driver) => driver.state.typing.has(ROOM);
    const driver = new Driver().live().frame("typing_indicator", start).advance(5000);
    driver.frame("typing_indicator", start).advance(5999);
    assert.equal(isShown(driver), true);
    assert.equal(isShown(driver.advance(1)), false);
    driver.frame("typing_indicator", start).frame("typing_indicator", { ...start, is_typing: false });
    assert.equal(isShown(driver), false);
    driver.frame("typing_indicator", start).frame("new_message", message(1));
    assert.equal(isShown(driver), false);
});

test("a notification is for messages of others, while no tab is visible, in rooms that are not muted", () => {
    const settings = {
        muted_until: "2999-01-01T00:00:00.000Z",
        is_pinned: false,
        is_archived: false,
        theme: null,
        version: 1,
    };
    const muted = synced({ room: { id: OTHER_ROOM, settings } });
    const driver = open(new Driver().live([synced(), muted]), false);
    driver.frame("new_message", message(1, { sender_id: ANA }));
    driver.frame("new_message", message(2, { message_type: "system" }));
    driver.frame("new_message", message(1, { chat_room_id: OTHER_ROOM }));
    assert.equal(driver.of("notify").length, 0);
    driver.frame("new_message", message(3));
    assert.equal(driver.of("notify").length, 1);
    open(driver).frame("new_message", message(4));
    assert.equal(driver.of("notify").length, 1);
});
