/** Starts the page: reads its configuration, signs in, and shows the chat. */
import { createClient } from "../client.js";
import { App } from "./app.js";
import { pairPage, startPage } from "./signin.js";
import { render } from "../vendor/lit-html/lit-html.js";

/**
 * @typedef {object} Config
 * @property {string} api the base URL of the HTTP API, relative to the page
 * @property {string} socket the URL of the WebSocket API, relative to the page
 * @property {string | null} sign_in where a development stack issues tokens
 * @property {{ username: string, name: string }[]} people the demo users of a development stack
 */

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
const live = /** @type {HTMLElement} */ (document.getElementById("live"));

/** @returns {Promise<Config>} */
async function readConfig() {
    const response = await fetch("/config.json");
    if (!response.ok) throw new Error(`config.json: ${response.status}`);
    return response.json();
}

/** @param {string} address */
function socketUrl(address) {
    const url = new URL(address, location.origin);
    url.protocol = url.protocol.replace("http", "ws");
    return url.href;
}

/** A token from the development stack. The user's id is kept for a start without a network.
 * @param {string} path @param {string} username */
async function developmentToken(path, username) {
    const response = await fetch(path, { method: "POST", body: JSON.stringify({ username }) });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.message);
    localStorage.setItem(userKey(username), answer.user_id);
    return /** @type {string} */ (answer.access_token);
}

/** @param {string} username */
const userKey = (username) => `athlytiq:development:${username}`;

/**
 * @param {Config} config
 * @param {(isExpired: boolean) => Promise<string>} getToken
 * @param {string} [userId]
 */
async function showChat(config, getToken, userId) {
    /** @type {App | undefined} */
    let app;
    const client = await createClient({
        api: new URL(config.api, location.origin).href.replace(/\/$/, ""),
        socket: socketUrl(config.socket),
        getToken,
        ...(userId ? { userId } : {}),
        onSignedOut: () => {
            app?.stop();
            showStart(config, "You are signed out.");
        },
    });
    app = new App(client, root, live);
    const partner = new URLSearchParams(location.search).get("with");
    if (partner && location.hash === "") openChatWith(app, partner);
}

/** Opens the direct room with a user as soon as it is known. @param {App} app @param {string} username */
function openChatWith(app, username) {
    const open = () => {
        const row = app.state.rooms.find(({ peer }) => peer?.username === username);
        if (row) app.go(`#/r/${row.id}`, { replace: true });
        return row !== undefined;
    };
    if (open()) return;
    const stop = app.client.subscribe(() => {
        if (open()) stop();
    });
}

/** @param {Config} config @param {string} error */
function showStart(config, error = "") {
    const { sign_in: signIn, people } = config;
    const view = startPage({
        people,
        canSignIn: signIn !== null,
        error,
        signIn: (username) => location.assign(`/?as=${encodeURIComponent(username)}`),
        useToken: (token) =>
            void showChat(config, async (isExpired) => {
                if (isExpired) throw new Error("The token has expired.");
                return token;
            }),
    });
    render(view, root);
}

async function start() {
    const query = new URLSearchParams(location.search);
    const pair = query.get("pair");
    if (pair?.includes(",")) {
        const [first, second] = pair.split(",");
        render(pairPage(first, second), root);
        return;
    }
    const config = await readConfig();
    const username = query.get("as");
    const { sign_in: path } = config;
    if (!username || path === null) return showStart(config);
    const userId = localStorage.getItem(userKey(username)) ?? undefined;
    await showChat(config, () => developmentToken(path, username), userId);
}

/** Registers the worker, and tells it which files the page has loaded. Scripts can register no other worker. */
async function keepFiles() {
    if (!("serviceWorker" in navigator)) return;
    /** @type {any} */
    const types = "trustedTypes" in window ? window.trustedTypes : null;
    const policy = types?.createPolicy("service-worker", { createScriptURL: () => "/sw.js" });
    await navigator.serviceWorker.register(policy ? policy.createScriptURL("") : "/sw.js");
    const { active } = await navigator.serviceWorker.ready;
    const urls = performance.getEntriesByType("resource").map(({ name }) => new URL(name));
    const own = urls.filter(
        ({ origin, pathname }) => origin === location.origin && !/^\/(api|local)/.test(pathname),
    );
    active?.postMessage({ paths: [...new Set(["/", "/icon.svg", ...own.map(({ pathname }) => pathname)])] });
}

try {
    await start();
} catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    render(startPage({ people: [], canSignIn: false, error: text, signIn() {}, useToken() {} }), root);
}
// Some browsers have no workers in private windows: the page then needs a network to start.
if (navigator.onLine) keepFiles().catch(() => {});
