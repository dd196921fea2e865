/** How long to wait before another attempt. Times are in milliseconds. */

const LONGEST = 60_000;

/**
 * A random part of an interval of 1 s, 2 s, 4 s and so on, up to 60 s.
 * @param {number} attempt 0 before the first repetition.
 * @param {() => number} random
 */
export function backoff(attempt, random) {
    return Math.min(1000 * 2 ** Math.min(attempt, 6), LONGEST) * random();
}

/**
 * The delay that the service requires, or a random one.
 * @param {number | null | undefined} seconds
 * @param {number} attempt
 * @param {() => number} random
 */
export function retryDelay(seconds, attempt, random) {
    return seconds ? seconds * 1000 : backoff(attempt, random);
}
