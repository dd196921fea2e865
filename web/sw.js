/** Keeps the files of the page for a start without a network. Answers of the API are never stored here. */

const CACHE = "shell-1";
/** A slow network is given up after this time, if the file is stored. */
const PATIENCE_MS = 3000;

/** @type {any} */
const worker = self;

worker.addEventListener("install", () => worker.skipWaiting());

worker.addEventListener("activate", (/** @type {any} */ event) => {
    event.waitUntil(
        (async () => {
            for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
            await worker.clients.claim();
        })(),
    );
});

// The first page is loaded before its worker runs, so it tells which files it has loaded.
worker.addEventListener("message", (/** @type {any} */ event) => {
    event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(event.data.paths)));
});

worker.addEventListener("fetch", (/** @type {any} */ event) => {
    const { request } = event;
    const url = new URL(request.url);
    if (request.method === "GET" && url.origin === location.origin && isFile(request, url.pathname)) {
        event.respondWith(answer(request, url.pathname));
    }
});

/** @param {Request} request @param {string} path */
function isFile(request, path) {
    if (path.startsWith("/api/") || path.startsWith("/local")) return false;
    return (
        path === "/" || path === "/config.json" || ["script", "style", "image"].includes(request.destination)
    );
}

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
