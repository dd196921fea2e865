/**
 * The stored end of a room's log: messages in ascending order of their positions.
 *
 * @import {Message} from '../types/index.js'
 */

/**
 * The index of a position, or where it belongs.
 * @param {Message[]} log
 * @param {number} seq
 */
export function find(log, seq) {
    let [low, high] = [0, log.length];
    while (low < high) {
        const middle = (low + high) >> 1;
        if (log[middle].seq < seq) low = middle + 1;
        else high = middle;
    }
    return { at: low, found: log[low]?.seq === seq };
}

/**
 * Adds messages of a response, unless a newer version is already stored.
 * @param {Message[]} log
 * @param {Message[]} messages
 */
export function merged(log, messages) {
    const next = log.slice();
    for (const message of messages) {
        const { at, found } = find(next, message.seq);
        if (!found) next.splice(at, 0, message);
        else if (next[at].rev <= message.rev) next[at] = message;
    }
    return next;
}

/**
 * Updates the previews in replies to a message that may not be stored.
 * @param {Message[]} log
 * @param {Message} original
 */
export function withPreviewsOf(log, original) {
    if (!log.some((it) => it.reply_to?.id === original.id)) return log;
    return log.map((it) => (it.reply_to?.id === original.id ? withPreview(it, original) : it));
}

/**
 * A reply with the present beginning of the message that it replies to.
 * @param {Message} reply
 * @param {Message} original
 * @returns {Message}
 */
function withPreview(reply, original) {
    const preview = reply.reply_to;
    if (!preview) return reply;
    const content = [...original.content].slice(0, 100).join("");
    const { is_deleted } = original;
    if (preview.content === content && preview.is_deleted === is_deleted) return reply;
    return { ...reply, reply_to: { ...preview, content, is_deleted } };
}

/**
 * A message as it is shown: a reply shows the stored version of the message that it replies to.
 * @param {Message} message
 * @param {Map<string, Message>} stored By id.
 */
export function withStoredPreview(message, stored) {
    const original = message.reply_to && stored.get(message.reply_to.id);
    return original ? withPreview(message, original) : message;
}
