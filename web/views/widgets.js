/** Small parts that several views share. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { icon } from "./icons.js";
import { nameOf } from "./text.js";

/** @import { App, Resource } from './app.js' */
/** @import { IconName } from './icons.js' */
/** @import { RoomRow, Tick } from './types.d.ts' */

const HUES = 8;

/** @param {string} text */
function hue(text) {
    let sum = 0;
    for (const character of text) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 9973;
    return sum % HUES;
}

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** @param {string} name */
function initials(name) {
    const words = name.split(/[\s_.-]+/).filter(Boolean);
    const first = words.slice(0, 2).map((word) => [...segmenter.segment(word)][0]?.segment ?? "");
    return first.join("").toUpperCase() || "?";
}

/** A picture, or initials while it loads and if there is none.
 * @param {{ name: string, url?: string | null, online?: boolean | null, size?: 'small' | 'large' }} person */
export function avatar({ name, url, online = null, size }) {
    /** @param {Event} event */
    const hide = (event) => /** @type {HTMLElement} */ (event.target).setAttribute("hidden", "");
    /** @param {Event} event */
    const show = (event) => /** @type {HTMLElement} */ (event.target).removeAttribute("hidden");
    return html`<span class="avatar hue-${hue(name)} ${size ?? ""}" aria-hidden="true">
        ${initials(name)}
        ${
            url
                ? html`<img
                      src=${url}
                      alt=""
                      hidden
                      loading="lazy"
                      referrerpolicy="no-referrer"
                      @load=${show}
                      @error=${hide}
                  />`
                : nothing
        }
        ${online ? html`<span class="online-dot"></span>` : nothing}
    </span>`;
}

/** @param {{ display_name?: string | null, username?: string | null, avatar_url?: string | null }} person
 * @param {boolean | null} [online] @param {'small' | 'large'} [size] */
export function avatarOf(person, online = null, size) {
    return avatar({ name: nameOf(person), url: person.avatar_url, online, size });
}

/** @type {Record<string, { icon: IconName, label: string }>} */
const TICKS = {
    queued: { icon: "clock", label: "Waiting to be sent" },
    sending: { icon: "clock", label: "Sending" },
    sent: { icon: "check", label: "Sent" },
    delivered: { icon: "checks", label: "Delivered" },
    read: { icon: "checks", label: "Read" },
    failed: { icon: "alert", label: "Not sent" },
};

/** @param {Tick} tick */
export function tickMark(tick) {
    if (!tick) return nothing;
    const { icon: name, label } = TICKS[tick];
    return html`<span class="tick ${tick}" role="img" aria-label=${label} title=${label}
        >${icon(name)}</span
    >`;
}

/** @param {IconName} name @param {string} label @param {(event: Event) => void} run */
export function iconButton(name, label, run) {
    return html`<button type="button" class="icon-button" aria-label=${label} title=${label} @click=${run}>
        ${icon(name)}
    </button>`;
}

/** The line above a pane: back (if the pane covers its parent), title, and actions.
 * @param {App} app @param {{ title: string, parent: string | null, isMain: boolean, actions?: unknown }} head */
export function paneHead(app, { title, parent, isMain, actions }) {
    return html`<header class="pane-head">
        ${parent ? backButton(app, parent) : nothing} ${heading(title, isMain)} ${actions ?? nothing}
    </header>`;
}

/** @param {App} app @param {string} parent */
export function backButton(app, parent) {
    return iconButton("back", "Back", () => app.back(parent));
}

/** The one `h1` of the page is the title of its main pane. @param {string} title @param {boolean} isMain */
export function heading(title, isMain) {
    return isMain
        ? html`<h1 class="title" dir="auto">${title}</h1>`
        : html`<h2 class="title" dir="auto">${title}</h2>`;
}

/** @param {{ title: string, text?: string, action?: unknown }} state */
export function empty({ title, text, action }) {
    return html`<div class="empty">
        <p class="empty-title" dir="auto">${title}</p>
        ${text ? html`<p dir="auto">${text}</p>` : nothing} ${action ?? nothing}
    </div>`;
}

/** @param {number} rows */
export function skeleton(rows) {
    return html`<ul class="list skeleton" aria-label="Loading" aria-busy="true">
        ${Array.from({ length: rows }, () => html`<li class="row"><span class="avatar"></span><i></i></li>`)}
    </ul>`;
}

/** @template T @param {Resource<T>} resource @param {(value: T) => unknown} ready @param {number} [rows] */
export function loaded(resource, ready, rows = 4) {
    if (resource.value !== null) return ready(resource.value);
    if (resource.status === "loading") return skeleton(rows);
    return problem(resource.error, resource.reload);
}

/** @param {string} text @param {() => void} [retry] */
export function problem(text, retry) {
    return html`<p class="problem" role="alert">
        ${icon("alert")}<span>${text}</span>
        ${retry ? html`<button class="button small" @click=${retry}>Retry</button>` : nothing}
    </p>`;
}

/**
 * Tabs that are links.
 * @param {{ href: string, text: unknown, isCurrent: boolean }[]} tabs
 * @param {string} label
 */
export function tabs(tabs, label) {
    return html`<nav class="tabs" aria-label=${label}>
        ${tabs.map(
            ({ href, text, isCurrent }) =>
                html`<a class="tab" href=${href} aria-current=${isCurrent ? "page" : "false"}>${text}</a>`,
        )}
    </nav>`;
}

/** @param {number} count @param {string} label */
export function badge(count, label) {
    if (count === 0) return nothing;
    return html`<span class="badge"
        >${count > 99 ? "99+" : count}<span class="visually-hidden"> ${label}</span></span
    >`;
}

/**
 * A small sign with a name. @param {IconName} name @param {string} label
 */
export function mark(name, label) {
    return html`<span class="mark" role="img" aria-label=${label} title=${label}>${icon(name)}</span>`;
}

/**
 * The picture of a room: of the other user, or of the group.
 * @param {RoomRow} row
 */
export const pictureOf = (row) => (row.peer ? row.peer.avatar_url : row.room.avatar_url);
