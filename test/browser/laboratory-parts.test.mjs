// Parts of the laboratory's page by themselves, in a real Chromium: the equation, its arrows, and the pad.
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
  page = await browser.newPage({ viewport: { width: 360, height: 1600 } });
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
  await page.locator(".equation-meaning").hover();
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
  await page.locator(".equation-meaning").hover();
  assert.deepEqual((await taken()).at(-1), "combination");
  await page.locator(".equation-meaning").click();
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

const words = () => page.locator(".pad-words").textContent();
const drawn = () => page.evaluate(() => window.strokes.map((stroke) => [stroke.class, stroke.points.length]));
const gaussians = () => page.locator(".pad-gaussian").count();

test("a mouse draws strokes of two classes, undo and clear take them back, and the mixture shows", async () => {
  const { x, y, width } = await page.locator(".pad-sheet").boundingBox();
  const line = async (height) => {
    await page.mouse.move(x + 0.1 * width, y + height * width);
    await page.mouse.down();
    await page.mouse.move(x + 0.9 * width, y + height * width, { steps: 20 });
    await page.mouse.up();
  };
  assert.match(await words(), /^Draw with the mouse/);
  await page.mouse.click(x + 20, y + 20);
  assert.match(await words(), /^The drawing has 1 points?, and a law wants at least 8/);
  assert.equal(await gaussians(), 0);
  await line(0.25);
  await page.getByLabel("second class").check();
  await line(0.75);
  assert.deepEqual(
    (await drawn()).map(([c]) => c),
    [0, 0, 1],
  );
  assert.match(await words(), /^\d+ points have become a mixture of \d+ Gaussians, of two classes\.$/);
  assert.ok((await gaussians()) > 20);
  const [first] = (await page.evaluate(() => window.strokes[1].points)).map(([, height]) => height);
  assert.ok(Math.abs(first / 4095 - 0.75) < 0.01, "y is upwards");
  await page.getByRole("button", { name: "Clear" }).click();
  assert.deepEqual(await drawn(), []);
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByRole("button", { name: "Undo" }).click();
  assert.deepEqual(
    (await drawn()).map(([c]) => c),
    [0, 0],
  );
  await page.getByRole("button", { name: "Clear" }).click();
});

test("keys draw as well: arrows move the pen, Space sets it down and lifts it", async () => {
  await page.locator(".pad-sheet").focus();
  await page.keyboard.press("1");
  const corner = Array(8).fill(["Shift+ArrowLeft", "Shift+ArrowDown"]).flat();
  for (const key of [...corner, "Space", ...Array(10).fill("ArrowRight"), "ArrowUp", "Space"])
    await page.keyboard.press(key);
  assert.deepEqual(await drawn(), [[0, 12]]);
  assert.match(await words(), /^12 points have become/);
  assert.match(
    await page.locator(".pad-spoken").textContent(),
    /^Pen up, 25 % from the left, 2 % from below, first class/,
  );
  await page.keyboard.press("2");
  assert.equal(await page.getByLabel("second class").isChecked(), true);
  await page.keyboard.press("Backspace");
  assert.deepEqual(await drawn(), []);
});

test("a finger draws, and the page does not scroll", async () => {
  const context = await browser.newContext({ viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true });
  const phone = await context.newPage();
  await phone.goto(`${server.address}/plain/`);
  await phone.locator(".pad-sheet").scrollIntoViewIfNeeded();
  const { x, y, width } = await phone.locator(".pad-sheet").boundingBox();
  const scrolled = await phone.evaluate(() => scrollY);
  const client = await context.newCDPSession(phone);
  const touch = (type, u) =>
    client.send("Input.dispatchTouchEvent", {
      type,
      touchPoints: u === undefined ? [] : [{ x: x + u * width, y: y + u * width }],
    });
  await touch("touchStart", 0.2);
  for (let i = 1; i <= 20; i++) await touch("touchMove", 0.2 + 0.03 * i);
  await touch("touchEnd");
  const points = await phone.evaluate(() => window.strokes[0].points.length);
  assert.ok(points >= 15, `${points} points`);
  assert.equal(await phone.evaluate(() => scrollY), scrolled);
  assert.equal(await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  await context.close();
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
