/**
 * Notifications of the system, for messages that arrive while no tab is visible.
 *
 * @import {Message, RoomRow} from '../types/index.js'
 */

import { senderOf } from "../engine/shown_log.js";

/**
 * @param {Message} message
 * @param {RoomRow | null} row
 */
export function showNotification(message, row) {
    if (globalThis.Notification?.permission !== "granted" || !row) return;
    const sender = row.room.participants.find((it) => it.user_id === message.sender_id);
    const { senderName } = senderOf(message, sender);
    const title = row.room.is_group ? `${senderName} · ${row.title}` : row.title;
    // A newer message of a room replaces its notification.
    const notification = new Notification(title, { body: message.content, tag: message.chat_room_id });
    notification.onclick = () => {
        globalThis.focus();
        globalThis.location.hash = `#/r/${message.chat_room_id}`;
        notification.close();
    };
}
