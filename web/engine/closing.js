/**
 * The end of a room on this device.
 *
 * @import {Step} from './step.js'
 */

import { titleOf } from "./view.js";

/**
 * Deletes a room. Texts that were not sent stay as the draft of the room, and the user is told.
 * @param {Step} step
 * @param {string} roomId
 */
export function closeRoom(step, roomId) {
    const room = step.room(roomId);
    const entries = step.state.outbox.filter((entry) => entry.roomId === roomId && !entry.sent);
    const draft = step.state.drafts.get(roomId);
    const unsent = [...entries.map((entry) => entry.body.content ?? ""), draft ?? ""].filter(
        (text) => text !== "",
    );
    if (room) {
        const title = titleOf(room.room, step.state.me);
        if (unsent.length > 0 || step.isOpen(roomId)) {
            const notice = { id: step.next(), roomId, title, unsent };
            step.state.notices = [...step.state.notices, notice];
        }
    }
    if (entries.length > 0) step.map("drafts").set(roomId, unsent.join("\n"));
    step.state.outbox = step.state.outbox.filter((entry) => entry.roomId !== roomId);
    for (const name of /** @type {const} */ ([
        "sending",
        "aside",
        "typing",
        "older",
        "receipts",
        "committed",
    ])) {
        if (step.state[name].has(roomId)) step.map(name).delete(roomId);
    }
    for (const name of ["gap", "send", "retry"]) step.timer(`${name}:${roomId}`, null);
    step.setRoom(roomId, null);
}
