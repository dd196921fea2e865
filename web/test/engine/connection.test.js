import assert from "node:assert/strict";
import { test } from "node:test";

import { Driver, ROOM, START, message, synced } from "./driver.js";

const MINUTE = 60_000;

/** The connections that were opened. @param {Driver} driver */
const handshakes = (driver) => driver.of("connect").length;

/** @param {Driver} driver */
function close(
    driver,
    socket = driver.state.connection.socket ?? driver.state.connection.next,
    wasOpen = true,
) {
    return driver.event({ type: "socket_closed", socket, wasOpen, reason: "closed" });
}

test("hello follows the handshake", () => {
    const driver = new Driver().start();
    assert.equal(driver.state.connection.status, "connecting");
    driver.event({ type: "socket_open", socket: driver.state.connection.next, expiresAt: null });
    assert.deepEqual(
        driver.of("send").map((effect) => effect.frame.type),
        ["hello"],
    );
});

test("no response to hello within 10 s is a failed handshake", () => {
    const driver = new Driver().start();
    const socket = driver.state.connection.next;
    driver.event({ type: "socket_open", socket, expiresAt: null });
    driver.advance(9999);
    assert.equal(driver.of("disconnect").length, 0);
    driver.advance(1);
    assert.deepEqual(
        driver.of("disconnect").map((effect) => effect.socket),
        [socket],
    );
    assert.equal(driver.state.connection.status, "waiting");
});

test("reconnects after a random part of 1 s, 2 s, 4 s and so on up to 60 s", () => {
    const driver = new Driver().start();
    driver.random = 0.999;
    const delays = [];
    for (let attempt = 0; attempt < 9; attempt += 1) {
        close(driver, driver.state.connection.next);
        const delay = driver.state.connection.retryAt - driver.now;
        delays.push(Math.round(delay / 999));
        driver.advance(delay);
    }
    assert.deepEqual(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
});

test("the delays start again after a complete sync, not after a handshake alone", () => {
    const driver = new Driver().start();
    close(driver, driver.state.connection.next).advance(1000);
    assert.equal(driver.state.connection.attempt, 1);
    driver.establish();
    assert.equal(driver.state.connection.attempt, 1);
    driver.sync([]);
    assert.equal(driver.state.connection.attempt, 0);
});

test("a refused handshake is explained by GET /users/me", () => {
    const driver = new Driver().start();
    close(driver, driver.state.connection.next, false);
    driver.respond("/users/me", { code: "token_expired" }, { status: 401 });
    assert.equal(driver.state.connection.status, "signed_out");
    assert.deepEqual(driver.of("signed_out"), [{ type: "signed_out", isDeleted: false }]);
    driver.advance(10 * MINUTE);
    assert.equal(handshakes(driver), 1);
});

test("a refused handshake with a valid token backs off", () => {
    const driver = new Driver().start();
    close(driver, driver.state.connection.next, false);
    driver.respond("/users/me", {}, { status: 200 });
    assert.equal(driver.state.connection.status, "waiting");
    driver.advance(1000);
    assert.equal(handshakes(driver), 2);
});

test("no handshake is made with an expired token", () => {
    const driver = new Driver().start();
    const socket = driver.state.connection.next;
    driver.event({ type: "socket_closed", socket, wasOpen: false, reason: "expired" });
    assert.equal(driver.state.connection.status, "signed_out");
    assert.equal(driver.calls.length, 0);
});

test("a host that has no token at this time is asked again", () => {
    const driver = new Driver().start();
    const socket = driver.state.connection.next;
    driver.event({ type: "socket_closed", socket, wasOpen: false, reason: "no_token" });
    assert.equal(driver.state.connection.status, "waiting");
    assert.equal(driver.calls.length, 0);
    driver.advance(1000);
    assert.equal(handshakes(driver), 2);
});

test("a 401 of any call ends the session, and invalid_token means that the account is deleted", () => {
    const driver = new Driver().start().establish();
    driver.respond("/friends/blocks", { code: "invalid_token" }, { status: 401 });
    assert.deepEqual(driver.of("signed_out"), [{ type: "signed_out", isDeleted: true }]);
    assert.equal(driver.state.connection.socket, null);
});

test("token_expired on the connection asks for a new token", () => {
    const driver = new Driver().live();
    driver.frame("error", { code: "token_expired", message: "Expired.", retry_after: null });
    assert.deepEqual(driver.of("connect").at(-1), {
        type: "connect",
        socket: driver.state.connection.next,
        isExpired: true,
    });
    assert.equal(driver.state.connection.status, "connecting");
});

test("a ping follows five minutes without a frame, and no pong within 10 s ends the connection", () => {
    const driver = new Driver().live();
    driver.answersPings = false;
    const pings = () => driver.of("send").filter((effect) => effect.frame.type === "ping").length;
    driver.advance(4 * MINUTE);
    driver.event({ type: "typing", roomId: ROOM, isTyping: true });
    driver.advance(4 * MINUTE);
    assert.equal(pings(), 0);
    driver.advance(MINUTE);
    assert.equal(pings(), 1);
    driver.frame("pong", { timestamp: 1 }, "ping").advance(10_000);
    assert.equal(driver.state.connection.status, "live");
    driver.advance(5 * MINUTE);
    assert.equal(pings(), 2);
    assert.equal(driver.state.connection.status, "waiting");
});

test("a new connection replaces the old one after 100 to 115 minutes, without a break", () => {
    for (const [random, minutes] of [
        [0, 100],
        [0.999, 114.98],
    ]) {
        const driver = new Driver();
        driver.random = random;
        driver.start().establish().sync([synced()]);
        const old = driver.state.connection.socket;
        driver.advance(minutes * MINUTE - 1000);
        assert.equal(handshakes(driver), 1);
        driver.advance(2000);
        assert.equal(handshakes(driver), 2);
        assert.deepEqual([driver.state.connection.status, driver.state.connection.socket], ["live", old]);
        driver.frame("new_message", message(1));
        assert.deepEqual(driver.seqs(), [1], "the old connection still works");
        driver.establish();
        assert.equal(driver.state.connection.status, "live");
        assert.deepEqual(
            driver.of("disconnect").map((effect) => effect.socket),
            [old],
        );
        assert.equal(driver.callsTo("/chat/sync").length, 1);
    }
});

test("the token is replaced a minute before it expires, or earlier if it is short", () => {
    for (const [life, before] of [
        [60 * MINUTE, MINUTE],
        [2 * MINUTE, 12_000],
    ]) {
        const driver = new Driver()
            .start()
            .establish(START + life)
            .sync([]);
        driver.advance(life - before - 1);
        assert.equal(handshakes(driver), 1);
        driver.advance(1);
        assert.equal(driver.of("connect").at(-1).isExpired, true);
    }
});

test("a connection that closes leads to a sync on the next one", () => {
    const driver = new Driver().live();
    close(driver);
    assert.equal(driver.state.connection.status, "waiting");
    driver.advance(1000).establish();
    assert.equal(driver.state.connection.status, "catching_up");
    assert.deepEqual(driver.callsTo("/chat/sync")[0].body.rooms, { [ROOM]: { seq: 0, rev: 0 } });
});

test("without a network the status is offline, and the client connects when it returns", () => {
    const driver = new Driver().live();
    driver.answersPings = false;
    driver.event({ type: "online", isOnline: false });
    assert.equal(driver.state.connection.status, "live", "the connection may still work");
    driver.advance(10_000);
    assert.equal(driver.state.connection.status, "offline");
    driver.event({ type: "online", isOnline: true });
    assert.equal(driver.state.connection.status, "connecting");
});

test("a user who returns does not wait for the next attempt", () => {
    const driver = new Driver().start();
    for (let attempt = 0; attempt < 6; attempt += 1)
        close(driver, driver.state.connection.next).advance(32_000);
    close(driver, driver.state.connection.next);
    const count = handshakes(driver);
    driver.event({ type: "view", tab: "t", rooms: [], isVisible: false });
    driver.event({ type: "wake" });
    assert.equal(handshakes(driver), count + 1);
});

test("events of earlier connections are ignored", () => {
    const driver = new Driver().live();
    const old = driver.state.connection.socket;
    close(driver).advance(1000).establish().sync([]);
    driver.event({ type: "socket_frame", socket: old, frame: { type: "new_message", data: message(1) } });
    close(driver, old);
    assert.deepEqual([driver.state.connection.status, driver.seqs()], ["live", []]);
});

test("a stopped client keeps no timers of its connection and no calls", () => {
    const driver = new Driver().live();
    driver.event({ type: "stop" });
    assert.deepEqual([...driver.timers.keys()], []);
    assert.equal(driver.state.calls.size, 0);
});
