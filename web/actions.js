/**
 * What the user does. A change of an existing thing is repeated until the service answers: it states the
 * desired result.
 *
 * @import {HttpRequest, Message, NewMessage, Overlay, RoomSettings, Store} from './types/index.js'
 * @import {Runtime} from './platform/runtime.js'
 */

import { backoff } from "./engine/backoff.js";
import { ApiError, Http } from "./platform/http.js";

/** The number of attempts of a call that can be repeated. */
const ATTEMPTS = 4;

/** The part of a path that is a message. @param {Message} message */
const pathOf = ({ chat_room_id, id }) => `/chat/rooms/${chat_room_id}/messages/${id}`;

/**
 * @param {{runtime: Runtime, http: Http, store: Store, me: string, deviceId: string}} client
 */
export function actionsOf({ runtime, http, store, me, deviceId }) {
    let keys = 0;

    /**
     * @param {HttpRequest} request
     * @param {string | null} [roomId] The room that a 404 is about.
     */
    async function call(request, roomId = null) {
        // Creating a group or a request twice has another result than doing it once.
        const attempts = request.method === "POST" ? 1 : ATTEMPTS;
        for (let attempt = 0; ; attempt += 1) {
            const response = await http.call(request);
            if (response && response.status < 300) {
                if (request.method !== "GET")
                    runtime.dispatch({ type: "response", request, body: response.body });
                return response;
            }
            const isTemporary = !response || response.status >= 500;
            if (isTemporary && attempt + 1 < attempts) {
                const delay = response?.retryAfter
                    ? response.retryAfter * 1000
                    : backoff(attempt, Math.random);
                await new Promise((resolve) => setTimeout(resolve, delay));
                continue;
            }
            if (response?.status === 401) {
                runtime.dispatch({ type: "sign_out", isDeleted: response.body?.code === "invalid_token" });
            } else if (response?.status === 404 && roomId) {
                runtime.dispatch({ type: "not_found", roomId });
            }
            throw ApiError.of(response);
        }
    }

    const get = async (/** @type {string} */ path) => (await call({ method: "GET", path }))?.body;

    /**
     * Shows a change at once, and takes it back if the service refuses it.
     * @param {HttpRequest} request
     * @param {Overlay} change
     */
    async function change(request, change) {
        keys += 1;
        const key = `${runtime.tabs.id}:${keys}`;
        runtime.dispatch({ type: "action", key, change });
        try {
            return (await call(request, change.roomId)).body;
        } finally {
            runtime.dispatch({ type: "action", key, change: null });
        }
    }

    /**
     * @param {Message} message
     * @param {string} method
     * @param {string} suffix
     * @param {Partial<Overlay>} shown
     */
    const changeMessage = (message, method, suffix, shown, /** @type {any} */ body = undefined) =>
        change(
            { method, path: pathOf(message) + suffix, ...(body ? { body } : {}) },
            { roomId: message.chat_room_id, seq: message.seq, ...shown },
        );

    /** @param {HttpRequest} request @param {string | null} [roomId] */
    const act = async (request, roomId) => (await call(request, roomId))?.body;

    /**
     * @param {string} roomId
     * @param {NewMessage} message
     */
    async function send(roomId, message) {
        const room = runtime.state.rooms.get(roomId);
        const entry = await store.queue({
            key: crypto.randomUUID(),
            roomId,
            body: message,
            afterSeq: room?.seq ?? 0,
            createdAt: Date.now(),
            failure: null,
            sent: null,
        });
        runtime.dispatch({ type: "queued", entry });
        return entry.key;
    }

    /** @param {HttpRequest} request */
    async function createRoom(request) {
        const { body } = await call(request);
        /** @type {string} */
        const id = body.id;
        // In a tab that does not lead, the state follows. The room may also be gone already.
        const delay = new Promise((resolve) => setTimeout(resolve, 2000));
        await Promise.race([runtime.until((state) => state.rooms.has(id)), delay]);
        return id;
    }

    return {
        /** @param {string} id */
        openRoom(id) {
            const { rooms } = runtime.view;
            if (!rooms.includes(id)) runtime.setView({ rooms: [...rooms, id] });
        },
        /** @param {string} id */
        closeRoom: (id) => runtime.setView({ rooms: runtime.view.rooms.filter((it) => it !== id) }),
        /** @param {boolean} isVisible */
        setVisible: (isVisible) => runtime.setView({ isVisible }),
        /** @param {string} id */
        loadOlder: (id) => runtime.dispatch({ type: "load_older", roomId: id }),
        /** @param {string} roomId @param {string} text */
        setDraft: (roomId, text) => runtime.dispatch({ type: "draft", roomId, text }),
        /** @param {string} roomId @param {boolean} isTyping */
        setTyping: (roomId, isTyping) => runtime.dispatch({ type: "typing", roomId, isTyping }),
        /** @param {number} id */
        dismiss: (id) => runtime.dispatch({ type: "dismiss", id }),
        /** Connects at once instead of waiting. */
        reconnect: () => runtime.dispatch({ type: "wake" }),

        send,
        /** @param {string} key */
        retry: (key) => runtime.dispatch({ type: "retry", key }),
        /** @param {string} key */
        discard: (key) => runtime.dispatch({ type: "discard", key }),
        /** @param {Message} message @param {string} content */
        edit: (message, content) =>
            changeMessage(message, "PATCH", "", { message: { content, is_edited: true } }, { content }),
        /** @param {Message} message */
        remove: (message) => act({ method: "DELETE", path: pathOf(message) }, message.chat_room_id),
        /** @param {Message} message @param {string} emoji */
        react: (message, emoji) =>
            changeMessage(message, "PUT", `/reactions/${encodeURIComponent(emoji)}`, {
                reaction: { emoji, isAdded: true },
            }),
        /** @param {Message} message @param {string} emoji */
        unreact: (message, emoji) =>
            changeMessage(message, "DELETE", `/reactions/${encodeURIComponent(emoji)}`, {
                reaction: { emoji, isAdded: false },
            }),
        /** @param {Message} message @param {string} roomId */
        forward: (message, roomId) =>
            send(roomId, { forward_room_id: message.chat_room_id, forward_message_id: message.id }),
        /** @param {Message} message */
        pin: (message) => changeMessage(message, "PUT", "/pin", { pin: { id: message.id, isPinned: true } }),
        /** @param {Message} message */
        unpin: (message) =>
            changeMessage(message, "DELETE", "/pin", { pin: { id: message.id, isPinned: false } }),
        /**
         * The messages around a position, newest first: they are not stored.
         * @param {string} roomId
         * @param {number} seq
         * @returns {Promise<Message[]>}
         */
        around: (roomId, seq) => get(`/chat/rooms/${roomId}/messages?limit=50&around_seq=${seq}`),
        /** @param {string} roomId @returns {Promise<Message[]>} */
        listPins: (roomId) => get(`/chat/rooms/${roomId}/pins`),
        /** @param {Message} message */
        listReactions: (message) => get(`${pathOf(message)}/reactions`),

        /** @param {string} query */
        search: (query) => get(`/friends/search?query=${encodeURIComponent(query)}`),
        suggestions: () => get("/friends/suggestions"),
        /** @param {string} userId */
        profile: (userId) => get(`/users/${userId}`),
        /** @param {string} userId */
        mutual: (userId) => get(`/friends/${userId}/mutual`),
        /** @param {string} userId */
        requestFriend: (userId) =>
            act({ method: "POST", path: "/friends/requests", body: { receiver_id: userId } }),
        /** @param {string} requestId @param {'accepted' | 'rejected'} action */
        respond: (requestId, action) =>
            answer({ method: "PUT", path: `/friends/requests/${requestId}?action=${action}` }),
        /** @param {string} requestId */
        cancelRequest: (requestId) => answer({ method: "DELETE", path: `/friends/requests/${requestId}` }),
        /** @param {string} userId */
        unfriend: (userId) => act({ method: "DELETE", path: `/friends/${userId}` }),
        /** @param {string} userId */
        block: (userId) => act({ method: "PUT", path: `/friends/blocks/${userId}` }),
        /** @param {string} userId */
        unblock: (userId) => act({ method: "DELETE", path: `/friends/blocks/${userId}` }),
        /**
         * @param {{reason: string, text?: string, user_id?: string, chat_room_id?: string, message_id?:
         * string}} body
         */
        report: (body) => act({ method: "POST", path: "/reports", body }),

        /** @param {string} userId */
        openDirect: (userId) =>
            createRoom({
                method: "POST",
                path: "/chat/rooms",
                body: { participant_ids: [userId], is_group: false },
            }),
        /** @param {{name?: string, participant_ids: string[]}} group */
        createGroup: (group) =>
            createRoom({ method: "POST", path: "/chat/rooms", body: { ...group, is_group: true } }),
        /**
         * @param {string} id
         * @param {{
         *     name?: string | null, avatar_url?: string | null, description?: string | null,
         *     history_visibility?: string,
         * }} patch
         */
        updateGroup: (id, patch) => act({ method: "PATCH", path: `/chat/rooms/${id}`, body: patch }, id),
        /** @param {string} id @param {string[]} userIds */
        async addParticipants(id, userIds) {
            for (const userId of userIds) {
                await act({ method: "PUT", path: `/chat/rooms/${id}/participants/${userId}` }, id);
            }
        },
        /** @param {string} id @param {string} userId */
        removeParticipant: (id, userId) =>
            act({ method: "DELETE", path: `/chat/rooms/${id}/participants/${userId}` }, id),
        /** @param {string} id @param {string} userId @param {'owner' | 'admin' | 'member'} role */
        setRole: (id, userId, role) =>
            act({ method: "PUT", path: `/chat/rooms/${id}/participants/${userId}`, body: { role } }, id),
        /** @param {string} id */
        leave: (id) => act({ method: "DELETE", path: `/chat/rooms/${id}/participants/${me}` }, id),
        /** @param {string} id */
        deleteGroup: (id) => act({ method: "DELETE", path: `/chat/rooms/${id}` }, id),
        /** @param {string} id @param {Partial<RoomSettings>} settings */
        updateSettings: (id, settings) =>
            change(
                { method: "PATCH", path: `/chat/rooms/${id}/settings`, body: settings },
                { roomId: id, seq: null, settings },
            ),

        /** @param {{username?: string, display_name?: string | null, avatar_url?: string | null}} patch */
        updateProfile: (patch) => act({ method: "PATCH", path: "/users/me", body: patch }),
        /** @param {Record<string, string | boolean>} settings */
        updatePrivacy: (settings) => act({ method: "PATCH", path: "/users/me", body: { settings } }),
        /** The id of this device. */
        deviceId,
        devices: () => get("/devices"),
        registerDevice: () =>
            http.call({ method: "PUT", path: `/devices/${deviceId}`, body: { platform: "web" } }),
        /** @param {string} id */
        removeDevice: (id) => act({ method: "DELETE", path: `/devices/${id}` }),
        /**
         * Signs out this device, and deletes its data. The token stays valid until it expires: the host
         * forgets it.
         */
        async signOut() {
            await http.call({ method: "DELETE", path: `/devices/${deviceId}` });
            runtime.dispatch({ type: "sign_out", isDeleted: true });
        },
        /**
         * Repeats the call until the account is deleted: 202 means that another call completes the deletion.
         */
        async deleteAccount() {
            await act({ method: "DELETE", path: "/users/me" });
            runtime.dispatch({ type: "sign_out", isDeleted: true });
        },
    };

    /** A request that no longer exists is no longer pending. @param {HttpRequest} request */
    async function answer(request) {
        try {
            return await act(request);
        } catch (error) {
            if (error instanceof ApiError && error.status === 404) {
                runtime.dispatch({
                    type: "response",
                    request: { ...request, path: request.path.split("?")[0] },
                    body: null,
                });
            }
            throw error;
        }
    }
}
