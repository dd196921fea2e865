// The types that the views use.
export type { Client } from "../client.js";
export type {
    ClientState,
    Friend,
    FriendRequest,
    Me,
    Message,
    MessageView,
    Participant,
    Reactor,
    Room,
    RoomRow,
    RoomSettings,
    RoomView,
    Tick,
} from "../types/index.js";

/** What search results, suggestions, profiles and friends have in common. */
export interface Person {
    id: string;
    username: string;
    display_name: string | null;
    avatar_url: string | null;
    mutual_count?: number;
    is_online?: boolean | null;
    last_seen?: string | null;
}
