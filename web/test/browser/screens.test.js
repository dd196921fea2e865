/** Screenshots of all screens, for people to look at: in the folder `SCREENSHOTS`, otherwise only in memory. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { useStack } from "./harness.js";
import { SCREENS, SIZES } from "./screens.js";

const shared = useStack();
const folder = process.env.SCREENSHOTS;

/** @param {any} page @param {string} name */
async function capture(page, name) {
    const image = await page.screenshot({ animations: "disabled" });
    assert.ok(image.length > 2000, `${name} is not empty`);
    if (folder) await writeFile(join(folder, `${name}.png`), image);
}

for (const colorScheme of ["dark", "light"]) {
    for (const viewport of SIZES) {
        test(`every screen can be reached from the one before: ${colorScheme}, ${viewport.width} px`, async () => {
            const page = await shared.open("ana", "", { colorScheme, viewport });
            await page.locator("a.room").first().waitFor();
            for (const [name, reach] of Object.entries(SCREENS)) {
                await reach(page);
                await capture(page, `${name}-${colorScheme}-${viewport.width}`);
            }
            shared.expectQuiet(page);
        });
    }
}

test("the start page, and two people side by side", async () => {
    const page = await (await shared.profile({ viewport: { width: 960, height: 600 } })).newPage();
    await page.goto(shared.stack.http);
    await page.getByText("Open Ana and Ben side by side").waitFor();
    await capture(page, "start");
    await page.getByText("Open Ana and Ben side by side").click();
    for (const n of [0, 1]) {
        const frame = page.frameLocator("iframe").nth(n);
        await frame.locator(".message").last().waitFor();
        await frame.locator(".status", { hasText: "online" }).waitFor();
    }
    await capture(page, "pair");
    shared.expectQuiet(page);
});
