/**
 * Replays the traces of the simulated clients (`--test simulation -- --trace-clients FILE`): after each frame
 * and response, the engine shows what the client in Rust showed. `CLIENT_TRACES` names the file.
 */

import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";

import { withStoredPreview } from "../../engine/log.js";
import { roomOf, takeFrame, takeHistory, takeRoom, takeRoomSync, takeUnchanged } from "../../engine/rooms.js";
import { statusOf } from "../../engine/shown_log.js";
import { reached, unreadOf, visibleParticipants } from "../../engine/view.js";

/** The rooms of one client. */
class Client {
    /** @type {Map<string, any>} */
    rooms = new Map();

    constructor(me) {
        this.me = me;
    }

    #set(id, room) {
        if (room) this.rooms.set(id, room);
        else this.rooms.delete(id);
    }

    /** Takes an event, and checks what the client answered. */
    take(event) {
        if (event.frame) {
            const id = roomOf(event.frame);
            if (id === null) return;
            const { room, hasGap } = takeFrame(this.rooms.get(id), event.frame, this.me);
            this.#set(id, room);
            assert.equal(hasGap, event.has_gap, "whether a frame was missed");
        } else if (event.sync) {
            for (const id of event.sync.left) this.rooms.delete(id);
            for (const synced of event.sync.rooms) {
                const room = takeRoomSync(this.rooms.get(synced.room.id), synced);
                if (room) this.rooms.set(synced.room.id, room);
            }
            for (const row of event.sync.unchanged ?? []) {
                const room = this.rooms.get(row.id);
                if (room) this.rooms.set(row.id, takeUnchanged(room, row, this.me));
            }
            const unloaded = event.sync.rooms.filter((synced) => !synced.complete);
            assert.deepEqual(
                unloaded.map((synced) => synced.room.id),
                event.unloaded,
            );
        } else if (event.history) {
            const room = this.rooms.get(event.room);
            if (room) this.rooms.set(event.room, takeHistory(room, event.history));
        } else if (event.details) {
            const room = this.rooms.get(event.details.id);
            if (room) this.rooms.set(event.details.id, takeRoom(room, event.details));
        }
    }

    /** What the client shows of a room, in the form of the trace. */
    shown(id) {
        const stored = this.rooms.get(id);
        if (!stored) return null;
        const byId = new Map(stored.messages.map((message) => [message.id, message]));
        // The simulated clients load all participants, so they do not need the positions of the sync.
        const to = reached({ ...stored, others: null }, this.me);
        const messages = stored.messages.map((message) => {
            const shown = withStoredPreview(message, byId);
            return { ...shown, status: statusOf(message, to, this.me) };
        });
        const { seq, rev } = stored;
        const participants = visibleParticipants(stored.room, this.me)
            .map((it) => ({ ...it, last_read_at: null, is_online: null, last_seen: null }))
            .sort((a, b) => (a.user_id < b.user_id ? -1 : 1));
        const newest = messages.at(-1);
        const last_message = newest ? preview(newest) : null;
        const unread_count = unreadOf(stored, this.me);
        return { room: { ...stored.room, seq, rev, participants, last_message, unread_count }, messages };
    }

    /** Whether the messages that count as unread are stored. */
    hasUnread(id) {
        const { messages, room } = this.rooms.get(id);
        const own = room.participants.find((participant) => participant.user_id === this.me);
        return messages.length > 0 && messages[0].seq <= (own?.read_seq ?? 0) + 1;
    }
}

/** A message as a list of rooms shows it. */
function preview(message) {
    const content = [...message.content].slice(0, 280).join("");
    return { ...message, content, payload: message.message_type === "system" ? message.payload : null };
}

/** Applies the changes of what a client shows. */
function applyShown(expected, changes) {
    for (const [id, room] of Object.entries(changes)) {
        if (room === null) {
            expected.delete(id);
            continue;
        }
        const messages = expected.get(id)?.messages ?? new Map();
        for (const [seq, message] of Object.entries(room.messages)) {
            if (message === null) messages.delete(Number(seq));
            else messages.set(Number(seq), message);
        }
        expected.set(id, { room: room.room, messages });
    }
}

function compare(client, expected, id) {
    const shown = client.shown(id);
    const stored = expected.get(id);
    if (!stored) return assert.equal(shown, null, `${id} is deleted`);
    assert.ok(shown, `${id} is stored`);
    const room = { ...stored.room };
    // Where it does not store all of them, the engine adds to the count of the service.
    if (!client.hasUnread(id)) room.unread_count = shown.room.unread_count;
    const messages = [...stored.messages.values()].sort((a, b) => a.seq - b.seq);
    assert.deepEqual(shown, { room, messages });
}

test("the engine shows what the simulated clients show", async () => {
    const file = process.env.CLIENT_TRACES;
    assert.ok(file, "CLIENT_TRACES names no file");
    const counts = { clients: 0, frames: 0, gaps: 0, syncs: 0, reloads: 0 };
    for await (const line of createInterface({ input: createReadStream(file) })) {
        const { seed, device, me, events } = JSON.parse(line);
        const client = new Client(me);
        const expected = new Map();
        for (const [n, event] of events.entries()) {
            try {
                client.take(event);
                applyShown(expected, event.shown);
                const known = new Set([...client.rooms.keys(), ...expected.keys()]);
                for (const id of known) compare(client, expected, id);
            } catch (error) {
                error.message = `seed ${seed}, ${device}, event ${n}: ${error.message}`;
                throw error;
            }
            counts.frames += event.frame ? 1 : 0;
            counts.gaps += event.has_gap ? 1 : 0;
            counts.syncs += event.sync ? 1 : 0;
            counts.reloads += event.unloaded?.length ?? 0;
        }
        counts.clients += 1;
    }
    for (const [name, count] of Object.entries(counts)) assert.ok(count > 0, `the traces have ${name}`);
    console.log(counts);
});
