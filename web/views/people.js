/** Find friends: search and suggestions, requests, blocked people. */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { icon } from "./icons.js";
import { counted, day, nameOf } from "./text.js";
import { avatarOf, badge, empty, loaded, paneHead, tabs } from "./widgets.js";

/** @import { App } from './app.js' */
/** @import { FriendRequest, Person } from './types.d.ts' */

const DEBOUNCE_MS = 250;
const SHORTEST_QUERY = 2;

/** @param {App} app @param {'search' | 'requests' | 'blocked'} tab */
export function peoplePane(app, tab) {
    const { requests } = app.state;
    const views = { search: searchTab, requests: requestsTab, blocked: blockedTab };
    return html`<main class="pane main">
        ${paneHead(app, { title: "Find friends", parent: app.isWide ? null : "#/", isMain: true })}
        ${tabs(
            [
                { href: "#/people", text: "Search", isCurrent: tab === "search" },
                {
                    href: "#/people/requests",
                    text: html`Requests ${badge(requests.received.length, "received")}`,
                    isCurrent: tab === "requests",
                },
                { href: "#/people/blocked", text: "Blocked", isCurrent: tab === "blocked" },
            ],
            "Find friends",
        )}
        <div class="scroll">${views[tab](app)}</div>
    </main>`;
}

/** @param {App} app */
function searchTab(app) {
    /** @type {{ query: string, asked: string, timer: ReturnType<typeof setTimeout> | undefined }} */
    const search = app.local("people", () => ({ query: "", asked: "", timer: undefined }));
    /** @param {Event} event */
    const typed = (event) => {
        search.query = /** @type {HTMLInputElement} */ (event.target).value;
        clearTimeout(search.timer);
        search.timer = setTimeout(() => {
            const query = search.query.trim();
            search.asked = query.length >= SHORTEST_QUERY ? query : "";
            // Asked again each time: the relationships may have changed.
            app.forget(`resource:search:${search.asked}`);
            app.draw();
        }, DEBOUNCE_MS);
    };
    return html`
        <label class="search">
            <span class="visually-hidden">Search people</span>${icon("search")}
            <input
                type="search"
                placeholder="Username or email address"
                autocomplete="off"
                .value=${search.query}
                @input=${typed}
            />
        </label>
        ${search.asked ? results(app, search.asked) : beforeSearch(app)}
    `;
}

/** @param {App} app @param {string} query */
function results(app, query) {
    const resource = app.resource(`search:${query}`, () => app.client.search(query));
    return loaded(resource, (people) =>
        people.length === 0
            ? empty({ title: "Nobody found", text: "Check the spelling, or ask them for their username." })
            : personList(app, people),
    );
}

/** @param {App} app */
function beforeSearch(app) {
    const resource = app.resource("suggestions", () => app.client.suggestions());
    const { friends } = app.state;
    return html`
        ${loaded(resource, (people) =>
            people.length === 0
                ? nothing
                : html`<h2 class="section">People you may know</h2>
                      ${personList(app, people)}`,
        )}
        ${
            friends.length === 0
                ? empty({
                      title: "No friends yet",
                      text: "Search for people by their username or email address.",
                  })
                : html`<h2 class="section">${counted(friends.length, "friend")}</h2>
                      ${personList(app, friends)}`
        }
    `;
}

/** @param {App} app @param {Person[]} people */
function personList(app, people) {
    return html`<ul class="list">
        ${repeat(
            people,
            (person) => person.id,
            (person) =>
                html`<li class="row person" data-user=${person.username}>
                    <a class="person-link" href="#/u/${person.id}">
                        ${avatarOf(person, app.state.presence.get(person.id)?.is_online)}
                        <span class="person-text">
                            <span class="ellipsis" dir="auto">${nameOf(person)}</span>
                            <span class="muted ellipsis" dir="auto">
                                ${person.mutual_count ? counted(person.mutual_count, "mutual friend") : `@${person.username}`}
                            </span>
                        </span>
                    </a>
                    ${relationshipAction(app, person)}
                </li>`,
        )}
    </ul>`;
}

/** How the caller is related to a person now: the client's lists are newer than a search result.
 * @param {App} app @param {Person} person */
export function relationship(app, person) {
    const { friends, requests } = app.state;
    if (friends.some((friend) => friend.user_id === person.id)) return "friends";
    if (requests.sent.some((request) => request.receiver_id === person.id)) return "request_sent";
    if (requests.received.some((request) => request.sender_id === person.id)) return "request_received";
    return "none";
}

/** @param {App} app @param {Person} person */
export function relationshipAction(app, person) {
    const { requests } = app.state;
    const key = `person:${person.id}`;
    const isBusy = app.busy.has(key);
    /** @param {string} text @param {() => Promise<unknown>} action @param {string} [style] */
    const button = (text, action, style = "") =>
        html`<button class="button small ${style}" ?disabled=${isBusy} @click=${() => app.run(key, action)}>
            ${text}
        </button>`;
    switch (relationship(app, person)) {
        case "friends":
            return button("Message", async () => app.go(`#/r/${await app.client.openDirect(person.id)}`));
        case "request_sent": {
            const sent = requests.sent.find((request) => request.receiver_id === person.id);
            return sent ? button("Cancel request", () => app.client.cancelRequest(sent.id)) : nothing;
        }
        case "request_received": {
            const received = requests.received.find((request) => request.sender_id === person.id);
            return received
                ? button("Accept", () => app.client.respond(received.id, "accepted"), "primary")
                : nothing;
        }
        default:
            return button("Add", () => app.client.requestFriend(person.id), "primary");
    }
}

/** @param {App} app */
function requestsTab(app) {
    const { received, sent } = app.state.requests;
    return html`
        <h2 class="section">Received</h2>
        ${
            received.length === 0
                ? html`<p class="muted pad">No requests</p>`
                : html`<ul class="list">
                      ${received.map((request) => receivedRow(app, request))}
                  </ul>`
        }
        <h2 class="section">Sent</h2>
        ${
            sent.length === 0
                ? html`<p class="muted pad">No requests</p>`
                : html`<ul class="list">
                      ${sent.map((request) => sentRow(app, request))}
                  </ul>`
        }
    `;
}

/**
 * @param {string} id
 * @param {{ display_name?: string | null, username: string | null }} person
 * @param {FriendRequest} request
 */
const requester = (id, person, request) =>
    html`<a class="person-link" href="#/u/${id}">
        ${avatarOf(person)}
        <span class="person-text">
            <span class="ellipsis" dir="auto">${nameOf(person)}</span>
            <span class="muted">${day(request.created_at)}</span>
        </span>
    </a>`;

/** @param {App} app @param {FriendRequest} request */
function receivedRow(app, request) {
    const key = `request:${request.id}`;
    const sender = { username: request.sender_username };
    /** @param {'accepted' | 'rejected'} action */
    const respond = (action) => () => app.run(key, () => app.client.respond(request.id, action));
    return html`<li class="row person" data-user=${request.sender_username ?? ""}>
        ${requester(request.sender_id, sender, request)}
        <span class="row-buttons">
            <button class="button small" ?disabled=${app.busy.has(key)} @click=${respond("rejected")}>
                Decline
            </button>
            <button class="button small primary" ?disabled=${app.busy.has(key)} @click=${respond("accepted")}>
                Accept
            </button>
        </span>
    </li>`;
}

/** @param {App} app @param {FriendRequest} request */
function sentRow(app, request) {
    const key = `request:${request.id}`;
    return html`<li class="row person" data-user=${request.receiver_username ?? ""}>
        ${requester(request.receiver_id, { username: request.receiver_username }, request)}
        <button
            class="button small"
            ?disabled=${app.busy.has(key)}
            @click=${() => app.run(key, () => app.client.cancelRequest(request.id))}
        >
            Cancel
        </button>
    </li>`;
}

/** @param {App} app */
function blockedTab(app) {
    const { blocks } = app.state;
    if (blocks.length === 0) {
        return empty({
            title: "Nobody blocked",
            text: "Blocked people cannot find you, or send you messages.",
        });
    }
    return html`<ul class="list">
        ${blocks.map((blocked) => {
            const key = `block:${blocked.user_id}`;
            return html`<li class="row person">
                ${avatarOf(blocked)}
                <span class="person-text">
                    <span class="ellipsis" dir="auto">${nameOf(blocked)}</span>
                    <span class="muted">Blocked ${day(blocked.blocked_at).toLowerCase()}</span>
                </span>
                <button
                    class="button small"
                    ?disabled=${app.busy.has(key)}
                    @click=${() => app.run(key, () => app.client.unblock(blocked.user_id))}
                >
                    Unblock
                </button>
            </li>`;
        })}
    </ul>`;
}
