/**
 * WebSocket connections. Each has a number that the engine has chosen. What happens becomes an event.
 *
 * @import {Event, Frame} from '../types/index.js'
 */

import { claimsOf } from "./token.js";

export class Sockets {
    /** @type {Map<number, WebSocket | null>} */
    #sockets = new Map();
    #options;

    /**
     * @param {{
     *     url: string, deviceId: string, getToken: (isExpired: boolean) => Promise<string>,
     *     emit: (event: Event) => void, WebSocket: typeof WebSocket,
     * }} options
     */
    constructor(options) {
        this.#options = options;
    }

    /**
     * @param {number} socket
     * @param {boolean} isExpired
     */
    async connect(socket, isExpired) {
        this.#sockets.set(socket, null);
        const token = await this.#token(isExpired).catch(() => null);
        if (!this.#sockets.has(socket)) return;
        if (token === null) return this.#close(socket, false, "no_token");
        const { expiresAt } = claimsOf(token);
        // A handshake with an expired token counts against the rate limit, and cannot succeed.
        if (expiresAt !== null && expiresAt <= Date.now()) return this.#close(socket, false, "expired");
        this.#open(socket, token, expiresAt);
    }

    /** @param {boolean} isExpired */
    async #token(isExpired) {
        const token = await this.#options.getToken(isExpired);
        const { expiresAt } = claimsOf(token);
        const hasExpired = !isExpired && expiresAt !== null && expiresAt <= Date.now();
        return hasExpired ? this.#options.getToken(true) : token;
    }

    /**
     * @param {number} socket
     * @param {string} token
     * @param {number | null} expiresAt
     */
    #open(socket, token, expiresAt) {
        const { url, deviceId, emit, WebSocket } = this.#options;
        const query = new URLSearchParams({ device_id: deviceId });
        // Browsers log the URLs of failed sockets, so the token is in a header.
        const connection = new WebSocket(`${url}?${query}`, ["athlytiq.v1", `bearer.${token}`]);
        this.#sockets.set(socket, connection);
        let wasOpen = false;
        connection.onopen = () => {
            wasOpen = true;
            if (this.#sockets.has(socket)) emit({ type: "socket_open", socket, expiresAt });
        };
        connection.onmessage = ({ data }) => {
            const frame = parse(data);
            if (frame && this.#sockets.has(socket)) emit({ type: "socket_frame", socket, frame });
        };
        // Some hosts report a refused handshake only as an error.
        connection.onerror = () => wasOpen || this.#close(socket, wasOpen, "closed");
        connection.onclose = () => this.#close(socket, wasOpen, "closed");
    }

    /**
     * @param {number} socket
     * @param {boolean} wasOpen
     * @param {'closed' | 'no_token' | 'expired'} reason
     */
    #close(socket, wasOpen, reason) {
        if (this.#sockets.delete(socket))
            this.#options.emit({ type: "socket_closed", socket, wasOpen, reason });
    }

    /**
     * @param {number} socket
     * @param {Frame} frame
     */
    send(socket, frame) {
        const connection = this.#sockets.get(socket);
        // A frame on a connection that has closed is lost: `socket_closed` follows.
        if (connection?.readyState === 1) connection.send(JSON.stringify(frame));
    }

    /** Closes a connection without an event. @param {number} socket */
    disconnect(socket) {
        const connection = this.#sockets.get(socket);
        this.#sockets.delete(socket);
        connection?.close();
    }

    close() {
        for (const socket of [...this.#sockets.keys()]) this.disconnect(socket);
    }
}

/**
 * @param {string} text
 * @returns {Frame | null}
 */
function parse(text) {
    try {
        const frame = JSON.parse(text);
        return typeof frame?.type === "string" ? frame : null;
    } catch {
        return null;
    }
}
