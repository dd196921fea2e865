/** All screens of the client, with the demo data: for the checks of accessibility and the screenshots. */
import { messageWith } from "./harness.js";

const room = (page, title) =>
    page.locator("a.room", { has: page.locator(".room-title", { hasText: title }) });

async function openRoom(page, title) {
    await go(page, "#/");
    await room(page, title).first().click();
    await page.locator(".message").last().waitFor();
}

async function go(page, hash) {
    await page.evaluate((hash) => {
        if (location.hash !== hash) location.hash = hash;
    }, hash);
}

/**
 * @type {Record<string, (page: any) => Promise<unknown>>} A name and how to reach it from any other screen.
 */
export const SCREENS = {
    messages: async (page) => {
        await go(page, "#/");
        await room(page, "Sunday long run").waitFor();
    },
    "messages-search": async (page) => {
        await go(page, "#/");
        await page.locator(".list-pane").getByPlaceholder("Search").fill("nobody");
        await page.getByText("No conversation found").waitFor();
    },
    chat: async (page) => {
        await page.locator(".list-pane").getByPlaceholder("Search").fill("");
        await openRoom(page, "Ben");
    },
    group: (page) => openRoom(page, "Sunday long run"),
    actions: async (page) => {
        await openRoom(page, "Sunday long run");
        await messageWith(page, "Same time next week?").focus();
        await page.keyboard.press("Enter");
        await page.locator("dialog[open]").waitFor();
    },
    reply: async (page) => {
        await page.locator("dialog[open]").getByRole("button", { name: "Reply", exact: true }).click();
        await page.locator(".composer-context").waitFor();
    },
    details: async (page) => {
        await page.getByRole("button", { name: "Cancel" }).click();
        await page.getByRole("link", { name: "Details", exact: true }).click();
        await page.locator(".themes").waitFor();
    },
    question: async (page) => {
        await page.getByRole("button", { name: "Leave group" }).click();
        await page.locator("dialog[open]").waitFor();
    },
    people: async (page) => {
        await page.keyboard.press("Escape");
        await page.locator("dialog").waitFor({ state: "detached" });
        await go(page, "#/people");
        await page.locator(".person").first().waitFor();
        await page.locator(".skeleton").waitFor({ state: "detached" });
    },
    "people-search": async (page) => {
        await page.getByPlaceholder("Username or email address").fill("el");
        await page.locator('[data-user="elif"]').waitFor();
    },
    "people-nobody": async (page) => {
        await page.getByPlaceholder("Username or email address").fill("zzzz");
        await page.getByText("Nobody found").waitFor();
    },
    requests: async (page) => {
        await go(page, "#/people/requests");
        await page.locator('[data-user="dev"]').waitFor();
    },
    blocked: async (page) => {
        await go(page, "#/people/blocked");
        await page.getByText("Nobody blocked").waitFor();
    },
    "new-group": async (page) => {
        await go(page, "#/new-group");
        await page.locator("label.row").first().waitFor();
    },
    profile: async (page) => {
        await go(page, "#/me");
        await page.getByRole("button", { name: "Sign out" }).waitFor();
    },
    privacy: async (page) => {
        await go(page, "#/me/privacy");
        await page.getByText("Who can find you").waitFor();
    },
    person: async (page) => {
        await go(page, "#/people");
        await page.getByPlaceholder("Username or email address").fill("");
        await page.locator(".person-link", { hasText: "Ben" }).first().click();
        await page.getByRole("button", { name: "Block" }).waitFor();
    },
};

export const SIZES = [
    { width: 360, height: 740 },
    { width: 1280, height: 800 },
];
