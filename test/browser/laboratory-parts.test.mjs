// Parts of the laboratory's page by themselves, in a real Chromium: the equation and its arrows.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { bundle, launch, serve } from "./support.mjs";

/** Style sheets as text, as Vite does it. */
const inline = {
  name: "inline",
  setup(build) {
    build.onResolve({ filter: /\.css\?inline$/ }, ({ path, resolveDir }) => ({
      path: `${resolveDir}/${path.slice(0, -"?inline".length)}`,
      namespace: "inline",
    }));
    build.onLoad({ filter: /./, namespace: "inline" }, async ({ path }) => ({
      contents: await readFile(path),
      loader: "text",
    }));
  },
};

let server;
let browser;
let page;

before(async () => {
  server = await serve(await bundle("laboratory-parts-page.ts", { plugins: [inline] }));
  browser = await launch();
  page = await browser.newPage({ viewport: { width: 360, height: 800 } });
  page.errors = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && page.errors.push(message.text()));
  page.on("pageerror", (error) => page.errors.push(error.message));
  await page.goto(`${server.address}/plain/`);
  await page.waitForSelector(".equation-line");
});

after(async () => {
  await browser?.close();
  server?.close();
});

const lines = () => page.locator(".equation-line").allTextContents();
const term = (name) => page.locator(`button[data-term="${name}"]`);
const meaning = () => page.locator(".equation-meaning").textContent();
const taken = () => page.evaluate(() => window.pointed.splice(0));

test("the equation stands with the reader's numbers, each term once a button with its meaning", async () => {
  assert.deepEqual((await lines()).slice(0, 3), [
    "L = ω · Σ δ ⊙ u",
    "δ = fφ, κ4 = 3 − fψ",
    "u = (fφ, κ4 = 3 − xg) − 1.2 δ",
  ]);
  const names = await page.locator("button.equation-term").evaluateAll((all) => all.map((one) => one.dataset.term));
  assert.deepEqual(names, [...new Set(names)]);
  assert.match(
    await term("teacher").getAttribute("aria-label"),
    /^f φ, κ4 = 3: What the teacher thinks the clean sample is/,
  );
  assert.match(await meaning(), /^Point at a term/);
  const numbers = await page.locator(".equation-numbers").textContent();
  assert.match(numbers, /δ = \(0\.12, −0\.31\)/);
  assert.match(numbers, /M = 1\.25/);
  assert.match(numbers, /ω = 0\.8/);
});

test("pointing, the Tab key and a tap point at a term; leaving and Escape end it", async () => {
  await taken();
  await term("delta").hover();
  assert.match(await meaning(), /^From what the fake score thinks/);
  await page.mouse.move(5, 700);
  assert.match(await meaning(), /^Point at a term/);
  assert.deepEqual(await taken(), ["delta", undefined]);
  await page.evaluate(() => document.body.focus());
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  assert.deepEqual(await taken(), ["weight", "delta"]);
  await page.keyboard.press("Escape");
  assert.deepEqual(await taken(), [undefined]);
  assert.match(await meaning(), /^Point at a term/);
  await term("combination").click();
  await page.mouse.move(5, 700);
  assert.deepEqual((await taken()).at(-1), "combination");
  await page.mouse.click(5, 700);
  assert.deepEqual((await taken()).at(-1), undefined);
});

test("another number is written in place, and the reader stays at the term", async () => {
  await term("delta").focus();
  await taken();
  await page.evaluate(() => window.show({ method: "sid-lsg", alpha: 0.5, weight: "none", kappa2: 1, kappa4: 1 }));
  assert.deepEqual(await lines(), [
    "L = Σ δ ⊙ u",
    "δ = fφ − fψ",
    "u = (fφ − xg) − 0.5 δ",
    "xt = a·xg + s·ε",
    "∂L/∂xg = −δ + through φ and ψ",
  ]);
  assert.equal(await page.evaluate(() => document.activeElement.dataset.term), "delta");
  assert.match(await meaning(), /^From what the fake score thinks/);
  await page.evaluate(() => document.activeElement.blur());
});

test("a method whose terms are not drawn says why", async () => {
  await page.evaluate(() => window.show({ method: "lcm" }, false));
  assert.match(await meaning(), /^The terms of this method are not drawn: it learns from real samples/);
  assert.equal(await page.locator(".equation-numbers").isVisible(), false);
  await page.evaluate(() => window.show({ method: "sid-lsg", alpha: 1.2, kappa2: 1, kappa4: 3 }));
  assert.equal(await page.locator(".equation-numbers").isVisible(), true);
});

test("links lead to code, test and paper", async () => {
  const links = await page.locator(".equation-links a").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
  assert.deepEqual(links, [
    "/a/source/src/methods/sid-lsg.ts.html#:~:text=export%20function%20sidLsg",
    "/a/source/test/methods/sid-family.test.ts.html#:~:text=sidLsg(",
    "https://arxiv.org/abs/2406.01561",
  ]);
});

test("each term draws arrows of its own colour, and a narrow window does not scroll sideways", async () => {
  const dots = (name, hue) => page.evaluate(([name, hue]) => window.draw(name, hue), [name, hue]);
  assert.ok((await dots("teacher", "teacher")) > 100);
  assert.equal(await dots("teacher", "fake"), 0);
  assert.ok((await dots("fake", "fake")) > 60);
  assert.ok((await dots("delta", "delta")) > 30);
  assert.ok((await dots("noisy", "noisy")) > 30);
  for (const hue of ["teacher", "delta", "sample"]) assert.ok((await dots("combination", hue)) > 60, hue);
  assert.ok((await dots(undefined, "gradient")) > 60);
  assert.equal(await dots("generated", "gradient"), 0);
  assert.equal(await page.evaluate(() => document.querySelector(".equation").scrollWidth <= innerWidth), true);
  assert.deepEqual(page.errors, []);
});
