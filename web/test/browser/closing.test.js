/** Rooms that close while they are open. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { act, messageWith, send, useStack } from "./harness.js";

const shared = useStack("--no-demo");

/** A group of two with an open page of its member, who has written a draft. */
async function openGroup(owner, member, name) {
    const { stack } = shared;
    const users = [await stack.user(owner), await stack.user(member)];
    await stack.befriend(users[0], users[1]);
    const body = { participant_ids: [users[1].id], is_group: true, name };
    const room = (await stack.call(users[0], "POST", "/chat/rooms", body)).id;
    const page = await shared.open(member, `#/r/${room}`);
    await page.locator("h1", { hasText: name }).waitFor();
    return { users, room, page };
}

test("a group that is deleted while it is open closes with a notice", async () => {
    const { users, room, page } = await openGroup("del", "delmember", "Short-lived");
    await shared.stack.call(users[0], "DELETE", `/chat/rooms/${room}`);
    await page.getByText("This conversation is not available").waitFor();
    await page.getByRole("link", { name: "Messages" }).click();
    await page.getByText("No conversations yet").waitFor();
    shared.expectQuiet(page);
});

test("a participant who is removed while the group is open sees that it is closed, and keeps the unsent text", async () => {
    const { users, room, page } = await openGroup("rem", "remmember", "Closed club");
    await page.locator("#message").fill("Half a thought");
    await shared.stack.call(users[0], "DELETE", `/chat/rooms/${room}/participants/${users[1].id}`);
    await page.getByText("This conversation is not available").waitFor();
    await shared.stack.call(users[0], "PUT", `/chat/rooms/${room}/participants/${users[1].id}`);
    await page.locator("#message").waitFor();
    assert.equal(await page.locator("#message").inputValue(), "Half a thought");
    shared.expectQuiet(page);
});

test("the user leaves and deletes groups, and blocks a person, after a question", async () => {
    const { users, page } = await openGroup("own", "leaver", "Left group");
    await page.getByRole("link", { name: "Details", exact: true }).click();
    await page.getByRole("button", { name: "Leave group" }).click();
    await page.locator("dialog[open]").getByRole("button", { name: "Leave" }).click();
    await page.locator("h1", { hasText: "Messages" }).waitFor();
    await page.getByText("No conversations yet").waitFor();

    const room = (
        await shared.stack.call(users[1], "POST", "/chat/rooms", { participant_ids: [users[0].id] })
    ).id;
    const owner = await shared.open("own", `#/r/${room}`);
    await page.goto(`${shared.stack.http}/?as=leaver#/r/${room}`);
    await send(page, "Hello");
    await messageWith(owner, "Hello").waitFor();
    await page.getByRole("link", { name: "Details", exact: true }).click();
    await page.getByRole("button", { name: "Block" }).click();
    await page.locator("dialog[open]").getByRole("button", { name: "Block" }).click();
    await page.locator("li", { hasText: "own" }).getByRole("button", { name: "Unblock" }).waitFor();
    // The blocked person is not told, but a message is no longer accepted. Its text is not lost.
    await send(owner, "Are you there?");
    await owner.locator(".notice blockquote", { hasText: "Are you there?" }).waitFor();
    await owner.locator(".notice").getByRole("button", { name: "Close" }).click();
    await owner.locator(".notice").waitFor({ state: "detached" });
    await owner.getByText("This conversation is not available").waitFor();
    shared.expectQuiet(page, owner);
});

test("roles of a group are managed from its details", async () => {
    const { users, room, page } = await openGroup("boss", "helper", "Track team");
    const boss = await shared.open("boss", `#/r/${room}/info`);
    await boss.getByRole("button", { name: "Manage helper" }).click();
    await boss.locator("dialog[open]").getByRole("button", { name: "Make an admin" }).click();
    await page.getByText("boss made you an admin").waitFor();
    await page.goto(`${shared.stack.http}/?as=helper#/r/${room}/info`);
    await page.getByRole("button", { name: "Edit group" }).click();
    await page.locator("dialog[open]").getByLabel("Name").fill("Trail team");
    await page.locator("dialog[open]").getByRole("button", { name: "Save" }).click();
    await boss.locator(".card-title", { hasText: "Trail team" }).waitFor();
    await page.goto(`${shared.stack.http}/?as=helper#/r/${room}`);
    await send(page, "Renamed it");
    await act(page, "Renamed it", "Pin");
    await page.locator(".pin-bar", { hasText: "Renamed it" }).waitFor();
    assert.equal((await shared.stack.call(users[0], "GET", `/chat/rooms/${room}`)).name, "Trail team");
    shared.expectQuiet(page, boss);
});
