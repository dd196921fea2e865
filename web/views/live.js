/** The live region: tells a screen reader about new messages, once each. */
import { senderOf, summary } from "./text.js";

/** @import { ClientState, Message, RoomRow } from './types.d.ts' */

/** Messages that arrive within this time are announced together. */
const COLLECT_MS = 400;
/** @type {Set<RoomRow['tick']>} */
const UNSENT = new Set(["queued", "sending", "failed"]);

/** @param {HTMLElement} region @returns {(state: ClientState, openRoomId: string | null) => void} */
export function announcer(region) {
    /** @type {Map<string, number>} The newest known position of each room. */
    const known = new Map();
    /** @type {{ message: Message, room: string | null }[]} */
    let collected = [];
    let count = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;

    const announce = () => {
        const [only] = collected;
        const place = only?.room ? ` in ${only.room}` : "";
        const sender = only ? senderOf(only.message) : "";
        region.textContent =
            count === 1 && only ? `${sender}${place}: ${summary(only.message)}` : `${count} new messages`;
        collected = [];
        count = 0;
        timer = undefined;
    };

    let wasLive = false;
    return (state) => {
        const isLive = state.connection.status === "live";
        for (const row of state.rooms) {
            const newest = row.preview;
            // An own message in the outbox has no position yet.
            if (newest && UNSENT.has(row.tick)) continue;
            // A room that appears while the page is open is new.
            const before = known.get(row.id) ?? (wasLive ? 0 : Infinity);
            known.set(row.id, newest?.seq ?? 0);
            const isNews = newest && isLive && newest.seq > before && !row.isMuted;
            if (!isNews || newest.sender_id === state.me?.id || newest.message_type === "system") continue;
            count += newest.seq - before;
            collected.push({ message: newest, room: row.room.is_group ? row.title : null });
            timer ??= setTimeout(announce, COLLECT_MS);
        }
        wasLive = isLive;
    };
}
