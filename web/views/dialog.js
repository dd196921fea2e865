/** One modal dialog at a time, as a `<dialog>`: it keeps the focus inside, and Escape closes it. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { icon } from "./icons.js";

/** @import { App } from './app.js' */

/** @param {App} app */
export function dialogHost(app) {
    /** @type {(() => unknown) | null} */
    let content = null;
    /** @type {Element | null} */
    let opener = null;
    const element = () => /** @type {HTMLDialogElement | null} */ (app.root.querySelector("dialog"));

    return {
        /** @param {() => unknown} view */
        open(view) {
            if (!content) opener = document.activeElement;
            content = view;
            app.draw();
        },
        close() {
            if (!content) return;
            content = null;
            app.draw();
        },
        view() {
            return content
                ? html`<dialog
                      class="sheet"
                      aria-labelledby="dialog-title"
                      @close=${() => this.close()}
                      @click=${(/** @type {MouseEvent} */ event) => {
                          // The backdrop is the dialog itself: its content covers all of its inner area.
                          if (event.target === event.currentTarget) this.close();
                      }}
                  >
                      <div class="sheet-body">${content()}</div>
                  </dialog>`
                : nothing;
        },
        /** After a drawing: shows a new dialog, or returns the focus to where it was. */
        settle() {
            const dialog = element();
            if (dialog && !dialog.open) dialog.showModal();
            if (!content && opener) {
                if (opener instanceof HTMLElement && opener.isConnected)
                    opener.focus({ preventScroll: true });
                opener = null;
            }
        },
    };
}

/** @param {App} app @param {string} title */
export function dialogHead(app, title) {
    return html`<header class="sheet-head">
        <h2 id="dialog-title" dir="auto">${title}</h2>
        <button class="icon-button" aria-label="Close" @click=${() => app.dialogs.close()}>
            ${icon("close")}
        </button>
    </header>`;
}

/**
 * Asks before an action that cannot be undone.
 * @param {App} app
 * @param {{ title: string, text: string, action: string, run: () => Promise<unknown> }} question
 */
export function confirm(app, { title, text, action, run }) {
    app.dialogs.open(
        () =>
            html`${dialogHead(app, title)}
                <p class="sheet-text" dir="auto">${text}</p>
                <div class="buttons">
                    <button class="button" @click=${() => app.dialogs.close()}>Cancel</button>
                    <button
                        class="button danger"
                        ?disabled=${app.busy.has("confirm")}
                        @click=${async () => {
                            await app.run("confirm", run);
                            app.dialogs.close();
                        }}
                    >
                        ${action}
                    </button>
                </div>`,
    );
}
