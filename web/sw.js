/** Keeps the files of the page for a start without a network. Answers of the API are never stored here. */

const CACHE = "shell-1";
/** All files that the page loads; a test compares them with the folder. */
const SHELL = [
    "/",
    "/actions.js",
    "/client.js",
    "/config.json",
    "/engine/backoff.js",
    "/engine/changes.js",
    "/engine/closing.js",
    "/engine/connection.js",
    "/engine/friends.js",
    "/engine/history.js",
    "/engine/log.js",
    "/engine/machine.js",
    "/engine/outbox.js",
    "/engine/receipts.js",
    "/engine/responses.js",
    "/engine/rooms.js",
    "/engine/step.js",
    "/engine/sync.js",
    "/engine/view.js",
    "/icon.svg",
    "/platform/clock.js",
    "/platform/http.js",
    "/platform/leader.js",
    "/platform/notify.js",
    "/platform/runtime.js",
    "/platform/socket.js",
    "/platform/store.js",
    "/platform/token.js",
    "/styles/base.css",
    "/styles/chat.css",
    "/styles/controls.css",
    "/styles/lists.css",
    "/styles/page.css",
    "/vendor/idb/build/index.js",
    "/vendor/lit-html/directive-helpers.js",
    "/vendor/lit-html/directive.js",
    "/vendor/lit-html/directives/live.js",
    "/vendor/lit-html/directives/repeat.js",
    "/vendor/lit-html/lit-html.js",
    "/views/actions.js",
    "/views/app.js",
    "/views/chat.js",
    "/views/composer.js",
    "/views/connection.js",
    "/views/details.js",
    "/views/dialog.js",
    "/views/group.js",
    "/views/icons.js",
    "/views/keys.js",
    "/views/live.js",
    "/views/log.js",
    "/views/main.js",
    "/views/me.js",
    "/views/message.js",
    "/views/people.js",
    "/views/person.js",
    "/views/report.js",
    "/views/rooms.js",
    "/views/router.js",
    "/views/shell.js",
    "/views/signin.js",
    "/views/text.js",
    "/views/widgets.js",
];
/** A slow network is given up after this time, if the file is stored. */
const PATIENCE_MS = 3000;

/** @type {any} */
const worker = self;

worker.addEventListener("install", (/** @type {any} */ event) => {
    worker.skipWaiting();
    event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(SHELL)));
});

worker.addEventListener("activate", (/** @type {any} */ event) => {
    event.waitUntil(
        (async () => {
            for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
            await worker.clients.claim();
        })(),
    );
});

worker.addEventListener("fetch", (/** @type {any} */ event) => {
    const { request } = event;
    const url = new URL(request.url);
    const isShell = url.origin === location.origin && SHELL.includes(url.pathname);
    if (request.method === "GET" && isShell) event.respondWith(answer(request, url.pathname));
});

/** The newest version, otherwise the stored one. @param {Request} request @param {string} path */
async function answer(request, path) {
    const cache = await caches.open(CACHE);
    // Without the query: it names the user to sign in as.
    const stored = await cache.match(path);
    const fresh = fetch(request).then((response) => {
        if (response.ok) void cache.put(path, response.clone());
        return response;
    });
    if (!stored) return fresh;
    const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, stored));
    return Promise.race([fresh.catch(() => stored), patience]);
}
