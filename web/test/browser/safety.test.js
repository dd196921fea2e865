/** Text of other users is text. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { until, useStack } from "./harness.js";

const shared = useStack("--no-demo", "--env", "RATE_LIMITS=off");

const ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<body onload=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<math><mtext></math><img src onerror=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    'https://example.com/"onmouseover="alert(1)',
    "https://example.com/'onmouseover='alert(1)",
    "https://example.com/<script>alert(1)</script>",
    "https://example.com/${alert(1)}",
    "https://javascript:alert(1)@example.com",
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<!--<img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<template><script>alert(1)</script></template>",
    "<link rel=stylesheet href=https://example.com/x.css>",
    "<style>*{display:none}</style>",
    "<meta http-equiv=refresh content='0;url=https://example.com'>",
    "<base href=https://example.com>",
    "<form action=https://example.com><button>x</button></form>",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "<!--?lit$0$-->",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "<ScRiPt>alert(1)</sCrIpT>",
    "\u202egnp.exe",
    "<x onclick=alert(1) style=position:fixed;inset:0>x</x>",
];

test("markup in messages, names and descriptions is shown as text", async () => {
    const { stack } = shared;
    const [eve, bob] = [await stack.user("eve"), await stack.user("bob")];
    await stack.befriend(eve, bob);
    const [script, image] = ATTACKS;
    await stack.call(eve, "PATCH", "/users/me", { display_name: image });
    const group = await stack.call(eve, "POST", "/chat/rooms", {
        participant_ids: [bob.id],
        is_group: true,
        name: script,
    });
    await stack.call(eve, "PATCH", `/chat/rooms/${group.id}`, { description: image });
    for (const content of ATTACKS) {
        await stack.call(eve, "POST", "/chat/messages", { chat_room_id: group.id, content });
    }
    await stack.call(eve, "POST", "/chat/messages", {
        chat_room_id: group.id,
        content: script,
        message_type: "workout",
        payload: { [script]: image, url: "javascript:alert(1)" },
    });

    const page = await shared.open("bob", `#/r/${group.id}`, { viewport: { width: 1280, height: 800 } });
    const dialogs = [];
    page.on("dialog", (dialog) => {
        dialogs.push(dialog.message());
        void dialog.dismiss();
    });
    await until(
        page,
        (count) => document.querySelectorAll(".message .content").length === count,
        ATTACKS.length + 1,
    );
    const shown = await page.locator(".message .content").allTextContents();
    assert.deepEqual(shown, [...ATTACKS, script]);
    assert.equal(await page.locator("h1").textContent(), script);
    assert.ok(
        (await page.locator(".sender").allTextContents()).every((name) => [image, "eve"].includes(name)),
    );
    await page.getByRole("link", { name: "Details", exact: true }).click();
    assert.equal(await page.locator(".description").textContent(), image);

    // Only https links, and none that could reach back.
    const links = await page
        .locator(".message a")
        .evaluateAll((all) => all.map((link) => ({ protocol: new URL(link.href).protocol, rel: link.rel })));
    assert.ok(links.length > 0);
    for (const link of links) assert.deepEqual(link, { protocol: "https:", rel: "noopener noreferrer" });
    const foreign = await page
        .locator("#app")
        .evaluate((app) =>
            [...app.querySelectorAll("script, iframe, object, embed, style, link, meta, base, video")].map(
                (it) => it.outerHTML,
            ),
        );
    assert.deepEqual(foreign, []);
    const handlers = await page
        .locator("#app *")
        .evaluateAll((all) =>
            all.flatMap((element) => element.getAttributeNames()).filter((name) => name.startsWith("on")),
        );
    assert.deepEqual(handlers, []);
    assert.deepEqual(dialogs, []);
    shared.expectQuiet(page);
});

test("the policy of the page blocks inline scripts and unchecked markup", async () => {
    await shared.stack.user("pol");
    const page = await shared.open("pol");
    await page.locator("h1").waitFor();
    const refused = await page.evaluate(() => {
        const attempts = {
            markup: () => (document.createElement("div").innerHTML = "<b>x</b>"),
            attribute: () => document.createElement("img").setAttribute("onerror", "window.injected = true"),
            script: () => (document.createElement("script").text = "window.injected = true"),
            policy: () => window.trustedTypes.createPolicy("own", {}),
        };
        const refuses = ([, attempt]) => {
            try {
                attempt();
                return false;
            } catch (error) {
                return error instanceof TypeError;
            }
        };
        return Object.entries(attempts)
            .filter(refuses)
            .map(([name]) => name);
    });
    assert.deepEqual(refused, ["markup", "attribute", "script", "policy"]);
    assert.equal(await page.evaluate(() => "injected" in window), false);

    // An inline script of the page itself, as an injected one would be.
    await page.route("**/index-with-script*", async (route) => {
        const index = await fetch(shared.stack.http);
        const body = (await index.text()).replace("<body>", "<body><script>window.injected = true</script>");
        const { "content-length": _, ...headers } = Object.fromEntries(index.headers);
        await route.fulfill({ body, headers });
    });
    await page.goto(`${shared.stack.http}/index-with-script?as=pol`);
    await page.locator("h1").waitFor();
    assert.equal(await page.evaluate(() => "injected" in window), false);
});
