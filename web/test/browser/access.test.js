/** Accessibility: axe on every screen, the whole story by keyboard, and what the live region says. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { messageWith, send, until, useStack } from "./harness.js";
import { SCREENS, SIZES } from "./screens.js";

const shared = useStack();
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

for (const colorScheme of ["dark", "light"]) {
    for (const viewport of SIZES) {
        test(`axe finds nothing on any screen: ${colorScheme}, ${viewport.width} px`, async () => {
            const page = await shared.open("ana", "", { colorScheme, viewport, reducedMotion: "reduce" });
            await page.locator("a.room").first().waitFor();
            await page.evaluate(axe);
            for (const [name, reach] of Object.entries(SCREENS)) {
                await reach(page);
                const found = await page.evaluate(async () => {
                    // @ts-ignore: axe is a global variable of the page.
                    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
                    return violations.flatMap(({ id, impact, nodes }) =>
                        nodes.map(
                            (node) => `${impact} ${id}: ${node.html.slice(0, 160)} ${node.failureSummary}`,
                        ),
                    );
                });
                assert.deepEqual(found, [], name);
                assert.equal(await page.locator("h1").count(), 1, `${name} has one h1`);
                const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
                assert.ok(overflow <= 0, `${name} is ${overflow} px too wide`);
                const small = await page
                    .locator("button:visible, a.row:visible, select:visible, .tab:visible")
                    .evaluateAll((all) =>
                        all
                            .filter(
                                (it) => !it.matches(".reaction") && it.getBoundingClientRect().height < 44,
                            )
                            .map((it) => it.outerHTML.slice(0, 120)),
                    );
                assert.deepEqual(small, [], `${name}: targets below 44 px`);
            }
            shared.expectQuiet(page);
            await page.context().close();
        });
    }
}

test("a user finds a chat, writes, edits, reacts and goes back by keyboard alone", async () => {
    const page = await shared.open("ben");
    await page.locator("a.room").first().waitFor();
    await page.getByPlaceholder("Search").focus();
    await page.keyboard.type("ana");
    await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.locator("h1", { hasText: /ana/i }).waitFor();
    await page.locator(".message").last().waitFor();
    await page.keyboard.press("F6");
    await page.locator("#message").focus();
    await page.keyboard.type("By keyboard");
    await page.keyboard.press("Enter");
    await messageWith(page, "By keyboard").locator(".tick.sent, .tick.delivered, .tick.read").waitFor();
    await page.keyboard.press("ArrowUp");
    await page.getByText("Edit message").waitFor();
    await page.keyboard.press("Escape");
    await page.getByText("Edit message").waitFor({ state: "detached" });
    await page.keyboard.press("ArrowUp");
    await page.keyboard.type("!");
    await page.keyboard.press("Enter");
    await messageWith(page, "By keyboard!").getByText("edited").waitFor();

    // Shift+Tab from the field reaches the log, whose messages the arrow keys walk.
    await page.keyboard.press("Shift+Tab");
    while (!(await page.evaluate(() => document.activeElement?.matches(".message")))) {
        await page.keyboard.press("Shift+Tab");
    }
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowDown");
    assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ""), /By keyboard!/);
    await page.keyboard.press("Enter");
    await page.locator("dialog[open]").waitFor();
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "detached" });
    assert.match(
        await page.evaluate(() => document.activeElement?.textContent ?? ""),
        /By keyboard!/,
        "focus returns",
    );
    await page.keyboard.press("Enter");
    await page.locator("dialog[open]").waitFor();
    await page.locator("dialog[open] .emoji").first().focus();
    await page.keyboard.press("Enter");
    await messageWith(page, "By keyboard!").locator(".reaction", { hasText: "👍" }).waitFor();
    shared.expectQuiet(page);
    await page.context().close();
});

test("the live region names the sender once, and counts several messages", async () => {
    const { stack } = shared;
    const [nia, oli] = [await stack.user("nia", "Nia Okafor"), await stack.user("oli")];
    const room = await stack.directRoom(nia, oli);
    const page = await shared.open("oli", `#/r/${room}`);
    await page.getByText(/Say hi/).waitFor();
    await until(page, () => document.querySelector(".strip")?.hasAttribute("hidden") ?? true);
    const sender = await shared.open("nia", `#/r/${room}`);
    await send(sender, "Are you there?");
    await until(page, () =>
        /^nia( okafor)?: Are you there\?$/i.test(document.querySelector("#live")?.textContent ?? ""),
    );
    // The page collects what arrives within its interval, so the clock of the page stands still meanwhile.
    await page.clock.install();
    await page.clock.pauseAt(Date.now() + 1000);
    for (const text of ["One", "Two", "Three"]) await send(sender, text);
    await messageWith(page, "Three").waitFor();
    await page.clock.runFor(1000);
    await until(page, () => document.querySelector("#live")?.textContent === "3 new messages");
    shared.expectQuiet(page, sender);
});
