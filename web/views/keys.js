/** Keys that work in the whole page. */

/** F6 moves the focus to the next pane, with Shift to the previous one. @param {KeyboardEvent} event */
export function watchKeys(event) {
    if (event.key !== "F6") return;
    event.preventDefault();
    const host = /** @type {HTMLElement} */ (event.currentTarget);
    const panes = /** @type {HTMLElement[]} */ ([...host.querySelectorAll(".pane")]);
    const current = panes.findIndex((pane) => pane.contains(document.activeElement));
    const next = panes[(current + (event.shiftKey ? -1 : 1) + panes.length) % panes.length];
    const target = next?.querySelector("textarea, input, a[href], button");
    if (target instanceof HTMLElement) target.focus();
}

/** Moves the focus between items with the arrow keys, Home and End.
 * @param {KeyboardEvent} event @param {string} selector */
export function walk(event, selector) {
    const host = /** @type {HTMLElement} */ (event.currentTarget);
    const items = /** @type {HTMLElement[]} */ ([...host.querySelectorAll(selector)]);
    const current = items.findIndex((item) => item === document.activeElement);
    const last = items.length - 1;
    /** @type {Record<string, number>} */
    const targets = {
        ArrowDown: Math.min(current + 1, last),
        ArrowUp: current < 0 ? last : Math.max(current - 1, 0),
        Home: 0,
        End: last,
    };
    const target = items[targets[event.key] ?? -1];
    if (!target) return;
    event.preventDefault();
    target.focus();
    target.scrollIntoView({ block: "nearest" });
}
