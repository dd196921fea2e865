/** Icons, drawn on a grid of 24. They are decoration: each control has a label. */
import { html, svg } from "../vendor/lit-html/lit-html.js";

const DRAWINGS = {
    add: "M12 5v14M5 12h14",
    alert: "M12 4 2.8 20h18.4zM12 10v4M12 17.2v.1",
    archive: "M4 5h16v4H4zM6 9v10h12V9M10 13h4",
    back: "M15 5l-7 7 7 7",
    ban: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM5.6 5.6l12.8 12.8",
    bell: "M6 17h12l-1.5-3V10a4.5 4.5 0 0 0-9 0v4zM10 20h4",
    bellOff: "M6 17h12l-1.5-3V10a4.5 4.5 0 0 0-9 0v4zM10 20h4M4 4l16 16",
    check: "M5 12.5l4.5 4.5L19 7.5",
    checks: "M2 12.5l4.5 4.5L15 8.5M11 16l1 1 9.5-9.5",
    clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4l3 2",
    close: "M6 6l12 12M18 6L6 18",
    copy: "M9 9h10v11H9zM5 15V4h10v2",
    down: "M12 5v14M6 13l6 6 6-6",
    edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
    forward: "M14 6l6 6-6 6M20 12H9a5 5 0 0 0-5 5v1",
    group: "M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM3 19c0-3 2.5-5 6-5s6 2 6 5M16 5.5a3 3 0 0 1 0 5.5M17.5 14.5c2 .7 3.5 2.3 3.5 4.5",
    info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v5M12 8v.1",
    lock: "M6 11h12v9H6zM9 11V8a3 3 0 0 1 6 0v3",
    more: "M5 12h.1M12 12h.1M19 12h.1",
    people: "M12 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM5 20c0-3.5 3-6 7-6s7 2.5 7 6",
    phone: "M8 3h8v18H8zM11 18h2",
    pin: "M9 4h6l-1 6 4 4H6l4-4zM12 14v6",
    reply: "M10 6l-6 6 6 6M4 12h11a5 5 0 0 1 5 5v1",
    search: "M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM16 16l4 4",
    send: "M4 12l16-8-5 17-3-7zM12 14l8-10",
    signOut: "M14 5H6v14h8M11 12h10M18 9l3 3-3 3",
    smile: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8.5 14.5a4.5 4.5 0 0 0 7 0M9 9.5v.1M15 9.5v.1",
    trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
};

/** @typedef {keyof typeof DRAWINGS} IconName */

/** @param {IconName} name */
export function icon(name) {
    return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
        ${svg`<path d=${DRAWINGS[name]} />`}
    </svg>`;
}
