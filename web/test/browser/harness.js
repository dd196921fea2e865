/**
 * Shared by the browser tests: the real local stack, a browser, people with a page each, and a proxy that
 * cuts.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, watch } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";

// CommonJS, because only it finds packages by NODE_PATH.
const require = createRequire(import.meta.url);
export const { chromium } = require("playwright-core");

/** The root of the project. */
export const ROOT = new URL("../../../", import.meta.url).pathname;
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const BINARY = process.env.LOCAL_STACK ?? join(ROOT, "target/debug/local");
/** The longest that a step may take. Only a failing test reaches it. */
export const PATIENCE = 20_000;

/** A promise that fails if it takes too long. */
export async function soon(promise, what) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`${what} did not happen`)), PATIENCE);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A running local stack. */
export class Stack {
    /** @param {string[]} options */
    static async start(...options) {
        const folder = await mkdtemp(join(tmpdir(), "browser-test-"));
        const file = join(folder, "ready.json");
        const free = ["http", "ws", "dynamodb"].flatMap((port) => [`--${port}`, "127.0.0.1:0"]);
        const started = [...free, "--no-build", "--memory", "--ready-file", file, ...options];
        const stack = new Stack();
        stack.process = spawn(BINARY, started, { cwd: ROOT, stdio: ["ignore", "ignore", "pipe"] });
        stack.log = "";
        stack.process.stderr.on("data", (/** @type {Buffer} */ chunk) => (stack.log += chunk));
        stack.folder = folder;
        stack.addresses = await stack.#ready(file);
        return stack;
    }

    /** @param {string} file */
    async #ready(file) {
        const exited = once(this.process, "exit").then(() => {
            throw new Error(`the stack has stopped:\n${this.log}`);
        });
        const appeared = (async () => {
            const changes = watch(this.folder);
            for await (const _ of changes) {
                const content = await readFile(file, "utf8").catch(() => null);
                if (content) return JSON.parse(content);
            }
        })();
        return Promise.race([appeared, exited]);
    }

    get http() {
        return this.addresses.http;
    }

    /** A new user: its name, id and token. @param {string} username @param {string} [name] */
    async user(username, name) {
        const response = await fetch(`${this.http}/local/token`, {
            method: "POST",
            body: JSON.stringify({ username, ...(name ? { name } : {}) }),
        });
        const token = await response.json();
        return { username, id: token.user_id, token: token.access_token };
    }

    /** A call of the API. @param {{token: string}} user */
    async call(user, method, path, body) {
        const response = await fetch(`${this.http}/api/v1${path}`, {
            method,
            headers: { authorization: `Bearer ${user.token}` },
            body: body === undefined ? undefined : JSON.stringify(body),
        });
        assert.ok(
            response.ok,
            `${method} ${path}: ${response.status} ${response.ok ? "" : await response.text()}`,
        );
        return response.status === 204 ? null : response.json();
    }

    async befriend(one, other) {
        const request = await this.call(one, "POST", "/friends/requests", { receiver_id: other.id });
        await this.call(other, "PUT", `/friends/requests/${request.id}?action=accepted`);
    }

    /** The direct room of two new friends. */
    async directRoom(one, other) {
        await this.befriend(one, other);
        return (await this.call(one, "POST", "/chat/rooms", { participant_ids: [other.id] })).id;
    }

    async messages(user, room) {
        return (await this.call(user, "GET", `/chat/rooms/${room}/messages?limit=100`)).reverse();
    }

    async stop() {
        const exited = once(this.process, "exit");
        this.process.kill("SIGTERM");
        await exited;
        await rm(this.folder, { recursive: true, force: true });
    }
}

/** What a page may write to its console: pictures on a public service, and sockets that a test cuts. */
const EXPECTED = /api\.dicebear\.com|WebSocket connection to|net::ERR_/;

/** The browser and the stack of a file of tests. @param {string[]} options of the stack */
export function useStack(...options) {
    const shared = /** @type {any} */ ({});
    before(async () => {
        shared.stack = await Stack.start(...options);
        shared.browser = await chromium.launch({ executablePath: CHROMIUM });
    });
    after(async () => {
        await shared.browser?.close();
        await shared.stack?.stop();
    });
    /** @type {Map<any, string[]>} */
    const consoles = new Map();

    /** A browser profile. What it writes to its console fails the test that calls `expectQuiet`. */
    shared.profile = async (settings = {}) => {
        const context = await shared.browser.newContext({
            viewport: { width: 420, height: 780 },
            colorScheme: "dark",
            locale: "en-GB",
            timezoneId: "UTC",
            serviceWorkers: "block",
            ...settings,
        });
        context.setDefaultTimeout(PATIENCE);
        const errors = [];
        consoles.set(context, errors);
        context.on("console", (message) => {
            if (message.type() === "error" && !EXPECTED.test(message.text() + message.location().url)) {
                errors.push(message.text());
            }
        });
        context.on("weberror", (error) => errors.push(String(error.error().stack)));
        return context;
    };
    /** A page of a user in a new profile. */
    shared.open = async (username, path = "", settings = {}) => {
        const context = await shared.profile(settings);
        const page = await context.newPage();
        await page.goto(`${shared.stack.http}/?as=${username}${path}`);
        return page;
    };
    shared.expectQuiet = (...pages) => {
        for (const page of pages) assert.deepEqual(consoles.get(page.context()), []);
    };
    return shared;
}

/** Writes and sends a message. */
export async function send(page, text) {
    await page.locator("#message").fill(text);
    await page.locator("#message").press("Enter");
}

/** The message with a text. */
export const messageWith = (page, text) =>
    page.locator(".message", { has: page.locator(".content", { hasText: text }) }).last();

/** Opens the actions of a message, and selects one. */
export async function act(page, text, action) {
    await messageWith(page, text).focus();
    await page.keyboard.press("Enter");
    await page.locator("dialog[open]").getByRole("button", { name: action, exact: true }).click();
}

/** The log as the page shows it: who sent what, with replies, reactions and edits. */
export const shownLog = (page, me, other) =>
    page.locator(".log").evaluate(
        (log, [me, other]) =>
            [...log.querySelectorAll(".message:not(.system)")].map((row) => {
                const text = (selector) => row.querySelector(selector)?.textContent?.trim() ?? null;
                const quoted = text(".quote-sender");
                return {
                    from: row.classList.contains("mine") ? me : other,
                    text: text(".content"),
                    quote: text(".quote .ellipsis"),
                    quoted: quoted === "You" ? me : quoted,
                    reactions: [...row.querySelectorAll(".reaction")].map((it) =>
                        it.textContent.replace(/\s+/g, " ").trim(),
                    ),
                    isEdited: [...row.querySelectorAll(".meta span")].some(
                        (it) => it.textContent === "edited",
                    ),
                };
            }),
        [me, other],
    );

/** Waits until a condition on the page holds. */
export const until = (page, condition, argument) =>
    page.waitForFunction(condition, argument, { timeout: PATIENCE });

/** The same for an async condition, which `waitForFunction` would take as true. It is asked once a frame. */
export async function untilAsync(page, condition, argument) {
    for (const end = Date.now() + PATIENCE; !(await page.evaluate(condition, argument));) {
        assert.ok(Date.now() < end, `did not happen: ${condition}`);
        await page.evaluate(() => new Promise(requestAnimationFrame));
    }
}
