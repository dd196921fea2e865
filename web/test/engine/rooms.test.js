import assert from "node:assert/strict";
import { test } from "node:test";

import { takeFrame, takeHistory, takeRoom, takeRoomSync, takeUnchanged } from "../../engine/rooms.js";
import { ANA, BEN, ROOM, message, participant, room, synced } from "./driver.js";

/** A stored room with messages 1 to `seq`. */
function stored({ seq = 3, rev = 0, ...fields } = {}) {
    const messages = Array.from({ length: seq }, (_, n) => message(n + 1));
    const state = takeRoomSync(undefined, synced({ seq, rev, messages, room: { rev, ...fields } }));
    assert.ok(state);
    return state;
}

/** Takes a frame, and leaves the state before it unchanged. */
function take(state, type, data) {
    const before = structuredClone(state);
    const taken = takeFrame(state, { type, data: { chat_room_id: ROOM, ...data } }, ANA);
    assert.deepEqual(state, before);
    return taken;
}

const posts = (state) => state.messages.map((it) => `${it.seq} ${it.content}`);

test("the next message advances seq, a known one does not, and one above a gap reports it", () => {
    const next = take(stored(), "new_message", message(4));
    assert.deepEqual([next.room.seq, next.hasGap], [4, false]);
    const known = take(next.room, "new_message", message(4));
    assert.deepEqual([known.room.seq, known.hasGap, known.room.messages.length], [4, false, 4]);
    assert.equal(take(next.room, "new_message", message(6)).hasGap, true);
});

test("a message below the stored part of the log is not stored by a frame", () => {
    const state = { ...stored(), messages: [message(3)] };
    assert.deepEqual(posts(take(state, "new_message", message(1)).room), ["3 message 3"]);
});

test("a sender has read the messages up to their own", () => {
    const { room: after } = take(stored(), "new_message", message(4));
    const ben = after.room.participants.find((it) => it.user_id === BEN);
    assert.deepEqual([ben.read_seq, ben.delivered_seq], [4, 4]);
});

test("a change of a message applies only above the revision of the message", () => {
    const edited = take(stored(), "message_updated", message(2, { rev: 1, content: "new" })).room;
    assert.deepEqual([edited.messages[1].content, edited.rev], ["new", 1]);
    const older = take(edited, "message_updated", message(2, { rev: 1, content: "other" })).room;
    assert.equal(older.messages[1].content, "new");
    const history = takeHistory(edited, [message(2)]);
    assert.equal(history.messages[1].content, "new", "an older page does not replace it");
});

test("above a gap, an edit applies, and a reaction does not", () => {
    const edit = take(stored(), "message_updated", message(2, { rev: 3, content: "new" }));
    assert.deepEqual([edit.hasGap, edit.room.rev, edit.room.messages[1].content], [true, 0, "new"]);
    const data = { message_id: "m2", seq: 2, rev: 3, reactions: [{ emoji: "👍", count: 1, mine: false }] };
    const reaction = take(stored(), "message_reaction", data);
    assert.deepEqual([reaction.hasGap, reaction.room.messages[1].reactions], [true, []]);
    assert.deepEqual(
        take(stored({ rev: 2 }), "message_reaction", data).room.messages[1].reactions,
        data.reactions,
    );
});

test("a change of a message above seq does not count as known", () => {
    const { room: state, hasGap } = take(stored(), "message_updated", message(4, { rev: 1 }));
    assert.deepEqual([state.rev, hasGap, state.seq], [0, true, 3]);
});

test("a deleted message is no longer pinned, also not by a later response", () => {
    const data = message(2, { rev: 1, is_deleted: true, content: "" });
    const state = take(stored({ pinned_message_ids: ["m2", "m3"] }), "message_deleted", data).room;
    assert.deepEqual(state.room.pinned_message_ids, ["m3"]);
    const older = room({ seq: 3, rev: 1, pinned_message_ids: ["m2", "m3"] });
    const again = takeRoomSync(state, synced({ complete: true, seq: 3, rev: 1, room: older }));
    assert.deepEqual(again?.room.pinned_message_ids, ["m3"]);
});

test("room data applies only above the revision of the room", () => {
    const details = {
        avatar_url: null,
        description: null,
        history_visibility: "joined",
        pinned_message_ids: [],
    };
    const renamed = take(stored(), "room_updated", { rev: 1, name: "Gym", ...details }).room;
    assert.deepEqual([renamed.room.name, renamed.rev], ["Gym", 1]);
    assert.equal(take(renamed, "room_updated", { rev: 1, name: "Old", ...details }).room.room.name, "Gym");
    assert.equal(takeRoom(renamed, room({ rev: 0, name: "Old" })).room.name, "Gym", "an older response");
    assert.equal(takeRoom(renamed, room({ rev: 2, name: "New" })).room.name, "New");
    assert.equal(takeRoom(renamed, room({ rev: 2 })).rev, 1, "a response does not advance rev");
});

test("participants join, leave and hand over a group", () => {
    const cleo = participant("00000000-0000-4000-8000-00000000000c");
    const joined = take(stored(), "participant_joined", {
        rev: 1,
        participant: cleo,
        participant_count: 3,
    }).room;
    assert.equal(joined.room.participants.length, 3);
    const left = take(joined, "participant_left", {
        rev: 2,
        user_id: BEN,
        participant_count: 2,
        new_owner_id: cleo.user_id,
    }).room;
    const roles = left.room.participants.map((it) => [it.user_id, it.role]);
    assert.deepEqual(roles, [
        [ANA, "member"],
        [cleo.user_id, "owner"],
    ]);
    assert.equal(left.room.participant_count, 2);
});

test("an update of participants does not move read positions, and ignores unknown ones", () => {
    const state = take(stored(), "message_read_receipt", { user_id: BEN, seq: 3 }).room;
    const update = participant(BEN, { username: "benny", role: "admin", read_seq: 0, delivered_seq: 0 });
    const unknown = participant("00000000-0000-4000-8000-00000000000c");
    const after = take(state, "participant_updated", { rev: 1, participants: [update, unknown] }).room;
    const ben = after.room.participants.find((it) => it.user_id === BEN);
    assert.deepEqual([ben.username, ben.role, ben.read_seq, ben.delivered_seq], ["benny", "admin", 3, 3]);
    assert.equal(after.room.participants.length, 2);
});

test("receipts only advance, and reading implies delivery", () => {
    const read = take(stored(), "message_read_receipt", { user_id: BEN, seq: 5 }).room;
    const later = take(read, "message_delivered_receipt", { user_id: BEN, seq: 4 }).room;
    const ben = later.room.participants.find((it) => it.user_id === BEN);
    assert.deepEqual([ben.read_seq, ben.delivered_seq], [5, 5]);
    const response = takeRoom(later, room({ rev: 5 })).room.participants.find((it) => it.user_id === BEN);
    assert.deepEqual(
        [response?.read_seq, response?.delivered_seq],
        [5, 5],
        "nor does a response move them back",
    );
});

test("the settings with the highest version are kept", () => {
    const settings = (version, is_pinned) => ({
        muted_until: null,
        is_pinned,
        is_archived: false,
        theme: null,
        version,
    });
    const pinned = take(stored(), "room_settings_updated", { settings: settings(2, true) }).room;
    assert.equal(pinned.room.settings.is_pinned, true);
    const older = take(pinned, "room_settings_updated", { settings: settings(1, false) }).room;
    assert.equal(older.room.settings.is_pinned, true);
    assert.equal(takeRoom(older, room({ rev: 9 })).room.settings.is_pinned, true);
});

test("the own removal deletes the room, unless it is from an earlier membership", () => {
    const left = { rev: 2, user_id: ANA, participant_count: 1, new_owner_id: null };
    assert.equal(take(stored({ rev: 1 }), "participant_left", left).room, null);
    assert.notEqual(take(stored({ rev: 2 }), "participant_left", left).room, null);
    assert.equal(take(stored(), "room_deleted", {}).room, null);
});

test("a partial sync of a room that is no longer stored does not apply", () => {
    assert.equal(takeRoomSync(undefined, synced({ complete: true })), undefined);
});

test("an incomplete room replaces the stored one, but keeps what the user has read", () => {
    const state = { ...stored(), readSeq: 3 };
    const anew = takeRoomSync(state, synced({ seq: 900, rev: 7 }));
    assert.deepEqual(
        [anew?.messages, anew?.seq, anew?.rev, anew?.readSeq, anew?.hasAll],
        [[], 900, 7, 3, false],
    );
});

test("a changed message that is not stored changes only the previews of its replies", () => {
    const reply_to = {
        id: "m1",
        sender_id: BEN,
        sender_username: "ben",
        message_type: "text",
        content: "old",
        is_deleted: false,
    };
    const state = { ...stored(), messages: [message(3, { reply_to_id: "m1", reply_to })] };
    const changed = message(1, { rev: 1, content: "", is_deleted: true });
    const sync = takeRoomSync(state, synced({ complete: true, seq: 3, rev: 1, changed: [changed] }));
    const frame = take(state, "message_deleted", changed).room;
    for (const { messages } of [sync, frame]) {
        assert.deepEqual(
            messages.map((it) => it.seq),
            [3],
        );
        assert.deepEqual(messages[0].reply_to, { ...reply_to, content: "", is_deleted: true });
    }
    const late = take(frame, "message_updated", message(1, { rev: 1, content: "late" })).room;
    assert.equal(late.messages[0].reply_to.is_deleted, true);
});

test("an unchanged room takes receipts, the unread count and newer settings", () => {
    const cleo = "00000000-0000-4000-8000-00000000000c";
    const participants = [participant(BEN), participant(cleo), participant(ANA)];
    const state = stored({ seq: 9, participants, participant_count: 3 });
    const settings = { ...state.room.settings, is_pinned: true, version: 1 };
    const row = {
        id: ROOM,
        unread_count: 2,
        read_seq: 4,
        delivered_seq: 9,
        others_read_seq: 3,
        others_delivered_seq: 6,
        receipts: [{ user_id: cleo, read_seq: 3, delivered_seq: 8 }],
        settings,
    };
    const after = takeUnchanged(state, row, ANA);
    const positions = after.room.participants.map((it) => [it.read_seq, it.delivered_seq]);
    // Ben has sent the messages, so his positions do not move back.
    assert.deepEqual(positions, [
        [9, 9],
        [3, 8],
        [4, 9],
    ]);
    assert.deepEqual(
        [after.others, after.unread],
        [
            { read: 3, delivered: 6 },
            { seq: 9, count: 2 },
        ],
    );
    assert.equal(after.room.settings.is_pinned, true);
    assert.equal(takeUnchanged(after, { ...row, settings: null }, ANA).room.settings.is_pinned, true);
});

test("a frame about an unknown room is a gap", () => {
    assert.deepEqual(take(undefined, "message_read_receipt", {}), { room: undefined, hasGap: true });
});
