import assert from "node:assert/strict";
import { test } from "node:test";

import { Views } from "../../engine/view.js";
import { ANA, BEN, Driver, OTHER_ROOM, ROOM, START, message, participant, room, synced } from "./driver.js";

const CLEO = "00000000-0000-4000-8000-00000000000c";

/** @param {Driver} driver @param {string} [id] */
const view = (driver, id = ROOM, views = new Views()) => views.room(driver.state, id, driver.now);
const open = (driver, rooms = [ROOM]) => driver.event({ type: "view", tab: "t", rooms, isVisible: true });
const own = (seq, fields = {}) => message(seq, { sender_id: ANA, ...fields });
const ticks = (driver) => view(driver).messages.map((it) => it.tick);

test("a message is read when all others have read it, and delivered when all have received it", () => {
    const participants = [participant(BEN), participant(CLEO), participant(ANA)];
    const driver = new Driver().live([
        synced({ room: { participants, participant_count: 3, is_group: true } }),
    ]);
    for (const seq of [1, 2, 3]) driver.frame("new_message", own(seq));
    const receipt = (kind, user_id, seq) =>
        driver.frame(`message_${kind}_receipt`, { chat_room_id: ROOM, user_id, seq });
    receipt("read", BEN, 2);
    assert.deepEqual(ticks(driver), ["sent", "sent", "sent"]);
    receipt("delivered", CLEO, 3);
    assert.deepEqual(ticks(driver), ["delivered", "delivered", "sent"]);
    receipt("read", CLEO, 1);
    assert.deepEqual(ticks(driver), ["read", "delivered", "sent"]);
});

test("withheld read positions count as unread, in both directions", () => {
    for (const withholding of [BEN, ANA]) {
        const participants = [BEN, ANA].map((id) => participant(id, { read_receipts: id !== withholding }));
        const driver = new Driver().live([synced({ room: { participants } })]).frame("new_message", own(1));
        driver.frame("message_read_receipt", { chat_room_id: ROOM, user_id: BEN, seq: 1 });
        assert.deepEqual(ticks(driver), ["delivered"]);
    }
});

test("in a group of which only some participants are known, the positions of the sync count", () => {
    const participants = [participant(BEN, { read_seq: 9 }), participant(ANA)];
    const of = { participants, participant_count: 20, is_group: true };
    const messages = [own(1), own(2), own(3)];
    const others = { others_read_seq: 1, others_delivered_seq: 2 };
    const driver = new Driver().live([synced({ seq: 3, room: of, messages, ...others })]);
    assert.deepEqual(ticks(driver), ["read", "delivered", "sent"]);
});

test("queued, sending, failed: the outbox follows the log, with stable keys", () => {
    const driver = new Driver().live().frame("new_message", message(1)).queue("k1").queue("k2");
    assert.deepEqual(ticks(driver), [null, "sending", "queued"]);
    assert.deepEqual(
        view(driver).messages.map((it) => it.key),
        ["m1", "k1", "k2"],
    );
    driver.frame("error", { code: "validation_failed", message: "Too long.", retry_after: null }, "k1");
    assert.deepEqual(ticks(driver), [null, "failed", "sending"]);
    assert.deepEqual(view(driver).messages[1].failure, { code: "validation_failed", detail: "Too long." });
    driver.frame("message_sent", own(2, { client_message_id: "k2" }), "k2");
    assert.deepEqual(
        view(driver).messages.map((it) => it.key),
        ["m1", "k2", "k1"],
    );
});

test("messages above a gap are not shown before it closes", () => {
    const state = {
        seq: 1,
        rev: 0,
        room: room(),
        others: null,
        readSeq: 0,
        hasAll: true,
        unread: { seq: 0, count: 0 },
    };
    const driver = new Driver().start({
        rooms: [{ id: ROOM, ...state }],
        messages: [message(1), message(3)],
    });
    assert.deepEqual(
        view(driver).messages.map((it) => it.seq),
        [1],
    );
});

test("system messages and deleted ones are not unread; those not stored count as the service says", () => {
    const unread = (driver) => view(driver).row.unread;
    const driver = new Driver().live();
    driver.frame("new_message", message(1)).frame("new_message", message(2, { message_type: "system" }));
    driver.frame("new_message", message(3, { is_deleted: true })).frame("new_message", message(4));
    assert.equal(unread(driver), 2);
    const large = new Driver().live([synced({ seq: 1000, room: { unread_count: 40 } })]);
    large.frame("new_message", message(1001)).frame("new_message", message(1002, { message_type: "system" }));
    assert.equal(unread(large), 41);
    large.frame("message_read_receipt", { chat_room_id: ROOM, user_id: ANA, seq: 1000 });
    assert.equal(unread(large), 1);
});

test("the line above the unread messages stays while the room is open", () => {
    const driver = new Driver().live().frame("new_message", message(1)).frame("new_message", message(2));
    open(driver);
    assert.deepEqual([view(driver).row.unread, view(driver).firstUnreadSeq], [0, 1]);
    driver.frame("new_message", message(3));
    assert.equal(view(driver).firstUnreadSeq, 1);
    open(open(driver, []));
    assert.equal(view(driver).firstUnreadSeq, null);
});

test("a reply shows the stored version of the message that it replies to", () => {
    const reply_to = {
        id: "m1",
        sender_id: BEN,
        sender_username: "ben",
        message_type: "text",
        content: "old",
        is_deleted: false,
    };
    const driver = new Driver().live().frame("new_message", message(1, { content: "old" }));
    driver.frame("new_message", message(2, { reply_to_id: "m1", reply_to }));
    driver.frame("message_updated", message(1, { rev: 1, content: "n".repeat(120) }));
    assert.equal(view(driver).messages[1].reply_to?.content, "n".repeat(100));
});

test("a change is shown at once, and taken back", () => {
    const driver = new Driver().live().frame("new_message", message(1));
    const shown = () => view(driver).messages[0];
    const action = (key, change) => driver.event({ type: "action", key, change });
    action("a", { roomId: ROOM, seq: 1, message: { content: "new", is_edited: true } });
    action("b", { roomId: ROOM, seq: 1, reaction: { emoji: "👍", isAdded: true } });
    action("c", { roomId: ROOM, seq: 1, pin: { id: "m1", isPinned: true } });
    action("d", { roomId: ROOM, seq: null, settings: { is_archived: true } });
    assert.deepEqual([shown().content, shown().reactions], ["new", [{ emoji: "👍", count: 1, mine: true }]]);
    assert.deepEqual([view(driver).pins, view(driver).row.isArchived], [["m1"], true]);
    for (const key of ["a", "b", "c", "d"]) action(key, null);
    assert.deepEqual([shown().content, shown().reactions], ["message 1", []]);
    assert.deepEqual([view(driver).pins, view(driver).row.isArchived], [[], false]);
});

test("rooms are sorted by pin and newest activity; muted ones do not count in the total", () => {
    const settings = { muted_until: null, is_pinned: false, is_archived: false, theme: null, version: 1 };
    const rooms = [
        synced({ room: { id: ROOM } }),
        synced({
            room: { id: OTHER_ROOM, settings: { ...settings, muted_until: "2999-01-01T00:00:00.000Z" } },
        }),
        synced({ room: { id: CLEO, settings: { ...settings, is_pinned: true } } }),
    ];
    const driver = new Driver().live(rooms).frame("new_message", message(1));
    driver.frame(
        "new_message",
        message(1, { chat_room_id: OTHER_ROOM, created_at: "2026-01-31T10:00:00.000Z" }),
    );
    const all = new Views().all(driver.state, driver.now);
    assert.deepEqual(
        all.rooms.map((row) => row.id),
        [CLEO, OTHER_ROOM, ROOM],
    );
    assert.equal(all.unreadTotal, 1);
});

test("a participant is shown under the present name, a former one under that of the message", () => {
    const driver = new Driver().live();
    driver
        .frame("new_message", message(1))
        .frame("new_message", message(2, { sender_id: CLEO, sender_username: "cleo" }));
    const names = () => view(driver).messages.map((it) => it.senderName);
    assert.deepEqual(names(), ["ben", "cleo"]);
    const participants = [participant(BEN, { display_name: "Ben B." })];
    driver.frame("participant_updated", { chat_room_id: ROOM, rev: 1, participants });
    assert.deepEqual(names(), ["Ben B.", "cleo"]);
});

test("what has not changed is the same object", () => {
    const views = new Views();
    const driver = new Driver()
        .live([synced(), synced({ room: { id: OTHER_ROOM } })])
        .frame("new_message", message(1));
    const [before, other] = [view(driver, ROOM, views), view(driver, OTHER_ROOM, views)];
    driver.frame("new_message", message(2));
    const after = view(driver, ROOM, views);
    assert.notEqual(after, before);
    assert.equal(after.messages[0], before.messages[0]);
    assert.equal(view(driver, OTHER_ROOM, views), other);
});

test("a direct room has the name of the other, a group its own or those of the others", () => {
    const named = [participant(BEN, { display_name: "Ben B." }), participant(ANA)];
    const title = (fields) => view(new Driver().live([synced({ room: fields })])).row.title;
    assert.equal(title({ participants: named }), "Ben B.");
    assert.equal(title({ is_group: true, name: "Gym" }), "Gym");
    const three = [...named, participant(CLEO, { username: "cleo" })];
    assert.equal(title({ is_group: true, participants: three, participant_count: 3 }), "Ben B., cleo");
    assert.equal(
        title({ is_group: true, participants: [participant(ANA)], participant_count: 1 }),
        "Only you",
    );
});

test("a room that opens loads its newest messages, older ones follow on demand", () => {
    const driver = open(new Driver().live([synced({ seq: 80 })]));
    const path = `/chat/rooms/${ROOM}/messages`;
    assert.match(driver.callsTo(path)[0].path, /before_seq=81$/);
    assert.equal(view(driver).isLoadingOlder, true);
    driver.respond(
        path,
        Array.from({ length: 50 }, (_, n) => message(80 - n)),
    );
    assert.deepEqual([view(driver).messages.length, view(driver).hasOlder], [50, true]);
    driver.event({ type: "load_older", roomId: ROOM }).event({ type: "load_older", roomId: ROOM });
    assert.equal(driver.callsTo(path).length, 1);
    driver.respond(path, null);
    assert.equal(view(driver).olderError, "Could not load older messages.");
    driver.event({ type: "load_older", roomId: ROOM });
    driver.respond(
        path,
        Array.from({ length: 30 }, (_, n) => message(30 - n)),
    );
    assert.deepEqual(
        [view(driver).messages.length, view(driver).hasOlder, view(driver).olderError],
        [80, false, null],
    );
});

test("an older page does not apply to a log that has been replaced meanwhile", () => {
    const driver = open(new Driver().live([synced({ seq: 80 })]));
    const [older] = driver.callsTo(`/chat/rooms/${ROOM}/messages`);
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
    const page = Array.from({ length: 50 }, (_, n) => message(80 - n));
    driver.event({ type: "http", id: older.id, response: { status: 200, body: page, retryAfter: null } });
    assert.deepEqual([driver.seqs(), view(driver).isLoadingOlder], [[], false]);
});

test("a room that is open before it is stored loads its messages when it is", () => {
    const driver = open(new Driver().live([]));
    const body = room({ seq: 5 });
    driver.event({ type: "response", request: { method: "POST", path: "/chat/rooms" }, body });
    assert.match(driver.callsTo(`/chat/rooms/${ROOM}/messages`)[0].path, /before_seq=6$/);
    assert.deepEqual(driver.callsTo("/chat/sync")[0].body.rooms, { [ROOM]: { seq: 5, rev: 0 } });
});

test("a change that arrives while an older page is loaded is not lost", () => {
    const driver = open(new Driver().live([synced({ seq: 3 })]));
    driver.frame("message_updated", message(2, { rev: 1, content: "new" }));
    driver.frame("message_deleted", message(3, { rev: 2, content: "", is_deleted: true }));
    driver.respond(`/chat/rooms/${ROOM}/messages`, [message(3), message(2), message(1)]);
    assert.deepEqual(
        view(driver).messages.map((it) => it.content),
        ["message 1", "new", ""],
    );
    assert.equal(driver.state.rooms.get(ROOM).rev, 2);
});

test("the preview of a room that was never opened follows changes of its newest message", () => {
    const last_message = message(9, { content: "old" });
    const driver = new Driver().live([synced({ seq: 9, room: { last_message } })]);
    driver.frame("message_updated", message(9, { rev: 1, content: "new" }));
    assert.equal(view(driver).row.preview?.content, "new");
    assert.deepEqual(driver.seqs(), []);
});

test("a closed room keeps its newest 500 messages, an open one all", () => {
    const driver = open(new Driver().live([synced({ seq: 600 })]));
    const path = `/chat/rooms/${ROOM}/messages`;
    driver.respond(
        path,
        Array.from({ length: 50 }, (_, n) => message(600 - n)),
    );
    for (let newest = 550; newest > 0; newest -= 50) {
        driver.event({ type: "load_older", roomId: ROOM });
        driver.respond(
            path,
            Array.from({ length: 50 }, (_, n) => message(newest - n)),
        );
    }
    assert.equal(driver.seqs().length, 600);
    open(driver, []);
    assert.deepEqual([driver.seqs().length, driver.seqs()[0], view(driver).hasOlder], [500, 101, true]);
    assert.equal(driver.of("persist").at(-1).changes.deletedMessages.length, 100);
});

test("a stored state is shown before the connection", () => {
    const state = {
        seq: 1,
        rev: 0,
        room: room(),
        others: null,
        readSeq: 0,
        hasAll: true,
        unread: { seq: 0, count: 0 },
    };
    const stored = { rooms: [{ id: ROOM, ...state }], messages: [message(1)], drafts: [[ROOM, "Hi"]] };
    const all = new Views().all(new Driver().start(stored).state, START);
    assert.deepEqual(
        [all.isLoaded, all.rooms[0].preview?.content, all.rooms[0].draft],
        [true, "message 1", "Hi"],
    );
});
