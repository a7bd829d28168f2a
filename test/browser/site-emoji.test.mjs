// The emoji on the site in a real Chromium: the pages "Draw" and "Train in your tab" and the landing page's generator, from a
// folder of a server.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { drawn } from "./example-actions.mjs";
import { openWatched, serveSite, site } from "./site-server.mjs";
import { launch, root } from "./support.mjs";

let browser;
let server;

before(async () => {
  if (!existsSync(site)) execFileSync("npm", ["run", "docs"], { cwd: root, stdio: "inherit" });
  [browser, server] = [await launch(), await serveSite("/a/b/")];
});
after(async () => {
  await browser?.close();
  server?.close();
});

/** Waits until the page's worker is gone. */
async function ended(page) {
  for (let i = 0; i < 100 && page.workers().length > 0; i++) await page.waitForTimeout(50);
  assert.equal(page.workers().length, 0, "the worker outlived its page");
}

test("“Draw” draws, from a link too, and ends when one leaves it", async () => {
  const page = await openWatched(browser, server.address);
  await page.goto(`${server.address}draw.html?backend=wasm&pictures=1#caption=a+small+red+heart&seed=5`);
  await page.locator("#generator canvas").waitFor();
  const { generator } = await drawn(page, 120_000);
  assert.ok(Math.max(...generator) - Math.min(...generator) > 100, "the picture is blank");
  assert.equal(await page.inputValue("#caption"), "a small red heart");
  await page.click('.vp-doc a:has-text("train the generator yourself")');
  await page.waitForURL(`${server.address}train.html`);
  await page.locator("#train:enabled").waitFor();
  assert.equal(page.workers().length, 1);
  await page.click('.VPNavBarMenu a:has-text("Methods")');
  await page.waitForURL(`${server.address}methods/`);
  await ended(page);
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("the landing page loads the generator when the button is pressed, not before", async () => {
  const page = await openWatched(browser, server.address);
  const withoutGpu = () => Object.defineProperty(WorkerNavigator.prototype, "gpu", { value: undefined });
  await page.route("**/worker-*.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `(${withoutGpu})();${await response.text()}` });
  });
  server.sent.clear();
  await page.goto(server.address, { waitUntil: "networkidle" });
  assert.deepEqual(
    [...server.sent.keys()].filter((path) => /\/emoji\/|\.wasm$/.test(path)),
    [],
  );
  assert.equal(page.workers().length, 0);
  await page.click(".landing-generator button");
  await page.waitForFunction(
    () => /pictures, one pass/.test(document.querySelector(".landing-generator p").textContent),
    undefined,
    {
      timeout: 120_000,
    },
  );
  const light = await page.evaluate(() =>
    [...document.querySelectorAll(".landing-generator canvas")].map((canvas) =>
      Math.max(
        ...canvas
          .getContext("2d")
          .getImageData(0, 0, 24, 24)
          .data.filter((_, i) => i % 4 < 3),
      ),
    ),
  );
  assert.ok(light.length === 8 && light.every((most) => most > 100), light.join());
  await page.fill(".landing-generator input", "a purple zebra");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /does not know/.test(document.querySelector(".landing-generator p").textContent));
  await page.click('.VPNavBarMenu a:has-text("Methods")');
  await page.waitForURL(`${server.address}methods/`);
  await ended(page);
  assert.deepEqual(page.errors, []);
  await page.context().close();
});
