/** The types of the browser client. `api.d.ts` is generated from `openapi.yaml`. */

import type { components } from "./api.js";

type Schemas = components["schemas"];

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
export type Participant = Schemas["Participant"] & { display_name?: string | null };
export type Me = Schemas["Me"];
export type Friend = Schemas["Friend"];
export type FriendRequest = Schemas["FriendRequest"];
export type BlockedUser = Schemas["BlockedUser"];
export type UserProfile = Schemas["UserProfile"];
export type UserSearchResult = Schemas["UserSearchResult"];
export type SuggestedUser = Schemas["SuggestedUser"];
export type Reactor = Schemas["Reactor"];
export type RoomSettings = Schemas["RoomSettings"];
export type FieldError = Schemas["FieldError"];
export type Message = Omit<Schemas["Message"], "payload"> & {
    payload: { [name: string]: any } | null;
    sender_display_name?: string | null;
};
export type Room = Omit<Schemas["ChatRoom"], "last_message" | "participants"> & {
    last_message: Message | null;
    participants: Participant[];
    /** The position of the first message that the user sees. */
    first_seq?: number;
};
export type RoomSync = Omit<Schemas["RoomSync"], "room" | "messages" | "changed"> & {
    room: Room;
    messages: Message[];
    changed: Message[];
};
export type SyncResponse = Omit<Schemas["SyncResponse"], "rooms"> & {
    rooms: RoomSync[];
    unchanged?: UnchangedRoom[];
};
/** A room of which the device misses no message and no change. */
export type UnchangedRoom = {
    id: string;
    unread_count: number;
    read_seq: number;
    delivered_seq: number;
    others_read_seq: number;
    others_delivered_seq: number;
    receipts: { user_id: string; read_seq: number; delivered_seq: number }[];
    settings: RoomSettings | null;
};

/** A frame in either direction. A frame of the gateway itself has no `type`. */
export type Frame = { type: string; data: any; ref?: string | number };

/** A room as the device stores it. */
export type RoomState = {
    /** The device has all messages up to this position. */
    seq: number;
    /** The device has all changes up to this revision. */
    rev: number;
    /** The room of the last response, with every later change applied. */
    room: Room;
    /** The stored end of the log, in ascending order. */
    messages: Message[];
    /** What all others have read and received, as of the last sync. */
    others: { read: number; delivered: number } | null;
    /** What the user has read on this device; the service may not know it yet. */
    readSeq: number;
    /** Whether the first message that the user sees is stored. */
    hasAll: boolean;
    /** The service's count of unread messages, when the newest message had position `seq`. */
    unread: { seq: number; count: number };
};

/** The body of a send, without the fields that the outbox adds. */
export type NewMessage = {
    content?: string;
    message_type?: string;
    reply_to_id?: string | null;
    payload?: { [name: string]: any } | null;
    media_url?: string | null;
    forward_room_id?: string;
    forward_message_id?: string;
};

/** A message in the outbox. It is stored before the first attempt. */
export type OutboxEntry = {
    /** The order of entries, assigned by the store. */
    n: number;
    /** `client_message_id`. */
    key: string;
    roomId: string;
    body: NewMessage;
    afterSeq: number;
    createdAt: number;
    /** Why the message cannot be sent. */
    failure: Failure | null;
    /** The message in the log, from the acknowledgement until the log contains it. */
    sent: Message | null;
};

export type Failure = { code: string; detail: string };

/** A room that has disappeared with messages that were not sent. */
export type Notice = { id: number; roomId: string; title: string; unsent: string[] };

export type ConnectionStatus = "connecting" | "catching_up" | "live" | "waiting" | "offline" | "signed_out";

/** A response of the HTTP API; `null` if none arrived. */
export type HttpResponse = {
    status: number;
    body: any;
    retryAfter: number | null;
    nextCursor: string | null;
} | null;

export type HttpRequest = { method: string; path: string; body?: any };

export type Effect =
    | { type: "connect"; socket: number; isExpired: boolean }
    | { type: "disconnect"; socket: number }
    | { type: "send"; socket: number; frame: Frame }
    | { type: "http"; id: number; request: HttpRequest }
    | { type: "timer"; name: string; at: number | null }
    | { type: "persist"; changes: Changes; positions: [string, number][] }
    | { type: "notify"; message: Message }
    | { type: "signed_out"; isDeleted: boolean };

/** What differs between two states, as the store keeps it. */
export type Changes = {
    meta: { [name: string]: any };
    rooms: StoredRoom[];
    deletedRooms: string[];
    messages: Message[];
    deletedMessages: [string, number][];
    outbox: OutboxEntry[];
    deletedOutbox: number[];
    drafts: [string, string | null][];
};

export type StoredRoom = Omit<RoomState, "messages"> & { id: string };

/** What the store returns at the start. */
export type Stored = {
    meta: { [name: string]: any };
    rooms: StoredRoom[];
    messages: Message[];
    outbox: OutboxEntry[];
    drafts: [string, string][];
};

export type Event =
    | { type: "start"; stored: Stored; me: string; isOnline: boolean }
    | { type: "socket_open"; socket: number; expiresAt: number | null }
    | { type: "socket_frame"; socket: number; frame: Frame }
    | { type: "socket_closed"; socket: number; wasOpen: boolean; reason: "closed" | "no_token" | "expired" }
    | { type: "http"; id: number; response: HttpResponse }
    | { type: "timer"; name: string }
    | { type: "persisted"; positions: [string, number][] }
    | { type: "online"; isOnline: boolean }
    | { type: "view"; tab: string; rooms: string[]; isVisible: boolean }
    | { type: "queued"; entry: OutboxEntry }
    | { type: "retry"; key: string }
    | { type: "discard"; key: string }
    | { type: "draft"; roomId: string; text: string }
    | { type: "typing"; roomId: string; isTyping: boolean }
    | { type: "load_older"; roomId: string }
    | { type: "action"; key: number | string; change: Overlay | null }
    | { type: "response"; request: HttpRequest; body: any }
    | { type: "not_found"; roomId: string }
    | { type: "dismiss"; id: number }
    | { type: "wake" }
    | { type: "sign_out"; isDeleted: boolean }
    | { type: "stop" };

/** A change that is shown before the service has confirmed it. */
export type Overlay = {
    roomId: string;
    /** The changed message; `null` for a change of the room. */
    seq: number | null;
    message?: Partial<Message>;
    reaction?: { emoji: string; isAdded: boolean };
    pin?: { id: string; isPinned: boolean };
    settings?: Partial<RoomSettings>;
};

/** Where the client stores its state: IndexedDB in browsers. */
export type Store = {
    load(): Promise<Stored>;
    /** Stores the changes of a step, all or none. */
    commit(changes: Changes): Promise<void>;
    /** Stores a new entry durably, and returns it with its number. */
    queue(entry: Omit<OutboxEntry, "n">): Promise<OutboxEntry>;
    /** Deletes everything. */
    destroy(): Promise<void>;
    close(): void;
};

export type ClientOptions = {
    /** The base URL of the HTTP API, such as `http://127.0.0.1:3000`. */
    api: string;
    /** The URL of the WebSocket API, such as `ws://127.0.0.1:3001/live`. */
    socket: string;
    /** Returns an access token; with `isExpired`, a new one. Rejects if it cannot at this time. */
    getToken(isExpired: boolean): Promise<string>;
    onSignedOut?(): void;
    /** The user, if no token is available at the start. */
    userId?: string;
    /** For tests and other hosts than browsers. */
    openStore?(name: string): Promise<Store>;
    WebSocket?: typeof WebSocket;
};

export type Presence = { is_online: boolean | null; last_seen: string | null };

export type EngineState = {
    me: string;
    profile: Me | null;
    connection: Connection;
    rooms: Map<string, RoomState>;
    outbox: OutboxEntry[];
    /** The send in progress of each room. */
    sending: Map<string, Sending>;
    limitedUntil: number | null;
    drafts: Map<string, string>;
    friends: Friend[];
    requests: { received: FriendRequest[]; sent: FriendRequest[] };
    blocks: BlockedUser[];
    presence: Map<string, Presence>;
    typing: Map<string, Map<string, { name: string; until: number }>>;
    /** The last `typing_start` of this client. */
    typingSent: { roomId: string; at: number } | null;
    sync: Sync;
    /** Frames above a gap, by room. */
    aside: Map<string, Frame[]>;
    /** The HTTP calls in progress. */
    calls: Map<number, Call>;
    listAttempts: { [name: string]: number };
    views: Map<string, { rooms: string[]; isVisible: boolean }>;
    /** The first unread message of each open room, when it was opened. */
    lines: Map<string, number | null>;
    older: Map<string, Older>;
    /** Up to which position each room is stored. */
    committed: Map<string, number>;
    /** The receipts sent on this connection. */
    receipts: Map<string, Receipts>;
    overlays: Map<number | string, Overlay>;
    notices: Notice[];
    counter: number;
    isLoaded: boolean;
    isOnline: boolean;
};

/** The state of loading older messages of a room. */
export type Older = {
    isLoading: boolean;
    error: string | null;
    /** Changes of messages that are not stored, since the page was requested: the page can be older. */
    missed: Frame[];
};

export type Connection = {
    status: ConnectionStatus;
    retryAt: number | null;
    attempt: number;
    /** The established connection. */
    socket: number | null;
    /** The connection whose handshake is in progress. */
    next: number | null;
    /** When the token of the connection expires. */
    expiresAt: number | null;
    /** When the token of the connection has to be replaced. */
    renewAt: number;
};

export type Sending = {
    key: string;
    attempt: number;
    state: "frame" | "http" | "waiting" | "lookup";
    /** When the next attempt may start, if the state is `waiting`. */
    dueAt: number;
};

export type Sync = {
    isActive: boolean;
    /** `null`: all rooms. */
    named: string[] | null;
    /** Another sync follows: `null` for none, otherwise of these rooms, or of all. */
    again: { named: string[] | null } | null;
    cursor: string | null;
    isPageDue: boolean;
    unloaded: string[];
    partial: string[];
    deferred: Frame[];
    attempt: number;
};

export type Receipts = {
    read: number;
    delivered: number;
    readAt: number;
    deliveredAt: number;
};

export type Call = {
    kind: string;
    roomId?: string;
    key?: string;
    name?: string;
    attempt?: number;
    [field: string]: any;
};

// The seam between the client and its views: docs/web.md.

export type RoomRow = {
    id: string;
    room: Room;
    title: string;
    peer: Participant | null;
    preview: Message | null;
    unread: number;
    tick: Tick;
    draft: string;
    typing: { user_id: string; name: string }[];
    isMuted: boolean;
    isPinned: boolean;
    isArchived: boolean;
};

export type Tick = "queued" | "sending" | "failed" | "sent" | "delivered" | "read" | null;

export type MessageView = Message & {
    /** The sender's present name, if the sender is a participant. */
    senderName: string;
    senderAvatar: string | null;
    isMine: boolean;
    tick: Tick;
    failure: Failure | null;
    key: string;
};

export type RoomView = {
    row: RoomRow;
    messages: MessageView[];
    hasOlder: boolean;
    isLoadingOlder: boolean;
    olderError: string | null;
    pins: string[];
    firstUnreadSeq: number | null;
};

export type ClientState = {
    me: Me | null;
    connection: { status: ConnectionStatus; retryAt: number | null };
    isLoaded: boolean;
    rooms: RoomRow[];
    friends: Friend[];
    requests: { received: FriendRequest[]; sent: FriendRequest[] };
    blocks: BlockedUser[];
    presence: Map<string, Presence>;
    unreadTotal: number;
    limitedUntil: number | null;
    notices: Notice[];
};
