/** Reports to the moderators, of a person or a message. */
import { html } from "../vendor/lit-html/lit-html.js";
import { dialogHead } from "./dialog.js";

/** @import { App } from './app.js' */
/** @import { Message } from './types.d.ts' */

const REASONS = {
    spam: "Spam",
    harassment: "Harassment",
    hate: "Hate",
    violence: "Violence",
    nudity: "Nudity",
    self_harm: "Self-harm",
    impersonation: "Impersonation",
    other: "Something else",
};

/** @param {App} app @param {{ message: Message } | { userId: string }} subject */
export function openReport(app, subject) {
    /** @param {Event} event */
    const submit = async (event) => {
        event.preventDefault();
        const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
        const about =
            "message" in subject
                ? { chat_room_id: subject.message.chat_room_id, message_id: subject.message.id }
                : { user_id: subject.userId };
        const report = { ...about, reason: String(form.get("reason")), text: String(form.get("text")) };
        if (await app.run("report", () => app.client.report(report))) {
            app.dialogs.close();
            app.toast("Thank you. The moderators will look at it.");
        }
    };
    app.dialogs.open(
        () =>
            html`${dialogHead(app, "message" in subject ? "Report message" : "Report person")}
                <form class="form" @submit=${submit}>
                    <label class="field">
                        <span>Reason</span>
                        <select name="reason">
                            ${Object.entries(REASONS).map(([value, text]) => html`<option value=${value}>${text}</option>`)}
                        </select>
                    </label>
                    <label class="field">
                        <span>Comment for the moderators</span>
                        <textarea name="text" rows="3" maxlength="1000" dir="auto"></textarea>
                    </label>
                    <div class="buttons">
                        <button class="button danger" ?disabled=${app.busy.has("report")}>Report</button>
                    </div>
                </form>`,
    );
}
