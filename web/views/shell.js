/**
 * The frame of the page: which panes a window shows for a route, the state of the connection, notices, the
 * toast.
 */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { chatPane } from "./chat.js";
import { detailsPane } from "./details.js";
import { iconButton } from "./widgets.js";
import { mePane } from "./me.js";
import { newGroupPane } from "./group.js";
import { peoplePane } from "./people.js";
import { personPane } from "./person.js";
import { roomsPane } from "./rooms.js";
import { watchKeys } from "./keys.js";

/** @import { App } from './app.js' */

/** @param {App} app */
export function shell(app) {
    const { route } = app;
    const panes = [];
    if (route.view === "rooms") panes.push(roomsPane(app, true));
    else if (app.isWide) panes.push(roomsPane(app, false));
    if (route.view === "room") {
        const hasDetails = route.info;
        if (!hasDetails || app.hasThreePanes) panes.push(chatPane(app, route.id));
        if (hasDetails) panes.push(detailsPane(app, route.id, !app.hasThreePanes));
    } else if (route.view !== "rooms") {
        panes.push(mainPane(app));
    } else if (app.isWide) {
        panes.push(
            html`<section class="pane start" aria-label="Conversation">
                <p class="muted">Select a conversation</p>
            </section>`,
        );
    }
    return html`
        <div class="panes" @keydown=${watchKeys}>${panes}</div>
        ${notices(app)} ${toast(app)} ${app.dialogs.view()}
    `;
}

/** @param {App} app */
function mainPane(app) {
    const { route } = app;
    switch (route.view) {
        case "people":
            return peoplePane(app, route.tab);
        case "person":
            return personPane(app, route.id);
        case "new-group":
            return newGroupPane(app);
        case "me":
            return mePane(app, route.tab);
        default:
            return nothing;
    }
}

/** Rooms that no longer exist for the user, with messages that were not sent. @param {App} app */
function notices(app) {
    return app.state.notices.map(
        (notice) =>
            html`<section class="notice" role="alert">
                <p dir="auto">
                    “${notice.title}” is no longer available.
                    ${notice.unsent.length > 0 ? "These messages were not sent:" : nothing}
                </p>
                ${notice.unsent.map((text) => html`<blockquote dir="auto">${text}</blockquote>`)}
                <div class="buttons">
                    ${
                        notice.unsent.length > 0
                            ? html`<button
                                  class="button small"
                                  @click=${() => app.run("copy", () => navigator.clipboard.writeText(notice.unsent.join("\n")))}
                              >
                                  Copy
                              </button>`
                            : nothing
                    }
                    <button class="button small" @click=${() => app.client.dismiss(notice.id)}>Close</button>
                </div>
            </section>`,
    );
}

/** @param {App} app */
function toast(app) {
    return html`<div class="toast-place" role="alert">
        ${
            app.toastText
                ? html`<div class="toast">
                      <span dir="auto">${app.toastText}</span>
                      ${iconButton("close", "Close the message", () => app.hideToast())}
                  </div>`
                : nothing
        }
    </div>`;
}
