/** The start page of a development stack: sign in as a demo user, or show two of them side by side. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { avatar, problem } from "./widgets.js";

/**
 * @typedef {{ username: string, name: string }} DemoUser
 * @typedef {object} Start
 * @property {DemoUser[]} people
 * @property {boolean} canSignIn whether the stack issues tokens
 * @property {string} error
 * @property {(username: string) => void} signIn
 * @property {(token: string) => void} useToken
 */

/** @param {Start} start */
export function startPage({ people, canSignIn, error, signIn, useToken }) {
    const [first, second] = people;
    return html`<main class="start-page">
        <img class="logo" src="/icon.svg" alt="" />
        <h1>Athlytiq Chat</h1>
        ${error ? problem(error) : nothing}
        ${
            first && second
                ? html`<a class="button primary wide" href="/?pair=${first.username},${second.username}">
                      Open ${firstName(first)} and ${firstName(second)} side by side
                  </a>`
                : nothing
        }
        ${people.length > 0 ? demoUsers(people) : nothing} ${canSignIn ? nameForm(signIn) : nothing}
        ${tokenForm(useToken)}
        ${canSignIn ? html`<p class="muted"><a href="/local">Documents of this stack</a></p>` : nothing}
    </main>`;
}

/** @param {DemoUser} user */
const firstName = (user) => user.name.split(" ")[0];

/** @param {DemoUser[]} people */
function demoUsers(people) {
    return html`<h2 class="section">Sign in as</h2>
        <ul class="list framed">
            ${people.map(
                ({ username, name }) =>
                    html`<li>
                        <a class="row" href="/?as=${username}"
                            >${avatar({ name })}<span dir="auto">${name}</span></a
                        >
                    </li>`,
            )}
        </ul>`;
}

/** @param {(username: string) => void} signIn */
function nameForm(signIn) {
    return form("Another username", "Sign in", (value) => signIn(value));
}

/** @param {(token: string) => void} useToken */
function tokenForm(useToken) {
    return html`<details>
        <summary>Sign in with a token</summary>
        ${form("Access token", "Use the token", useToken)}
    </details>`;
}

/** @param {string} label @param {string} action @param {(value: string) => void} submit */
function form(label, action, submit) {
    return html`<form
        class="inline-form"
        @submit=${(/** @type {Event} */ event) => {
            event.preventDefault();
            const data = new FormData(/** @type {HTMLFormElement} */ (event.target));
            submit(String(data.get("value")).trim());
        }}
    >
        <label class="field"><span>${label}</span><input name="value" required autocomplete="off" /></label>
        <button class="button">${action}</button>
    </form>`;
}

/**
 * Two people in two frames of one page, each in the chat with the other.
 * @param {string} first
 * @param {string} second
 */
export function pairPage(first, second) {
    /** @param {string} username @param {string} other */
    const frame = (username, other) => {
        const query = new URLSearchParams({ as: username, with: other });
        return html`<section>
            <h2 dir="auto">${username}</h2>
            <iframe title="Chat of ${username}" src="/?${query}"></iframe>
        </section>`;
    };
    return html`<main class="pair">
        <h1 class="visually-hidden">Two people chat</h1>
        ${frame(first, second)} ${frame(second, first)}
    </main>`;
}
