import assert from "node:assert/strict";
import { test } from "node:test";

import { ANA, BEN, Driver, ROOM, synced } from "./driver.js";

const friend = (is_online, last_seen = null) => ({
    id: BEN,
    user_id: BEN,
    username: "ben",
    display_name: null,
    avatar_url: null,
    created_at: "2026-01-31T09:00:00.000Z",
    is_online,
    last_seen,
});
const request = (id, sender_id = BEN, receiver_id = ANA) => ({
    id,
    sender_id,
    receiver_id,
    status: "pending",
    created_at: "2026-01-31T09:00:00.000Z",
    sender_username: "ben",
    receiver_username: "ana",
});

/** A connected client with these lists. */
function live({ friends = [], received = [], sent = [], blocks = [] } = {}) {
    const driver = new Driver().live();
    driver.respond("/friends/requests?direction=received", received);
    driver.respond("/friends/requests?direction=sent", sent);
    driver.respond("/friends/blocks", blocks);
    return driver.respond("/friends/", friends).respond("/users/me", { id: ANA, username: "ana" });
}

test("all lists and the profile are loaded after each hello, not before", () => {
    const driver = new Driver().start();
    assert.deepEqual(driver.calls, []);
    driver.establish();
    const paths = driver.calls.map((call) => call.path).filter((path) => !path.startsWith("/chat"));
    const requests = ["/friends/requests?direction=received", "/friends/requests?direction=sent"];
    assert.deepEqual(paths.sort(), ["/friends/", "/friends/blocks", ...requests, "/users/me"].sort());
});

test("a list that fails to load is loaded again", () => {
    const driver = new Driver()
        .live()
        .respond("/friends/blocks", { code: "busy" }, { status: 503, retryAfter: 2 });
    assert.equal(driver.callsTo("/friends/blocks").length, 0);
    driver.advance(2000);
    assert.equal(driver.callsTo("/friends/blocks").length, 1);
});

test("only the last of two responses counts", () => {
    const driver = new Driver().live();
    const [first] = driver.callsTo("/friends/blocks");
    driver.frame("block_changed", { user_id: BEN, is_blocked: true });
    driver.event({ type: "http", id: first.id, response: { status: 200, body: [], retryAfter: null } });
    driver.calls = driver.calls.filter((call) => call !== first);
    driver.respond("/friends/blocks", [{ user_id: BEN }]);
    assert.equal(driver.state.blocks.length, 1);
});

test("frames about requests and friends update the lists", () => {
    const driver = live({ sent: [request("s1", ANA, BEN)] });
    driver.frame("friend_request_received", request("r1"));
    assert.deepEqual(
        driver.state.requests.received.map((it) => it.id),
        ["r1"],
    );
    driver.frame("friend_request_cancelled", { request_id: "r1" });
    assert.deepEqual(driver.state.requests.received, []);
    driver.frame("friend_request_responded", { request_id: "s1", user_id: BEN, action: "accepted" });
    assert.deepEqual(driver.state.requests.sent, []);
    driver.respond("/friends/", [friend(true)]);
    assert.equal(driver.state.friends.length, 1);
    driver.frame("friend_removed", { user_id: BEN });
    assert.deepEqual([driver.state.friends, driver.state.presence.size], [[], 0]);
});

test("requests of other devices of the user update the lists", () => {
    const driver = live({ received: [request("r1")] });
    driver.frame("friend_request_sent", request("s1", ANA, BEN));
    assert.deepEqual(
        driver.state.requests.sent.map((it) => it.id),
        ["s1"],
    );
    const data = { request_id: "r1", user_id: ANA, action: "accepted", friend: friend(true) };
    driver.frame("friend_request_responded", data);
    assert.deepEqual([driver.state.requests.received, driver.state.friends.length], [[], 1]);
    assert.equal(driver.state.presence.get(BEN)?.is_online, true);
    assert.equal(driver.calls.filter((call) => call.path === "/friends/").length, 0, "nothing to load");
});

test("a block removes the user and syncs, an unblock loads the requests", () => {
    const driver = live({ friends: [friend(true)], received: [request("r1")] });
    driver.frame("block_changed", { user_id: BEN, is_blocked: true });
    assert.deepEqual([driver.state.friends, driver.state.requests.received], [[], []]);
    assert.equal(driver.callsTo("/chat/sync").length, 1);
    driver.sync([], { left: [ROOM] });
    assert.equal(driver.state.rooms.size, 0);
    driver.frame("block_changed", { user_id: BEN, is_blocked: false });
    assert.equal(driver.callsTo("/friends/requests").length, 2);
});

test("a friend is shown as offline 15 seconds after the frame", () => {
    const driver = live({ friends: [friend(true)] });
    const isOnline = () => driver.state.presence.get(BEN)?.is_online;
    const last_seen = "2026-01-31T09:40:00.000Z";
    driver.frame("user_status_change", { user_id: BEN, is_online: false, last_seen }).advance(14_999);
    assert.equal(isOnline(), true);
    driver.frame("user_status_change", { user_id: BEN, is_online: true, last_seen: null }).advance(60_000);
    assert.equal(isOnline(), true, "a phone that has switched networks");
    driver.frame("user_status_change", { user_id: BEN, is_online: false, last_seen }).advance(15_000);
    assert.deepEqual(driver.state.presence.get(BEN), { is_online: false, last_seen });
});

test("presence that is not shared stays unknown", () => {
    assert.deepEqual(live({ friends: [friend(null)] }).state.presence.get(BEN), {
        is_online: null,
        last_seen: null,
    });
});

test("responses of the user's calls update the lists like frames", () => {
    const driver = live({ received: [request("r1"), request("r2")] });
    const respond = (method, path, body = null) =>
        driver.event({ type: "response", request: { method, path }, body });
    respond("POST", "/friends/requests", request("s1", ANA, BEN));
    assert.deepEqual(
        driver.state.requests.sent.map((it) => it.id),
        ["s1"],
    );
    respond("PUT", "/friends/requests/r1?action=accepted");
    respond("PUT", "/friends/requests/r2?action=rejected");
    respond("DELETE", "/friends/requests/s1");
    assert.deepEqual(driver.state.requests, { received: [], sent: [] });
    assert.equal(driver.callsTo("/friends/").filter((call) => call.path === "/friends/").length, 1);
    driver.respond("/friends/", [friend(true)]);
    respond("DELETE", `/friends/${BEN}`);
    assert.deepEqual(driver.state.friends, []);
    respond("PATCH", "/users/me", { id: ANA, username: "anna" });
    assert.equal(driver.state.profile.username, "anna");
});

test("lists are stored, and shown before the connection", () => {
    const driver = live({ friends: [friend(true)] });
    const meta = Object.assign({}, ...driver.of("persist").map((effect) => effect.changes.meta));
    const restarted = new Driver().start({ meta });
    assert.deepEqual(restarted.state.friends, driver.state.friends);
    assert.equal(restarted.state.profile.username, "ana");
    assert.equal(restarted.state.connection.status, "connecting");
});
