/** Sends above a rate limit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { messageWith, send, useStack } from "./harness.js";

const shared = useStack("--no-demo", "--env", "RATE_LIMITS=messages=2/4s");

test("messages above the rate limit wait, and are sent once and in order", async () => {
    const { stack } = shared;
    const [fast, slow] = [await stack.user("fast"), await stack.user("slow")];
    const room = await stack.directRoom(fast, slow);
    const page = await shared.open("fast", `#/r/${room}`);
    const texts = ["One", "Two", "Three", "Four", "Five"];
    for (const text of texts) await send(page, text);
    await page.getByText(/You are sending too fast\. Messages continue in \d+ s\./).waitFor();
    await messageWith(page, "Five").locator(".tick.queued").waitFor();
    await messageWith(page, "Five").locator(".tick.sent, .tick.delivered").waitFor();
    assert.deepEqual(
        (await stack.messages(slow, room)).map(({ content }) => content),
        texts,
    );
    assert.deepEqual(await page.locator(".message .content").allTextContents(), texts);
    await page.getByText("You are sending too fast").waitFor({ state: "detached" });
    shared.expectQuiet(page);
});
