/** How much the page loads, how it paints, and what a long chat costs. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT, messageWith, until, untilAsync, useStack } from "./harness.js";

const shared = useStack("--no-demo", "--env", "RATE_LIMITS=off");

/** The files that a new visitor loads. */
async function filesOf(username) {
    const context = await shared.profile();
    const page = await context.newPage();
    const paths = [];
    page.on("request", (request) => {
        const url = new URL(request.url());
        if (url.origin === shared.stack.http && !/^\/(api|local)\b/.test(url.pathname))
            paths.push(url.pathname);
    });
    await page.goto(`${shared.stack.http}/?as=${username}`);
    await page.locator("h1").waitFor();
    return { page, paths };
}

test("scripts and styles have at most 110 KB compressed, without a build step that removes comments", async () => {
    await shared.stack.user("slim");
    const { page, paths } = await filesOf("slim");
    let size = 0;
    for (const path of new Set(paths.filter((path) => /\.(js|css)$/.test(path)))) {
        size += gzipSync(await readFile(join(ROOT, "web", path))).length;
    }
    assert.ok(size > 10_000 && size <= 110 * 1024, `${size} bytes`);
    shared.expectQuiet(page);
});

test("the service worker keeps the files that the page loads, and nothing of the API", async () => {
    await shared.stack.user("shell");
    const { paths } = await filesOf("shell");
    const page = await shared.open("shell", "", { serviceWorkers: "allow" });
    const expected = [...new Set([...paths, "/icon.svg"])].toSorted();
    await untilAsync(
        page,
        async (count) => {
            const names = await caches.keys();
            return names.length === 1 && (await (await caches.open(names[0])).keys()).length >= count;
        },
        expected.length,
    );
    const kept = await page.evaluate(async () => {
        const [name] = await caches.keys();
        return (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname);
    });
    assert.deepEqual(kept.toSorted(), expected);
    shared.expectQuiet(page);
});

test("loading shifts nothing", async () => {
    const { stack } = shared;
    const [one, two] = [await stack.user("calm"), await stack.user("calmother")];
    const room = await stack.directRoom(one, two);
    for (let n = 0; n < 30; n += 1) {
        await stack.call(two, "POST", "/chat/messages", { chat_room_id: room, content: `Message ${n}` });
    }
    const page = await shared.open("calm", `#/r/${room}`, { viewport: { width: 1280, height: 800 } });
    await messageWith(page, "Message 29").waitFor();
    const shift = await page.evaluate(
        () =>
            new Promise((resolve) => {
                let sum = 0;
                new PerformanceObserver((list) => {
                    for (const entry of list.getEntries()) sum += /** @type {any} */ (entry).value;
                }).observe({ type: "layout-shift", buffered: true });
                requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
            }),
    );
    assert.ok(Number(shift) < 0.02, `${shift}`);
});

test("a chat of 600 messages draws a window of it, and a new message moves nothing while the user reads above", async () => {
    const { stack } = shared;
    const [reader, writer] = [await stack.user("reader"), await stack.user("writer")];
    const room = await stack.directRoom(reader, writer);
    const post = (content) => stack.call(writer, "POST", "/chat/messages", { chat_room_id: room, content });
    for (let n = 1; n <= 600; n += 20) {
        // In parallel: the order does not matter here.
        await Promise.all(Array.from({ length: 20 }, (_, index) => post(`Line ${n + index}`)));
    }
    await stack.call(reader, "PUT", `/chat/rooms/${room}/read`);
    const page = await shared.open("reader", `#/r/${room}`);
    await page.locator(".message").last().waitFor();
    // To the beginning of the log: older messages are loaded until there are no more.
    const oldest = (await stack.call(reader, "GET", `/chat/rooms/${room}/messages?after_seq=0&limit=1`))[0]
        .content;
    const isOldestShown = () => page.locator(".content", { hasText: new RegExp(`^${oldest}$`) }).count();
    await page.locator(".log-scroll").hover();
    while (!(await isOldestShown())) {
        const top = await page.locator(".message").first().getAttribute("data-key");
        await page
            .locator(".log-scroll")
            .evaluate((scroll) => scroll.scrollTo({ top: -scroll.scrollHeight }));
        await until(page, (key) => document.querySelector(".message")?.getAttribute("data-key") !== key, top);
    }
    const rows = await page.locator(".message").count();
    assert.ok(rows <= 240, `${rows} rows`);

    await page.mouse.wheel(0, 1500);
    await page.evaluate(
        () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
    );
    const visible = () =>
        page.locator(".log-scroll").evaluate((scroll) => {
            const edge = scroll.getBoundingClientRect().top;
            const row = [...scroll.querySelectorAll(".message")].find(
                (it) => it.getBoundingClientRect().bottom > edge,
            );
            return { key: row.dataset.key, top: row.getBoundingClientRect().top };
        });
    const before = await visible();
    await post("Just now");
    await page.locator(".jump", { hasText: "1 new" }).waitFor();
    const after = await visible();
    assert.equal(after.key, before.key);
    assert.ok(Math.abs(after.top - before.top) <= 1, `${after.top - before.top} px`);
    await page.locator(".jump").click();
    await messageWith(page, "Just now").waitFor();
    await until(page, () => document.querySelector(".jump") === null);
    shared.expectQuiet(page);
});
