/**
 * Notifications of the system, for messages that arrive while no tab is visible.
 *
 * @import {Message, RoomRow} from '../types/index.js'
 */

/**
 * @param {Message} message
 * @param {RoomRow | null} row
 */
export function showNotification(message, row) {
    if (globalThis.Notification?.permission !== "granted" || !row) return;
    const title = row.room.is_group ? `${message.sender_username} · ${row.title}` : row.title;
    // A newer message of a room replaces its notification.
    const notification = new Notification(title, { body: message.content, tag: message.chat_room_id });
    notification.onclick = () => {
        globalThis.focus();
        globalThis.location.hash = `#/r/${message.chat_room_id}`;
        notification.close();
    };
}
