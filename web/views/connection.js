/** The state of the connection, where the user sees it. */
import { html } from "../vendor/lit-html/lit-html.js";

/** @import { App } from './app.js' */

/** What the connection does, if it is not live. @param {App} app */
export function connectionStrip(app) {
    const { status, retryAt } = app.state.connection;
    const seconds = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    if (status === "waiting" && retryAt !== null) drawEachSecond(app);
    const text = {
        live: "",
        connecting: app.state.isLoaded ? "Connecting…" : "",
        catching_up: "",
        waiting: seconds > 0 ? `No connection. Next attempt in ${seconds} s` : "Connecting…",
        offline: "You are offline. Messages are sent when you are back.",
        signed_out: "You are signed out.",
    }[status];
    return html`<p class="strip" ?hidden=${text === ""}>${text}</p>`;
}

/** @param {App} app */
export function drawEachSecond(app) {
    const ticking = app.local("seconds", () => ({ isSet: false }));
    if (ticking.isSet) return;
    ticking.isSet = true;
    setTimeout(() => {
        ticking.isSet = false;
        app.draw();
    }, 1000);
}
