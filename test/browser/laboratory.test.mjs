// The laboratory of the site in a real Chromium: from any folder, by keys alone, with links that are damaged and workers that
// die, on a phone, and how fast it is.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { openWatched, serveSite, site } from "./site-server.mjs";
import { inWorker, launch, root } from "./support.mjs";

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

/** What is seen of the samples. */
const picture = (page) => page.evaluate(() => document.querySelector(".lab-samples canvas").toDataURL());

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

/** The laboratory with a state in its address, and what `prepare` does to the page before. */
async function openLaboratory({ hash = "", prepare = () => {}, ...options } = {}) {
  const page = await openWatched(browser, atRoot.address, options);
  await page.addInitScript(() => {
    // So that a test may have one die, and hear what it says.
    globalThis.workers = [];
    globalThis.reports = [];
    const Native = globalThis.Worker;
    globalThis.Worker = class extends Native {
      constructor(...given) {
        super(...given);
        globalThis.workers.push(this);
        this.addEventListener("message", ({ data: { kind, tensors, iteration } }) =>
          globalThis.reports.push({ kind, tensors, iteration, now: performance.now() }),
        );
      }
    };
  });
  await prepare(page);
  await page.goto(`${atRoot.address}laboratory.html${hash}`);
  await page.waitForSelector(".lab-controls select", { timeout: 60_000 });
  return page;
}

const close = async (page) => {
  assert.deepEqual(page.errors, []);
  await page.context().close();
};
const phase = (page, wanted) => page.waitForSelector(`.lab-toolbar[data-phase="${wanted}"]`, { timeout: 120_000 });
const quick = "v=1&law=blobs&batch=32&iterations=40&pretraining=20";
const long = "v=1&law=blobs&batch=32&iterations=9000&pretraining=20";

test("a link restores its state, and the address follows what is set", async () => {
  const page = await openLaboratory({ hash: `#${quick}&seed=3&a=sid_alpha_1.2&b=sds` });
  assert.deepEqual(await page.locator(".lab-card h2").allTextContents(), ["SiD α 1.2", "SDS "]);
  assert.ok(await page.isChecked('.lab-laws input[value="blobs"]'));
  assert.equal(await page.inputValue('.lab-controls input[aria-label="α, as a number"]'), "1.2");
  await phase(page, "done");
  assert.match(await page.textContent(".lab-kl td"), /\d/);
  await page.evaluate((hash) => (location.hash = hash), `${quick}&seed=3&a=dmd`);
  await page.waitForFunction(() => document.querySelectorAll(".lab-card").length === 1);
  await page.fill('.lab-controls input[aria-label="κ4, as a number"]', "2.5");
  await page.keyboard.press("Tab");
  await page.waitForFunction(() => location.hash.includes("a=dmd_kappa4_2.5"));
  await close(page);
});

test("a link restores what is looked at, the address follows it, and an old link is as it was", async () => {
  const state = `${quick.replace("blobs", "ring")}&a=sid`;
  const page = await openLaboratory({ hash: `#${state}&time=0.5&class=none` });
  const [slider, chosen] = [
    () => page.inputValue(".lab-slider-line input"),
    () => page.locator(".lab-classes input:checked").inputValue(),
  ];
  assert.deepEqual([await slider(), await chosen()], ["0.5", "all"]);
  await phase(page, "done");
  assert.match(await page.textContent(".lab-slider-line output"), /^t = 500: x_t = /);
  assert.match(page.url(), /&a=sid&time=0\.5&class=none$/);
  await page.focus(".lab-slider-line input");
  await page.keyboard.press("ArrowRight");
  await page.click('.lab-classes label:has(input[value="1"])');
  await page.waitForFunction(() => location.hash.endsWith("&a=sid&time=0.51&class=1"));

  const opened = () => page.evaluate(() => globalThis.reports.filter(({ kind }) => kind === "opened").length);
  await page.evaluate((hash) => (location.hash = hash), state);
  await page.waitForFunction(() => /^t = 300: /.test(document.querySelector(".lab-slider-line output").textContent));
  assert.deepEqual([await slider(), await chosen(), await opened()], ["0.3", "0", 1]);
  assert.match(page.url(), /&a=sid$/);
  // A law of one class has no second.
  await page.evaluate((hash) => (location.hash = hash), `${state.replace("ring", "blobs")}&class=1`);
  await page.waitForFunction(() => location.hash.includes("law=blobs") && location.hash.endsWith("&a=sid"));
  assert.equal(await chosen(), "0");
  await close(page);
});

test("what cannot be is told in words, and the laboratory goes on", async () => {
  for (const [hash, words] of [
    ["#v=1&law=rign", /did you mean ring/],
    ["#v=7&law=ring", /version 7/],
    ["#v=1&law=draw.0AAAA", /1 points?, and a law wants at least 8/],
    ["#v=1&a=sid_alpha_%", /damaged|alpha/],
    ["#v=1&time=2", /time must be a number from 0\.01 to 0\.99, got 2/],
  ]) {
    const page = await openLaboratory({ hash });
    assert.match(await page.textContent(".lab-notice"), words);
    await page.click(".lab-notice button");
    await phase(page, "running");
    assert.equal(await page.textContent(".lab-notice"), "");
    // VitePress says so of addresses that are none.
    page.errors = page.errors.filter((error) => !/URIError/.test(error));
    await close(page);
  }
  const page = await openLaboratory({ hash: `#${quick}` });
  await page.fill('.lab-controls input[aria-label="α, as a number"]', "77");
  await page.keyboard.press("Tab");
  assert.match(await page.textContent(".lab-notice"), /alpha must be a number from -1 to 3, got 77/);
  assert.equal(await page.inputValue('.lab-controls input[aria-label="α, as a number"]'), "1");
  await close(page);
});

test("a number that is refused closes no fold and takes the focus from nobody", async () => {
  const page = await openLaboratory({ hash: `#${quick}` });
  await page.click(".lab-method summary");
  await page.fill('.lab-controls input[aria-label="Passes K, as a number"]', "99");
  await page.keyboard.press("Enter");
  assert.match(await page.textContent(".lab-notice"), /passes must be/);
  const folds = await page.locator(".lab-controls details").evaluateAll((all) => all.map(({ open }) => open));
  assert.deepEqual(folds, [true, false]);
  assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "Passes K, as a number");
  await close(page);
});

test("a step size moves while it trains, the card names it, and the program says what it ends with", async () => {
  const page = await openLaboratory({ hash: `#${long}&a=sid` });
  await trained(page, 2);
  await page.click(".lab-method summary");
  const opened = () =>
    page.evaluate(() => globalThis.reports.filter(({ kind }) => kind === "opened" || kind === "pretraining").length);
  const before = await opened();
  await page.fill('.lab-controls input[aria-label="Step size, generator, as a number"]', "0.002");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.hash.includes("learningRate_0.002"));
  assert.match(await page.textContent(".lab-card h2"), /Step size, generator 0\.002/);
  await page.click(".lab-share summary");
  const note = page.getByText("A step size was moved while it trained");
  assert.ok(await note.isVisible());
  await trained(page, 4);
  assert.equal(await opened(), before, "it began again");
  await page.getByRole("button", { name: "Start again" }).click();
  await note.waitFor({ state: "hidden" });
  await close(page);
});

test("a run that diverges says so", async () => {
  const page = await openLaboratory({ hash: `#${long}&a=diff-instruct` });
  await page.evaluate(() =>
    globalThis.workers[0].dispatchEvent(
      new MessageEvent("message", {
        data: { kind: "failed", order: "run", code: "not-finite", message: "It has diverged." },
      }),
    ),
  );
  await phase(page, "failed");
  assert.match(await page.textContent(".lab-said"), /It has diverged\..*Start again/);
  await close(page);
});

test("a worker that dies is told, and another one goes on with what was set", async () => {
  const page = await openLaboratory({ hash: `#${long}&seed=9&a=dmd` });
  await phase(page, "running");
  await page.evaluate(() => globalThis.workers[0].dispatchEvent(new ErrorEvent("error", { message: "killed" })));
  await phase(page, "failed");
  assert.match(await page.textContent(".lab-status"), /stopped: killed\. What you have set is kept/);
  await page.focus(".lab-said button");
  await page.keyboard.press("Enter");
  await phase(page, "running");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Start again", "the focus is lost");
  await trained(page, 3);
  assert.match(page.url(), /seed=9&.*a=dmd$/);
  await close(page);
});

test("without SIMD JavaScript computes, without workers nothing does, and the page says so", async () => {
  const broken = () => Object.defineProperty(WebAssembly, "validate", { value: () => false });
  const page = await openLaboratory({
    hash: `#${quick}&a=sds`,
    prepare: inWorker(broken),
  });
  await phase(page, "running");
  assert.match(await page.textContent(".lab-backend"), /^Computed by cpu, .*in place of wasm: .*SIMD/);
  assert.equal(await page.locator(".lab-controls details select").last().inputValue(), "cpu");
  await close(page);
  const none = await openLaboratory({ prepare: (page) => page.addInitScript(() => delete globalThis.Worker) });
  await phase(none, "failed");
  assert.match(await none.textContent(".lab-status"), /This browser starts no worker/);
  await none.context().close();
});

test("by keys alone one takes another law, another time and another method, points at a term, pauses and steps", async () => {
  const page = await openLaboratory({ hash: "#v=1&law=ring&batch=32&iterations=9000&pretraining=20&a=sid" });
  await trained(page, 2);
  await page.focus(".lab-run");
  await page.keyboard.press("Enter");
  await phase(page, "paused");
  const iteration = await page.textContent(".lab-iteration");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForFunction((before) => document.querySelector(".lab-iteration").textContent !== before, iteration);
  await page.focus(".lab-slider-line input");
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() =>
    /^t = 310: x_t = /.test(document.querySelector(".lab-slider-line output").textContent),
  );
  await page.focus(".equation-lines button");
  await page.waitForFunction(
    () => getComputedStyle(document.querySelector(".equation-numbers")).visibility === "visible",
  );
  await page.focus('.lab-laws input[value="ring"]');
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => location.hash.includes("law=moons"));
  await page.focus(".lab-method select");
  await page.keyboard.type("SDS");
  await page.waitForFunction(() => /a=sds/.test(location.hash));
  await close(page);
});

test("a law is drawn with the mouse, trained, shown by its one class, and there again after another", async () => {
  const page = await openLaboratory({ hash: `#${quick.replace("blobs", "ring")}&a=diff-instruct` });
  await page.click('.lab-classes label:has(input[value="1"])');
  await page.click('.lab-laws label:has(input[value="drawn"])');
  await page.locator(".pad-sheet").scrollIntoViewIfNeeded();
  const { x, y, width, height } = await page.locator(".pad-sheet").boundingBox();
  await page.mouse.move(x + 0.2 * width, y + 0.5 * height);
  await page.mouse.down();
  for (let i = 0; i <= 20; i++)
    await page.mouse.move(x + width * (0.2 + 0.03 * i), y + height * (0.5 + 0.2 * Math.sin(i / 3)));
  await page.mouse.up();
  await page.waitForFunction(() => location.hash.includes("law=draw."));
  await phase(page, "done");
  assert.ok(await page.isChecked('.lab-classes input[value="0"]'));
  const shaded = (page) =>
    page.evaluate(async () => {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const canvas = document.querySelector(".lab-teacher canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, i) => i % 4 === 3 && value > 10).length / (data.length / 4);
    });
  const fresh = await openLaboratory({ hash: new URL(page.url()).hash });
  await phase(fresh, "done");
  const [here, there] = [await shaded(page), await shaded(fresh)];
  assert.ok(there > 0.1 && Math.abs(here - there) < 0.02, `${here} of the teacher's field is shaded, and ${there}`);
  await close(fresh);
  const drawn = page.url();
  await page.click('.lab-laws label:has(input[value="ring"])');
  await page.waitForFunction(() => location.hash.includes("law=ring"));
  await page.click('.lab-laws label:has(input[value="drawn"])');
  await page.waitForFunction((address) => location.href === address, drawn);
  await close(page);
});

test("in the background the numbers go on without a picture", async () => {
  const page = await openLaboratory({ hash: `#${long}&a=sid` });
  await trained(page, 2);
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: true });
    globalThis.requestAnimationFrame = () => 0;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.waitForTimeout(100);
  const [before, at] = [await picture(page), Number(/\d+/.exec(await page.textContent(".lab-iteration")))];
  await trained(page, at + 10);
  assert.equal(await picture(page), before);
  await close(page);
});

test("where less motion is wanted nothing trains before it is asked for", async () => {
  const page = await openLaboratory({ reducedMotion: "reduce" });
  await phase(page, "ready");
  assert.match(await page.textContent(".lab-iteration"), /^Iteration 0 of/);
  await page.click(".lab-run");
  await trained(page, 2);
  await close(page);
});

test("ten runs leave as many tensors, elements and listeners as the second", async (context) => {
  const page = await openLaboratory({ hash: `#${quick}&a=sid` });
  const devtools = await page.context().newCDPSession(page);
  const counts = async () => {
    await phase(page, "done");
    await devtools.send("HeapProfiler.collectGarbage");
    const { jsEventListeners, nodes } = await devtools.send("Memory.getDOMCounters");
    return { jsEventListeners, nodes };
  };
  let second;
  for (let run = 0; run < 10; run++) {
    if (run > 0) {
      await page.evaluate((hash) => (location.hash = hash), `${quick}&seed=${1 + (run % 2)}&a=sid`);
      await page.waitForFunction((runs) => globalThis.reports.filter(({ kind }) => kind === "done").length > runs, run);
    }
    const now = await counts();
    if (run === 1) second = now;
  }
  const last = await counts();
  context.diagnostic(JSON.stringify({ second, last }));
  assert.ok(last.jsEventListeners <= second.jsEventListeners * 1.1, "listeners grow");
  assert.ok(last.nodes <= second.nodes * 1.1, "elements grow");
  const tensors = await page.evaluate(() =>
    globalThis.reports.filter(({ kind }) => kind === "opened").map((one) => one.tensors),
  );
  assert.equal(tensors.length, 10);
  assert.deepEqual(new Set(tensors.slice(1)).size, 1, `tensors: ${tensors}`);
  assert.equal(page.workers().length, 1);
  await close(page);
});

for (const colorScheme of ["light", "dark"])
  for (const width of [1280, 360])
    test(`two methods side by side keep to WCAG AA in ${colorScheme} at a width of ${width}, and nothing scrolls sideways`, async () => {
      const page = await openLaboratory({
        hash: `#${quick}&a=sid-lsg&b=dmd2`,
        colorScheme,
        viewport: { width, height: 800 },
      });
      await phase(page, "done");
      for (const fold of await page.locator(".lab details > summary").all()) await fold.click();
      await page.waitForSelector(".lab-code:has-text('import')");
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, "it scrolls sideways");
      await page.evaluate(axe.source);
      const problems = await page.evaluate(async () => {
        const { violations } = await globalThis.axe.run(document.querySelector(".live"), {
          runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
          // Experimental: it takes f and φ, which stands below it, for one word.
          rules: { "label-content-name-mismatch": { enabled: false } },
        });
        return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160))}`);
      });
      assert.deepEqual(problems, []);
      await close(page);
    });

test("it is interactive with less than 2 s of the processor, and draws more than 30 pictures a second where it gets the time", async (context) => {
  const page = await openWatched(browser, atRoot.address);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  const spent = async () => {
    const { metrics } = await devtools.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration").value;
  };
  const began = performance.now();
  await page.goto(`${atRoot.address}laboratory.html`);
  await page.waitForSelector(".lab-controls select");
  const [opening, wall] = [await spent(), (performance.now() - began) / 1000];
  await trained(page, 2);
  const start = await spent();
  const { pictures, seconds } = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const from = performance.now();
        let pictures = 0;
        requestAnimationFrame(function count(now) {
          pictures++;
          if (now - from > 3000) resolve({ pictures, seconds: (now - from) / 1000 });
          else requestAnimationFrame(count);
        });
      }),
  );
  const each = ((await spent()) - start) / pictures;
  context.diagnostic(`interactive after ${wall.toFixed(2)} s, ${opening.toFixed(2)} s of the page's processor`);
  context.diagnostic(
    `${(pictures / seconds).toFixed(0)} pictures a second, ${(1000 * each).toFixed(1)} ms of the page's processor each`,
  );
  context.diagnostic(await page.textContent(".lab-speed"));
  assert.ok(opening < 2, `${opening} s`);
  assert.ok(each < 1 / 30, `${each} s for a picture`);
  await close(page);
});

test("a drawing is learned to less than half a nat", { timeout: 300_000 }, async (context) => {
  const page = await openLaboratory();
  const began = performance.now();
  await page.click('.lab-experiments button:has-text("A drawing, learned")');
  await page.waitForFunction(() => globalThis.reports.at(-1)?.kind === "done", undefined, { timeout: 280_000 });
  const kl = Number(await page.textContent(".lab-kl td"));
  context.diagnostic(`${kl} nats after ${((performance.now() - began) / 1000).toFixed(0)} s`);
  assert.ok(kl < 0.5, `${kl} nats`);
  await close(page);
});
