// The site in a real Firefox, where there is one: its pages, its search, and the laboratory on WebAssembly.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { findFirefox, launchFirefox } from "./firefox.mjs";
import { serveSite, site } from "./site-server.mjs";
import { root } from "./support.mjs";

const path = findFirefox();
const skip =
  path === undefined && "no Firefox is installed: there is no firefox-esr and no firefox, and FIREFOX names none";

describe("in Firefox", { skip, timeout: 300_000 }, () => {
  let firefox;
  let server;

  before(async () => {
    if (!existsSync(site)) execFileSync("npm", ["run", "docs"], { cwd: root, stdio: "inherit" });
    [firefox, server] = [await launchFirefox(path), await serveSite("/a/b/")];
  });
  after(async () => {
    await firefox?.close();
    server?.close();
  });

  /** Opens a page of the site and waits until it has come alive. */
  async function visit(page) {
    await firefox.goto(server.address + page);
    await firefox.waitFor(() => document.querySelector("#app")?.__vue_app__ !== undefined);
  }

  /** Nothing went wrong on the page or in its workers, and all of it came from its own server. */
  async function checkQuiet() {
    assert.deepEqual(await firefox.errors(server.address), []);
    assert.deepEqual(firefox.said, []);
    const others = await firefox.run(() =>
      performance
        .getEntriesByType("resource")
        .map(({ name }) => name)
        .filter((name) => !name.startsWith(location.origin) && !name.startsWith("data:")),
    );
    assert.deepEqual(others, []);
  }

  test("the landing page comes alive", async () => {
    await visit("index.html");
    assert.match(await firefox.run(() => document.querySelector("h1").textContent), /one pass/);
    await checkQuiet();
  });

  test("formulas are set", async () => {
    await visit("methods/sid.html");
    const seen = await firefox.run(() => ({
      formulas: document.querySelectorAll(".katex").length,
      wrong: document.querySelectorAll(".katex-error").length,
      // A formula that was set is higher than the letters in it.
      height: document.querySelector(".formula .katex").getBoundingClientRect().height,
    }));
    assert.ok(seen.formulas > 1 && seen.wrong === 0 && seen.height > 10, JSON.stringify(seen));
    await checkQuiet();
  });

  test("the search finds a word and opens the page that has it", async () => {
    await visit("index.html");
    await firefox.run(() => document.querySelector("#local-search button, .DocSearch-Button").click());
    await firefox.waitFor(() => document.activeElement?.matches("input[type=search], .search-input"));
    await firefox.type("cosine");
    await firefox.waitFor(() => document.querySelector(".result")?.textContent.toLowerCase().includes("cosine"));
    await firefox.type("\uE007");
    await firefox.waitFor(() => !location.pathname.endsWith("/index.html"));
    await checkQuiet();
  });

  test("the laboratory trains on WebAssembly, and its numbers are finite", async () => {
    await visit("laboratory.html");
    await firefox.waitFor(
      () => Number(/Iteration (\d+)/.exec(document.querySelector(".lab-iteration")?.textContent)?.[1]) >= 20,
      {
        milliseconds: 120_000,
      },
    );
    const text = await firefox.run(() => document.querySelector(".live").textContent);
    assert.doesNotMatch(text, /NaN|Infinity|undefined/);
    const shown = await firefox.run(() =>
      [...document.querySelectorAll(".live canvas")].map((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size;
      }),
    );
    assert.ok(shown.length >= 4 && shown[0] > 20, `colours of the canvases: ${shown}`);
    await checkQuiet();
  });
});
