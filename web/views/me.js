/** The user's own profile, privacy settings and devices. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { confirm } from "./dialog.js";
import { fieldErrors } from "./app.js";
import { icon } from "./icons.js";
import { toggle } from "./details.js";
import { nameOf } from "./text.js";
import { avatarOf, paneHead, problem, skeleton, tabs } from "./widgets.js";

/** @import { App } from './app.js' */
/** @import { Me } from './types.d.ts' */

/** @param {App} app @param {'profile' | 'privacy'} tab */
export function mePane(app, tab) {
    const { me } = app.state;
    const views = { profile: profileTab, privacy: privacyTab };
    return html`<main class="pane main">
        ${paneHead(app, { title: "Your profile", parent: app.isWide ? null : "#/", isMain: true })}
        ${tabs(
            [
                { href: "#/me", text: "Profile", isCurrent: tab === "profile" },
                { href: "#/me/privacy", text: "Privacy", isCurrent: tab === "privacy" },
            ],
            "Your profile",
        )}
        <div class="scroll">${me ? views[tab](app, me) : skeleton(4)}</div>
    </main>`;
}

const FIELDS = [
    { name: "username", label: "Username", max: 32, isRequired: true },
    { name: "display_name", label: "Display name", max: 100, isRequired: false },
    { name: "avatar_url", label: "Address of your picture (https)", max: 512, isRequired: false },
];

/** @param {App} app @param {Me} me */
function profileTab(app, me) {
    const form = app.local("profile", () => ({ errors: /** @type {Record<string, string>} */ ({}) }));
    /** @param {Event} event */
    const submit = async (event) => {
        event.preventDefault();
        const data = new FormData(/** @type {HTMLFormElement} */ (event.target));
        const patch = Object.fromEntries(
            FIELDS.map(({ name }) => [name, String(data.get(name)).trim() || null]),
        );
        form.errors = {};
        await app.run("profile", async () => {
            try {
                await app.client.updateProfile(patch);
                app.toast("Your profile is saved.");
            } catch (error) {
                form.errors = fieldErrors(error);
                if (Object.keys(form.errors).length === 0) throw error;
            }
        });
    };
    const values = /** @type {Record<string, string | null>} */ (/** @type {unknown} */ (me));
    return html`<div class="card">
            ${avatarOf(me, null, "large")}
            <p class="card-title" dir="auto">${nameOf(me)}</p>
        </div>
        <form class="form" @submit=${submit}>
            ${FIELDS.map(
                ({ name, label, max, isRequired }) =>
                    html`<label class="field">
                        <span>${label}</span>
                        <input
                            name=${name}
                            maxlength=${max}
                            ?required=${isRequired}
                            dir="auto"
                            .value=${values[name] ?? ""}
                        />
                        ${form.errors[name] ? problem(`It ${form.errors[name]}.`) : nothing}
                    </label>`,
            )}
            <div class="buttons">
                <button class="button primary" ?disabled=${app.busy.has("profile")}>Save</button>
            </div>
        </form>
        <ul class="menu">
            ${notifications(app)}
            <li>
                <button class="menu-item" @click=${() => void app.client.signOut()}>
                    ${icon("signOut")} Sign out
                </button>
            </li>
            <li>
                <button class="menu-item danger-text" @click=${() => deleteAccount(app)}>
                    ${icon("trash")} Delete account
                </button>
            </li>
        </ul>`;
}

/** @param {App} app */
function notifications(app) {
    if (!("Notification" in window) || Notification.permission === "granted") return nothing;
    if (Notification.permission === "denied") {
        return html`<li class="menu-item muted">
            ${icon("bellOff")} Your browser blocks notifications of this page
        </li>`;
    }
    const ask = () => void Notification.requestPermission().then(() => app.draw());
    return html`<li>
        <button class="menu-item" @click=${ask}>${icon("bell")} Turn on notifications</button>
    </li>`;
}

/** @param {App} app */
function deleteAccount(app) {
    confirm(app, {
        title: "Delete your account?",
        text: "Your profile, your friends and your devices are deleted. Your messages stay, without your name.",
        action: "Delete account",
        run: () => app.client.deleteAccount(),
    });
}

/** @type {Record<string, string>} */
const AUDIENCES = {
    everyone: "Everyone",
    friends_of_friends: "Friends of friends",
    friends: "Friends",
    nobody: "Nobody",
};
const CHOICES = [
    {
        name: "findable_by",
        label: "Who can find you by your username",
        of: ["everyone", "friends_of_friends", "nobody"],
    },
    {
        name: "requests_from",
        label: "Who can send you requests",
        of: ["everyone", "friends_of_friends", "nobody"],
    },
    { name: "messages_from", label: "Who can start a conversation", of: ["everyone", "friends"] },
    {
        name: "groups_from",
        label: "Who can add you to groups",
        of: ["everyone", "friends_of_friends", "friends"],
    },
    { name: "online_shown_to", label: "Who sees that you are online", of: ["everyone", "friends", "nobody"] },
    {
        name: "last_seen_shown_to",
        label: "Who sees when you were online",
        of: ["everyone", "friends", "nobody"],
    },
];

/** @param {App} app @param {Me} me */
function privacyTab(app, me) {
    const settings = /** @type {Record<string, string | boolean>} */ (me.settings);
    /** @param {Record<string, string | boolean>} patch */
    const update = (patch) => void app.run("privacy", () => app.client.updatePrivacy(patch));
    return html`<div class="settings">
        ${CHOICES.map(
            ({ name, label, of }) =>
                html`<label class="setting">
                    <span class="grow">${label}</span>
                    <select
                        @change=${(/** @type {Event} */ event) => {
                            update({ [name]: /** @type {HTMLSelectElement} */ (event.target).value });
                        }}
                    >
                        ${of.map(
                            (value) =>
                                html`<option value=${value} .selected=${settings[name] === value}>
                                    ${AUDIENCES[value]}
                                </option>`,
                        )}
                    </select>
                </label>`,
        )}
        ${toggle(
            nothing,
            "People can find you by your email address",
            settings.findable_by_email === true,
            (isOn) => update({ findable_by_email: isOn }),
        )}
        ${toggle(
            nothing,
            "Share read receipts, and see those of others",
            settings.read_receipts === true,
            (isOn) => update({ read_receipts: isOn }),
        )}
    </div>`;
}
