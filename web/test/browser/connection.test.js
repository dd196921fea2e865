/** Broken connections, crashed tabs, several tabs, and a start without a network. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { messageWith, send, soon, untilAsync, useStack } from "./harness.js";
import { SocketProxy, useProxy } from "./proxy.js";

const shared = useStack("--no-demo");

/** Two friends, and their room. */
async function friends(one, other) {
    const users = [await shared.stack.user(one), await shared.stack.user(other)];
    return { users, room: await shared.stack.directRoom(users[0], users[1]) };
}

const contents = async (user, room) =>
    (await shared.stack.messages(user, room)).map(({ content }) => content);

test("a connection that breaks before the acknowledgement sends the message once", async () => {
    const { users, room } = await friends("cut", "other");
    const proxy = await SocketProxy.start(shared.stack.addresses.ws);
    const context = await shared.profile();
    await useProxy(context, shared.stack, proxy);
    // Without HTTP either, until the network is back.
    let isOffline = false;
    await context.route("**/api/v1/**", (route) => (isOffline ? route.abort() : route.continue()));
    const page = await context.newPage();
    await page.goto(`${shared.stack.http}/?as=cut#/r/${room}`);
    await page.locator("#message").waitFor();
    await page.locator(".strip", { hasText: "…" }).waitFor({ state: "hidden" });
    await send(page, "Before");
    await messageWith(page, "Before").locator(".tick.sent").waitFor();

    isOffline = true;
    const cut = proxy.cutReplyTo("send_message");
    await send(page, "Once");
    await soon(cut, "the cut");
    await messageWith(page, "Once").locator(".tick.sending, .tick.queued").waitFor();
    assert.deepEqual(await contents(users[0], room), ["Before", "Once"], "the service has it already");
    isOffline = proxy.isDown = false;
    await messageWith(page, "Once").locator(".tick.sent").waitFor();
    assert.deepEqual(await contents(users[0], room), ["Before", "Once"]);
    assert.equal(await page.locator(".message .content", { hasText: "Once" }).count(), 1);
    shared.expectQuiet(page);
    await context.close();
    await proxy.stop();
});

test("a tab that crashes with a queued message sends it once after the next start", async () => {
    const { users, room } = await friends("crash", "crashother");
    const proxy = await SocketProxy.start(shared.stack.addresses.ws);
    const context = await shared.profile();
    await useProxy(context, shared.stack, proxy);
    let isOffline = false;
    await context.route("**/api/v1/**", (route) => (isOffline ? route.abort() : route.continue()));
    const page = await context.newPage();
    const address = `${shared.stack.http}/?as=crash#/r/${room}`;
    await page.goto(address);
    await page.getByText("Say hi to crashother").waitFor();
    isOffline = proxy.isDown = true;
    proxy.cut();
    await send(page, "Survives");
    await messageWith(page, "Survives").locator(".tick").waitFor();
    // The tab ends at once, without any event that it could react to.
    const devtools = await context.newCDPSession(page);
    const crashed = page.waitForEvent("crash");
    devtools.send("Page.crash").catch(() => {});
    await soon(crashed, "the crash");
    assert.deepEqual(await contents(users[0], room), []);

    isOffline = proxy.isDown = false;
    const next = await context.newPage();
    await next.goto(address);
    await messageWith(next, "Survives").locator(".tick.sent").waitFor();
    assert.deepEqual(await contents(users[0], room), ["Survives"]);
    await context.close();
    await proxy.stop();
});

test("a start without a network shows the stored rooms, and sends later what the user writes", async () => {
    const { users, room } = await friends("offline", "reader");
    const group = await shared.stack.call(users[0], "POST", "/chat/rooms", {
        participant_ids: [users[1].id],
        is_group: true,
        name: "Runners",
    });
    await shared.stack.call(users[1], "POST", "/chat/messages", { chat_room_id: room, content: "Stored" });
    const context = await shared.profile({ serviceWorkers: "allow" });
    const page = await context.newPage();
    await page.goto(`${shared.stack.http}/?as=offline#/r/${room}`);
    await messageWith(page, "Stored").waitFor();
    await untilAsync(
        page,
        async () => (await (await caches.open("shell-1")).match("/views/main.js")) !== undefined,
    );
    await page.close();

    await context.setOffline(true);
    const offline = await context.newPage();
    await offline.goto(`${shared.stack.http}/?as=offline#/r/${room}`);
    await messageWith(offline, "Stored").waitFor();
    for (const text of ["One", "Two"]) await send(offline, text);
    await offline.evaluate((id) => (location.hash = `#/r/${id}`), group.id);
    await offline.locator("h1", { hasText: "Runners" }).waitFor();
    await send(offline, "Three");
    await messageWith(offline, "Three").locator(".tick.queued, .tick.sending").waitFor();
    assert.deepEqual(await contents(users[1], room), ["Stored"]);

    await context.setOffline(false);
    await messageWith(offline, "Three").locator(".tick.sent, .tick.delivered").waitFor();
    await offline.evaluate((id) => (location.hash = `#/r/${id}`), room);
    await messageWith(offline, "Two").locator(".tick.sent, .tick.delivered").waitFor();
    assert.deepEqual(await contents(users[1], room), ["Stored", "One", "Two"]);
    await context.close();
});

test("two tabs share one connection, and the second takes over when the first is closed", async () => {
    const { users, room } = await friends("tabs", "tabsother");
    const proxy = await SocketProxy.start(shared.stack.addresses.ws);
    const context = await shared.profile();
    await useProxy(context, shared.stack, proxy);
    const address = `${shared.stack.http}/?as=tabs#/r/${room}`;
    const leader = await context.newPage();
    await leader.goto(address);
    await send(leader, "From the first");
    await messageWith(leader, "From the first").locator(".tick.sent").waitFor();
    const follower = await context.newPage();
    await follower.goto(address);
    await messageWith(follower, "From the first").locator(".tick.sent").waitFor();
    await send(follower, "From the second");
    await messageWith(follower, "From the second").locator(".tick.sent").waitFor();
    await messageWith(leader, "From the second").locator(".tick.sent").waitFor();
    assert.equal(proxy.accepted, 1, "one connection");

    await leader.close();
    await shared.stack.call(users[1], "POST", "/chat/messages", {
        chat_room_id: room,
        content: "After the first",
    });
    await messageWith(follower, "After the first").waitFor();
    await send(follower, "Still here");
    await messageWith(follower, "Still here").locator(".tick.sent").waitFor();
    assert.equal(proxy.accepted, 2);
    assert.deepEqual(await contents(users[0], room), [
        "From the first",
        "From the second",
        "After the first",
        "Still here",
    ]);
    shared.expectQuiet(follower);
    await context.close();
    await proxy.stop();
});
