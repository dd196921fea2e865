/** Starts the local stack from built binaries, and clients on it. */

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { createClient } from "../../client.js";
import { memoryStore } from "../../platform/store.js";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PROGRAM = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug", "local");

/**
 * Starts a stack in memory, on free ports.
 * @param {string[]} [options]
 */
export async function startStack(options = []) {
    const folder = await mkdtemp(join(tmpdir(), "athlytiq-chat-"));
    const ready = join(folder, "ready.json");
    const addresses = ["http", "ws", "dynamodb"].flatMap((name) => [`--${name}`, "127.0.0.1:0"]);
    const arguments_ = [
        "--no-build",
        "--memory",
        "--no-demo",
        "--ready-file",
        ready,
        ...addresses,
        ...options,
    ];
    const stack = spawn(PROGRAM, arguments_, { cwd: ROOT, stdio: "ignore" });
    const ended = once(stack, "exit");
    let addressesOf;
    while (!addressesOf) {
        addressesOf = await readFile(ready, "utf8")
            .then(JSON.parse)
            .catch(() => null);
        if (stack.exitCode !== null) throw new Error(`The stack ended with ${stack.exitCode}.`);
        await delay(50);
    }
    return {
        http: addressesOf.http,
        socket: addressesOf.ws,
        async stop() {
            stack.kill("SIGTERM");
            await ended;
            await rm(folder, { recursive: true, force: true });
        },
    };
}

/**
 * A client of a new or existing user, with its data in memory.
 * @param {{http: string, socket: string}} stack
 * @param {string} username
 * @param {object} [options]
 */
export async function startClient(stack, username, options = {}) {
    const response = await fetch(`${stack.http}/local/token`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ username }),
    });
    const { access_token: token, user_id } = await response.json();
    const client = await createClient({
        api: stack.http,
        socket: stack.socket,
        getToken: async () => token,
        openStore: async () => memoryStore(),
        ...options,
    });
    return Object.assign(client, { userId: user_id });
}

/**
 * Waits until a condition on a client's state is met, and returns its value.
 * @template T
 * @param {{subscribe: (listener: () => void) => () => void}} client
 * @param {() => T} condition
 * @returns {Promise<NonNullable<T>>}
 */
export function until(client, condition) {
    return new Promise((resolve, reject) => {
        const check = () => {
            const value = condition();
            if (!value) return;
            clearTimeout(timer);
            unsubscribe();
            resolve(value);
        };
        const timer = setTimeout(
            () => reject(new Error(`Did not happen: ${condition}\n${JSON.stringify(client.state)}`)),
            20_000,
        );
        const unsubscribe = client.subscribe(check);
        check();
    });
}
