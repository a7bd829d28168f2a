// The site in a real Chromium, from two folders: every page, its search, its weight, its contrast, by keyboard and on a phone.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { openWatched, serveSite, site } from "./site-server.mjs";
import { launch, root } from "./support.mjs";

/** One page of each kind. */
const kinds = [
  "index.html",
  "draw.html",
  "train.html",
  "overview.html",
  "guide/guidance.html",
  "methods/at-a-glance.html",
  "methods/dmd2.html",
  "league/",
  "faq.html",
  "changelog.html",
  "api/",
  "api/sid-lsg/methods/",
  "api/sid-lsg/methods/interfaces/Dmd2Options.html",
  "source/src/methods/dmd2.ts.html",
];

let browser;
let atRoot;
let below;
let pages;

before(async () => {
  if (!existsSync(site)) execFileSync("npm", ["run", "docs"], { cwd: root, stdio: "inherit" });
  pages = readdirSync(site, { recursive: true }).filter((path) => path.endsWith(".html") && path !== "404.html");
  [browser, atRoot, below] = [await launch(), await serveSite("/"), await serveSite("/a/b/")];
});
after(async () => {
  await browser?.close();
  for (const server of [atRoot, below]) server?.close();
});

/** Opens pages one after another; each must come alive under its own heading. */
async function visit(server, paths) {
  const page = await openWatched(browser, server.address);
  for (const path of paths) {
    await page.goto(server.address + path, { waitUntil: "load" });
    await page.waitForFunction(() => document.querySelector("#app")?.__vue_app__ !== undefined);
    const seen = await page.evaluate(() => ({
      heading: document.querySelector("h1")?.textContent ?? "",
      lost: document.querySelector(".NotFound") !== null,
      formulas: document.querySelectorAll(".katex-error").length,
    }));
    assert.ok(seen.heading.trim() !== "" && !seen.lost && seen.formulas === 0, `${path}: ${JSON.stringify(seen)}`);
  }
  assert.deepEqual(page.errors, []);
  await page.context().close();
}

test("pages come alive without a word on the console or to another host", { timeout: 600_000 }, async () => {
  assert.ok(pages.length > 400, `${pages.length} pages`);
  const symbol = /^api\/.*\/(functions|interfaces|type-aliases|variables|classes)\//;
  const [symbols, others] = [pages.filter((path) => symbol.test(path)), pages.filter((path) => !symbol.test(path))];
  await visit(atRoot, [...others, ...symbols.filter((_, i) => i % 8 === 0)]);
});

test("and so does every page that one walks to", { timeout: 600_000 }, async () => {
  const page = await openWatched(browser, atRoot.address);
  await page.goto(atRoot.address);
  await page.waitForFunction(() => document.querySelector("#app")?.__vue_app__ !== undefined);
  const lost = await page.evaluate(async (paths) => {
    const lost = [];
    for (const path of paths) {
      const link = document.createElement("a");
      link.href = `/${path}`;
      document.body.append(link);
      const before = document.querySelector("#VPContent h1");
      link.click();
      link.remove();
      for (let i = 0; i < 500 && document.querySelector("#VPContent h1") === before; i++)
        await new Promise((resolve) => setTimeout(resolve, 5));
      if (document.querySelector(".NotFound") || !document.querySelector("h1")) lost.push(path);
    }
    return lost;
  }, pages);
  assert.deepEqual(lost, []);
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("from a folder of a server, too, and pages lead to each other there", async () => {
  await visit(below, kinds);
  const page = await openWatched(browser, below.address);
  await page.goto(`${below.address}guide/guidance.html`);
  await page.click('.VPSidebar a:has-text("SiD-DiT")');
  await page.waitForURL(`${below.address}methods/sid-dit.html`);
  await page.waitForSelector('h1:has-text("SiD-DiT")');
  await page.click('.VPNavBarMenu a:has-text("Reference")');
  await page.waitForURL(`${below.address}api/`);
  await page.click('.vp-doc a:has-text("sid-lsg/losses")');
  await page.waitForSelector('h1:has-text("sid-lsg/losses")');
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

for (const [words, expected] of [
  ["cosine", /learning|schedule|league|similarity|Schedule|cosine/i],
  ["classifier-free", /guid/i],
  ["sidCotangents", /sidCotangents/],
])
  test(`the search finds "${words}", by keys alone`, async () => {
    const page = await openWatched(browser, below.address);
    await page.goto(`${below.address}faq.html`);
    await page.waitForFunction(() => document.querySelector("#app")?.__vue_app__ !== undefined);
    await page.keyboard.press("Control+k");
    await page.waitForSelector(".VPLocalSearchBox input");
    await page.keyboard.type(words);
    const found = page.locator(".VPLocalSearchBox .results a").filter({ hasText: expected });
    await found.first().waitFor();
    assert.equal(await page.locator(".VPLocalSearchBox .results a", { hasText: "src/" }).count(), 0);
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => !url.pathname.endsWith("faq.html"));
    await page.waitForFunction(
      (text) => document.querySelector("main")?.textContent.toLowerCase().includes(text),
      words.toLowerCase(),
    );
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });

test("the first view of the landing page is at most 200 kB, compressed", async (context) => {
  const page = await openWatched(browser, atRoot.address);
  atRoot.sent.clear();
  await page.goto(atRoot.address, { waitUntil: "networkidle" });
  const total = [...atRoot.sent.values()].reduce((sum, bytes) => sum + bytes, 0);
  context.diagnostic(`${(total / 1000).toFixed(1)} kB in ${atRoot.sent.size} files`);
  assert.ok(total <= 200_000, JSON.stringify([...atRoot.sent]));
  await page.context().close();
});

for (const colorScheme of ["light", "dark"])
  for (const width of [1280, 375])
    test(`WCAG AA holds in ${colorScheme} at a width of ${width}, and nothing scrolls sideways`, {
      timeout: 240_000,
    }, async () => {
      const page = await openWatched(browser, atRoot.address, { colorScheme, viewport: { width, height: 800 } });
      for (const path of kinds) {
        await page.goto(atRoot.address + path);
        await page.waitForFunction(() => document.querySelector("#app")?.__vue_app__ !== undefined);
        const { scroll, inner } = await page.evaluate(() => ({
          scroll: document.documentElement.scrollWidth,
          inner: window.innerWidth,
        }));
        assert.ok(scroll <= inner, `${path} is ${scroll} wide`);
        await page.evaluate(axe.source);
        const problems = await page.evaluate(async () => {
          const { violations } = await globalThis.axe.run(document, {
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
            // Experimental: it takes the keys that are shown beside "Search" for a part of its label.
            rules: { "label-content-name-mismatch": { enabled: false } },
          });
          return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160))}`);
        });
        assert.deepEqual(problems, [], path);
      }
      assert.deepEqual(page.errors, []);
      await page.context().close();
    });

test("by keyboard one skips to the text, and walks the menu of a phone", async () => {
  const page = await openWatched(browser, atRoot.address);
  await page.goto(`${atRoot.address}guide/`);
  await page.waitForFunction(() => document.querySelector("#app")?.__vue_app__ !== undefined);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.textContent?.trim()), "Skip to content");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.hash === "#VPContent");
  await page.keyboard.press("Tab");
  assert.ok(await page.evaluate(() => document.querySelector("#VPContent")?.contains(document.activeElement)));
  await page.setViewportSize({ width: 375, height: 800 });
  await page.focus(".VPNavBarHamburger");
  await page.keyboard.press("Enter");
  await page.waitForSelector('.VPNavScreen a:has-text("Methods")');
  await page.focus('.VPNavScreen a:has-text("Methods")');
  await page.keyboard.press("Enter");
  await page.waitForURL(`${atRoot.address}methods/`);
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("where less motion is wanted nothing moves", async () => {
  const page = await openWatched(browser, atRoot.address, { reducedMotion: "reduce" });
  for (const path of ["index.html", "methods/dmd2.html"]) {
    await page.goto(atRoot.address + path);
    const moving = await page.evaluate(() =>
      [...document.querySelectorAll("*")].flatMap((element) => {
        const { transitionDuration, transitionProperty, animationName } = getComputedStyle(element);
        const still = transitionProperty === "none" || /^0s(, 0s)*$/.test(transitionDuration);
        return still && animationName === "none" ? [] : [element.outerHTML.slice(0, 100)];
      }),
    );
    assert.deepEqual(moving, []);
  }
  await page.context().close();
});
