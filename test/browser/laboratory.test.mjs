// The laboratory of the site in a real Chromium: it computes in a worker, from any folder.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { openWatched, serveSite, site } from "./site-server.mjs";
import { launch, root } from "./support.mjs";

let browser;
let atRoot;
let below;

before(async () => {
  if (!existsSync(site)) execFileSync("npm", ["run", "docs"], { cwd: root, stdio: "inherit" });
  [browser, atRoot, below] = [await launch(), await serveSite("/"), await serveSite("/a/b/")];
});
after(async () => {
  await browser?.close();
  for (const server of [atRoot, below]) server?.close();
});

/** Waits until so many iterations are done. */
const trained = (page, iterations) =>
  page.waitForFunction(
    (least) => Number(/Iteration (\d+)/.exec(document.querySelector(".lab-iteration")?.textContent)?.[1]) >= least,
    iterations,
    { timeout: 120_000 },
  );

/** What the first canvas shows. */
const picture = (page) => page.evaluate(() => document.querySelector(".live canvas").toDataURL());

for (const [from, server] of [
  ["the server's root", () => atRoot],
  ["a folder of it", () => below],
])
  for (const way of ["directly", "from another page"])
    test(`from ${from}, reached ${way}, it trains in a worker and draws samples that move`, async () => {
      const { address } = server();
      const page = await openWatched(browser, address);
      if (way === "directly") await page.goto(`${address}laboratory.html`);
      else {
        await page.goto(`${address}guide/guidance.html`);
        await page.waitForFunction(() => document.querySelector("#app")?.__vue_app__ !== undefined);
        await page.click('.VPNavBarMenu a:has-text("Laboratory")');
        await page.waitForURL(`${address}laboratory.html`);
      }
      await trained(page, 1);
      const before = await picture(page);
      await trained(page, 5);
      assert.notEqual(await picture(page), before, "nothing moved");
      assert.equal(page.workers().length, 1);
      await page.click(".VPNavBarTitle a");
      await page.waitForSelector(".landing");
      for (let i = 0; i < 100 && page.workers().length > 0; i++) await page.waitForTimeout(100);
      assert.equal(page.workers().length, 0, "the worker outlived its page");
      assert.deepEqual(page.errors, []);
      await page.context().close();
    });
