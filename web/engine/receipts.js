/**
 * Receipts and typing. A device reports a position as delivered after its store contains it, and as read
 * while the room is open in a visible view.
 *
 * @import {Frame} from '../types/index.js'
 * @import {Step} from './step.js'
 */

/** At most one receipt of each kind in this time, for each room. */
const RECEIPT_INTERVAL = 1000;
const TYPING_INTERVAL = 3000;
const TYPING_SHOWN = 6000;

const NONE = { read: 0, delivered: 0, readAt: 0, deliveredAt: 0 };

/** Marks what a visible view shows as read. @param {Step} step @param {string} id */
export function markRead(step, id) {
    const room = step.room(id);
    if (room && room.readSeq < room.seq) step.setRoom(id, { ...room, readSeq: room.seq });
}

/**
 * Sends the receipts of a room that are due.
 * @param {Step} step
 * @param {string} id
 */
export function sendReceipts(step, id) {
    const room = step.room(id);
    if (!room || step.state.connection.socket === null || step.state.limitedUntil !== null) return;
    const own = room.room.participants.find((participant) => participant.user_id === step.state.me);
    const sent = step.state.receipts.get(id) ?? NONE;
    const committed = Math.min(step.state.committed.get(id) ?? 0, room.seq);
    // A position can only be read after the store contains it: reading implies delivery.
    const read = Math.min(room.readSeq, committed);
    if (read > Math.max(own?.read_seq ?? 0, sent.read)) send(step, id, "read", read);
    else if (committed > Math.max(own?.delivered_seq ?? 0, sent.read, sent.delivered)) {
        send(step, id, "delivered", committed);
    }
}

/**
 * @param {Step} step
 * @param {string} id
 * @param {'read' | 'delivered'} kind
 * @param {number} seq
 */
function send(step, id, kind, seq) {
    const sent = step.state.receipts.get(id) ?? NONE;
    const due = sent[`${kind}At`] + RECEIPT_INTERVAL;
    if (due > step.now) {
        step.timer(`receipt:${id}`, due);
        return;
    }
    step.send({ type: `message_${kind}`, data: { chat_room_id: id, seq }, ref: `receipt:${id}` });
    step.map("receipts").set(id, { ...sent, [kind]: seq, [`${kind}At`]: step.now });
}

/**
 * An `error` that answers a receipt. It is sent again when the service accepts it.
 * @param {Step} step
 * @param {Frame} frame
 */
export function onReceiptError(step, frame) {
    const id = String(frame.ref).slice("receipt:".length);
    const { code, retry_after } = frame.data;
    if (!["rate_limited", "busy", "internal"].includes(code)) return;
    const sent = step.state.receipts.get(id) ?? NONE;
    step.map("receipts").set(id, { ...sent, read: 0, delivered: 0 });
    step.timer(`receipt:${id}`, step.now + Math.max(RECEIPT_INTERVAL, (retry_after ?? 0) * 1000));
}

/**
 * The user types, or has stopped without sending.
 * @param {Step} step
 * @param {string} roomId
 * @param {boolean} isTyping
 */
export function setTyping(step, roomId, isTyping) {
    const last = step.state.typingSent;
    const isRecent = last?.roomId === roomId && step.now - last.at < TYPING_INTERVAL;
    if (isTyping ? isRecent : last?.roomId !== roomId) return;
    step.state.typingSent = isTyping ? { roomId, at: step.now } : null;
    if (step.state.connection.status !== "live") return;
    step.send({ type: isTyping ? "typing_start" : "typing_stop", data: { chat_room_id: roomId } });
}

/** @param {Step} step @param {Frame} frame */
export function onTyping(step, { data }) {
    const { chat_room_id: id, user_id, username, display_name, is_typing } = data;
    if (!is_typing) return endTyping(step, id, user_id);
    if (user_id === step.state.me || !step.room(id)) return;
    const users = new Map(step.state.typing.get(id));
    const until = step.now + TYPING_SHOWN;
    step.map("typing").set(id, users.set(user_id, { name: display_name ?? username, until }));
    step.timer(`typing:${id}:${user_id}`, until);
}

/**
 * The indicator ends by itself: a user who disconnects never stops.
 * @param {Step} step
 * @param {string} id
 * @param {string} userId
 */
export function endTyping(step, id, userId) {
    const users = new Map(step.state.typing.get(id));
    if (!users.delete(userId)) return;
    if (users.size > 0) step.map("typing").set(id, users);
    else step.map("typing").delete(id);
    step.timer(`typing:${id}:${userId}`, null);
}
