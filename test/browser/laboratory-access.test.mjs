// The laboratory for everybody, in a real Chromium: by keys alone, read aloud, in both themes, on a phone, with less motion.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import axe from "axe-core";
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

/** Opens the laboratory and waits until its worker is ready. */
async function open(options = {}, hash = "") {
  const page = await openWatched(browser, server.address, options);
  await page.goto(`${server.address}laboratory.html${hash}`);
  await page.waitForFunction(
    () => /Iteration \d+/.test(document.querySelector(".lab-iteration")?.textContent ?? ""),
    null,
    {
      timeout: 120_000,
    },
  );
  return page;
}

const iteration = (page) =>
  page.evaluate(() => Number(/\d+/.exec(document.querySelector(".lab-iteration").textContent)[0]));

/** What axe finds wrong with the page. */
async function problemsOf(page) {
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
      // Experimental: it takes the keys that are shown beside "Search" for a part of its label.
      rules: { "label-content-name-mismatch": { enabled: false } },
    });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160))}`);
  });
}

for (const colorScheme of ["light", "dark"])
  for (const width of [1280, 360])
    test(`nothing is wrong in the ${colorScheme}, ${width} wide, with all that unfolds unfolded`, async () => {
      const page = await open({ colorScheme, viewport: { width, height: 800 } });
      await page.getByRole("button", { name: "Compare with a second method" }).click();
      assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "Method B");
      await page.getByRole("radio", { name: "Draw it" }).check({ force: true });
      await page.waitForSelector(".pad-sheet");
      await page.evaluate(() => {
        for (const fold of document.querySelectorAll(".live details")) fold.open = true;
      });
      await page.locator("button.equation-term").first().focus();
      assert.deepEqual(await problemsOf(page), []);
      const { scroll, inner } = await page.evaluate(() => ({
        scroll: document.documentElement.scrollWidth,
        inner: window.innerWidth,
      }));
      assert.ok(scroll <= inner, `${scroll} wide`);
      assert.deepEqual(page.errors, []);
      await page.context().close();
    });

test("the small pictures of laws have the colour of the theme, also once it is another", async () => {
  const page = await open({ colorScheme: "light" });
  /** The colour of laws, and of each picture where it is strongest. */
  const colours = () =>
    page.evaluate(() => [
      getComputedStyle(document.querySelector(".lab")).getPropertyValue("--lab-law").trim(),
      ...[...document.querySelectorAll(".lab-law canvas")].map((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const at = data.findIndex((value, i) => i % 4 === 3 && value === 255) - 3;
        return `#${[...data.slice(at, at + 3)].map((value) => value.toString(16).padStart(2, "0")).join("")}`;
      }),
    ]);
  const light = await colours();
  assert.equal(light.length, 7);
  assert.equal(new Set(light).size, 1, light.join(" "));
  await page.locator(".VPNavBarAppearance .VPSwitchAppearance").click();
  await page.waitForFunction(() => document.documentElement.classList.contains("dark"));
  const dark = await colours();
  assert.equal(new Set(dark).size, 1, dark.join(" "));
  assert.notEqual(dark[0], light[0]);
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

/** Goes on with the Tab key until something has the focus, which must be seen at every stop. */
async function tabTo(page, selector, key = "Tab") {
  for (let i = 0; i < 150; i++) {
    await page.keyboard.press(key);
    const { is, what, seen } = await page.evaluate((selector) => {
      const at = document.activeElement;
      // A radio button of a picture has the outline around its label.
      const places = [at, at.closest("label")].filter(Boolean).map((place) => getComputedStyle(place));
      return {
        is: at.matches(selector),
        what: at.outerHTML.slice(0, 100),
        seen: places.some(({ outlineStyle, outlineWidth }) => outlineStyle !== "none" && outlineWidth !== "0px"),
      };
    }, selector);
    assert.ok(seen || what.startsWith("<body"), `the focus is not seen at ${what}`);
    if (is) return;
  }
  assert.fail(`the Tab key does not come to ${selector}`);
}

test("by keys alone: an experiment, pause, time, a term, a law that is drawn, the link", async () => {
  const page = await open({ permissions: ["clipboard-read", "clipboard-write"] });
  const press = (...keys) =>
    keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());

  await tabTo(page, ".lab-experiments button");
  await press("Enter");
  await page.waitForFunction(() => document.querySelector('.lab-experiments [aria-pressed="true"]') !== null);
  // Run stands in the way of no key while the network learns: what is pressed in vain keeps the focus.
  await page.waitForFunction(() => document.querySelector(".lab-toolbar").dataset.phase === "pretraining");
  await tabTo(page, ".lab-run");
  await press("Space");
  assert.equal(await page.evaluate(() => document.activeElement.matches(".lab-run")), true, "Run has lost the focus");
  await page.waitForFunction(() => /Iteration [1-9]/.test(document.querySelector(".lab-iteration").textContent), null, {
    timeout: 60_000,
  });
  assert.match(await page.evaluate(() => location.hash), /^#v=/);

  // Pause, and one step by another key.
  await press("Space");
  await page.waitForFunction(() => document.querySelector(".lab-run").textContent === "Run");
  await page.waitForTimeout(500);
  const stood = await iteration(page);
  await page.waitForTimeout(1000);
  assert.equal(await iteration(page), stood, "it does not stand still");
  await press("Tab", "Enter");
  await page.waitForFunction(
    (least) => Number(/\d+/.exec(document.querySelector(".lab-iteration").textContent)[0]) > least,
    stood,
  );
  assert.equal(await iteration(page), stood + 1);

  // A term of the equation, on the samples.
  const samples = () => page.evaluate(() => document.querySelector(".lab-samples canvas").toDataURL());
  const plain = await samples();
  await tabTo(page, 'button[data-term="teacher"]');
  await page.waitForFunction(() =>
    /[−\d]/.test(document.querySelector(".equation-numbers").textContent.split("=")[1] ?? ""),
  );
  assert.match(await page.locator(".equation-meaning").first().textContent(), /teacher thinks the clean sample is/);
  await page.waitForTimeout(500);
  const pointed = await samples();
  assert.notEqual(pointed, plain, "no arrow is drawn");
  await press("Escape");
  await page.waitForTimeout(500);
  assert.notEqual(await samples(), pointed, "the arrow stays");

  // The level of noise.
  await tabTo(page, '.lab-time input[type="range"]');
  const fields = () => page.evaluate(() => document.querySelector(".lab-teacher canvas").toDataURL());
  const before = await fields();
  await press(...Array(20).fill("ArrowRight"));
  await page.waitForTimeout(1000);
  assert.notEqual(await fields(), before, "the fields are the same at another level");
  assert.match(await page.evaluate(() => document.activeElement.getAttribute("aria-valuetext")), /^t = \d/);

  // Draws a law: two lines of two classes.
  await tabTo(page, '.lab-laws input[type="radio"]', "Shift+Tab");
  await press("ArrowUp");
  if (!(await page.evaluate(() => document.activeElement.value === "drawn")))
    for (let i = 0; i < 8 && !(await page.evaluate(() => document.activeElement.value === "drawn")); i++)
      await press("ArrowDown");
  await page.waitForSelector(".pad-sheet");
  await tabTo(page, ".pad-sheet");
  await press("Space", ...Array(12).fill("ArrowRight"), "Space", "2");
  await press(...Array(12).fill("ArrowUp"), "Space", ...Array(12).fill("ArrowLeft"), "Space");
  assert.match(
    await page.locator(".pad-words").textContent(),
    /have become a mixture of \d+ Gaussians, of two classes/,
  );
  await page.waitForFunction(() => location.hash.includes("law=draw."));
  assert.equal(
    await page.evaluate(() => document.activeElement.matches(".pad-sheet")),
    true,
    "the pad has lost the focus",
  );

  // The link.
  await tabTo(page, ".lab-toolbar button:nth-of-type(4)");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Copy link");
  await press("Enter");
  await page.waitForFunction(() => document.activeElement.textContent === "Copied");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), page.url());
  await press("Enter");
  await page.waitForTimeout(2500);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Copy link");
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("with less motion nothing moves until the reader starts it, and then once a second at most", async () => {
  const page = await open({ reducedMotion: "reduce" });
  await page.waitForTimeout(2000);
  assert.equal(await iteration(page), 0);
  const start = () =>
    page.evaluate(() => {
      const canvas = document.querySelector(".lab-samples canvas");
      let last = canvas.toDataURL();
      window.changes = 0;
      window.watch = setInterval(() => {
        const next = canvas.toDataURL();
        if (next !== last) window.changes++;
        last = next;
      }, 100);
    });
  await start();
  await page.waitForTimeout(1500);
  assert.equal(await page.evaluate(() => window.changes), 0);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.waitForFunction(
    () => Number(/\d+/.exec(document.querySelector(".lab-iteration").textContent)[0]) > 3,
    null,
    {
      timeout: 60_000,
    },
  );
  await page.evaluate(() => {
    window.changes = 0;
  });
  await page.waitForTimeout(5000);
  const changes = await page.evaluate(() => window.changes);
  assert.ok(changes >= 1 && changes <= 6, `${changes} pictures in 5 seconds`);
  assert.ok((await iteration(page)) > 3);
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("what is drawn stands as text too", async () => {
  const page = await open();
  const canvases = await page
    .locator(".live canvas")
    .evaluateAll((all) =>
      all.map(
        (canvas) =>
          canvas.getAttribute("aria-hidden") === "true" ||
          (canvas.getAttribute("role") === "img" && canvas.getAttribute("aria-label")),
      ),
    );
  assert.ok(canvases.length > 5 && canvases.every(Boolean));
  await page.waitForFunction(() => /\d/.test(document.querySelector(".lab-kl td")?.textContent ?? ""), null, {
    timeout: 60_000,
  });
  assert.ok(Number.isFinite(Number(await page.locator(".lab-kl td").first().textContent())));
  assert.deepEqual(page.errors, []);
  await page.context().close();
});
