/** Two people find each other and chat. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { act, messageWith, send, shownLog, until, useStack } from "./harness.js";

const shared = useStack("--no-demo");

test("two people find each other, become friends and chat, and both pages show the same", async () => {
    const { stack } = shared;
    await stack.user("mia");
    await stack.user("tom");
    const [mia, tom] = [await shared.open("mia"), await shared.open("tom")];
    let loads = 0;
    for (const page of [mia, tom]) page.on("load", () => (loads += 1));

    await mia.getByRole("link", { name: "Find friends" }).first().click();
    await mia.getByPlaceholder("Username or email address").fill("tom");
    await mia.locator('[data-user="tom"]').getByRole("button", { name: "Add" }).click();
    await mia.locator('[data-user="tom"]').getByRole("button", { name: "Cancel request" }).waitFor();

    // The badge appears without a reload, and its link leads to the request.
    await tom.locator(".people-link", { hasText: "1 request" }).click();
    await tom.locator('[data-user="mia"]').getByRole("button", { name: "Accept" }).click();
    await mia.locator('[data-user="tom"]').getByRole("button", { name: "Message" }).click();
    await mia.locator("h1", { hasText: "tom" }).waitFor();
    await mia.getByText("Say hi to tom").waitFor();

    await mia.locator("#message").fill("Hi Tom!");
    await mia.locator("#message").press("Enter");
    await messageWith(mia, "Hi Tom!").locator(".tick.delivered").waitFor();
    await tom.getByRole("button", { name: "Back" }).click();
    await tom.locator("a.room .badge", { hasText: "1" }).waitFor();
    await tom.locator("a.room").click();
    await messageWith(mia, "Hi Tom!").locator(".tick.read").waitFor();

    await tom.locator("#message").pressSequentially("Hi");
    await mia.getByText("tom is typing…").waitFor();
    await tom.locator("#message").fill("");
    await send(tom, "Morning run tomorrow?");
    await act(mia, "Morning run tomorrow?", "👍");
    await tom.locator(".reaction", { hasText: "👍" }).waitFor();
    await act(mia, "Morning run tomorrow?", "Reply");
    await send(mia, "Seven, at the bridge");
    await tom.locator(".quote", { hasText: "Morning run tomorrow?" }).waitFor();
    await act(mia, "Seven, at the bridge", "Edit");
    await mia.locator("#message").fill("Eight, at the bridge");
    await mia.locator("#message").press("Enter");
    await messageWith(tom, "Eight, at the bridge").getByText("edited").waitFor();
    await send(tom, "Wrong chat");
    await act(tom, "Wrong chat", "Delete for everyone");
    await tom.locator("dialog[open]").getByRole("button", { name: "Delete" }).click();
    await mia.getByText("Message deleted").waitFor();
    await send(mia, "See you there");
    await messageWith(mia, "See you there").locator(".tick.read").waitFor();
    await act(tom, "See you there", "Pin");
    await mia.locator(".pin-bar", { hasText: "See you there" }).waitFor();
    await until(mia, () => document.querySelectorAll(".mine .tick:not(.read)").length === 0);

    const expected = [
        { from: "mia", text: "Hi Tom!" },
        { from: "tom", text: "Morning run tomorrow?", reactions: ["👍 1"] },
        {
            from: "mia",
            text: "Eight, at the bridge",
            quote: "Morning run tomorrow?",
            quoted: "tom",
            isEdited: true,
        },
        { from: "tom", text: "Message deleted" },
        { from: "mia", text: "See you there" },
    ].map((message) => ({ quote: null, quoted: null, reactions: [], isEdited: false, ...message }));
    assert.deepEqual(await shownLog(mia, "mia", "tom"), expected);
    assert.deepEqual(await shownLog(tom, "tom", "mia"), expected);
    assert.equal(loads, 0, "no page was reloaded");
    shared.expectQuiet(mia, tom);
});

test("the start page opens two demo users side by side", async () => {
    const { stack } = shared;
    const [ana, ben] = [await stack.user("ana"), await stack.user("ben")];
    await stack.directRoom(ana, ben);
    const page = await (await shared.profile({ viewport: { width: 1280, height: 800 } })).newPage();
    await page.goto(`${stack.http}/?pair=ana,ben`);
    const [left, right] = [0, 1].map((n) => page.frameLocator("iframe").nth(n));
    await left.locator("h1", { hasText: "ben" }).waitFor();
    await right.locator("h1", { hasText: "ana" }).waitFor();
    await left.locator("#message").fill("Hi Ben");
    await left.locator("#message").press("Enter");
    await right.locator(".theirs .content", { hasText: "Hi Ben" }).waitFor();
    await left.locator(".mine .tick.read").waitFor();
    shared.expectQuiet(page);
});

test("the browser's own back leads from the details to the chat and to the list", async () => {
    const { stack } = shared;
    const [kim, lou] = [await stack.user("kim"), await stack.user("lou")];
    await stack.directRoom(kim, lou);
    const page = await shared.open("kim", "", { viewport: { width: 360, height: 740 } });
    await page.locator("a.room").click();
    await page.getByRole("link", { name: "Details", exact: true }).click();
    await page.locator("h1", { hasText: "Details" }).waitFor();
    await page.goBack();
    await page.locator("h1", { hasText: "lou" }).waitFor();
    await page.goBack();
    await page.locator("h1", { hasText: "Messages" }).waitFor();
    assert.equal(await page.locator(".pane").count(), 1, "one view at a time");
    shared.expectQuiet(page);
});
