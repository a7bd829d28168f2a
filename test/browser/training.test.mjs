// The page of examples/browser that trains the quick start, in a real Chromium: saved, resumed, without storage, in two tabs.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readSafetensors } from "sid-lsg/io";
import { drawn } from "./example-actions.mjs";
import { startPage } from "./example-page.mjs";
import { assertSame, firstOf, nodePictures, teacherFolder } from "./example-reference.mjs";
import { inWorker, keepGpu, loseGpu, submits } from "./support.mjs";

const small = "/plain/training/?backend=wasm&iterations=6&captions=100&save=2&look=3";
let pages;

before(async () => {
  pages = await startPage("training-test");
});
after(() => pages?.close());

/** A browser's storage of its own, in which pages are opened; `reports` of a page are what its worker said. */
async function openTab(context, path = small, prepare = async () => {}) {
  const page = await pages.open(
    path,
    async (page) => {
      await page.addInitScript(noteReports);
      page.on("dialog", (dialog) => dialog.accept());
      await prepare(page);
    },
    context,
  );
  return page;
}

/** Runs in the page: keeps what its worker reports, without its pictures, in `reports`. */
function noteReports() {
  globalThis.reports = [];
  globalThis.Worker = class extends Worker {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data: { pixels, bytes, ...report } }) => globalThis.reports.push(report));
    }
  };
}

const reports = (page, kind) =>
  page.evaluate((kind) => globalThis.reports.filter((report) => report.kind === kind), kind);
const text = (page, id) => page.textContent(`#${id}`);

/** Waits for words in the status, or fails with what the page says instead. */
async function says(page, words) {
  await page.waitForFunction(
    (words) =>
      new RegExp(words).test(document.getElementById("status").textContent) ||
      document.getElementById("alert").textContent !== "",
    words.source,
    { timeout: 120_000 },
  );
  assert.equal(await text(page, "alert"), "");
  assert.match(await text(page, "status"), words);
}

/** Waits until so many iterations are done. */
const iterated = (page, count) =>
  page.waitForFunction(
    (count) => globalThis.reports.some(({ kind, entry }) => kind === "iteration" && entry.iteration >= count),
    count,
    { timeout: 120_000 },
  );

/** The figures that the browser keeps of the run. */
const stored = (page) =>
  page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle("sid-lsg-quick-start");
    const file = await (await folder.getFileHandle("record.json")).getFile();
    const { entries, looks, saved } = JSON.parse(await file.text());
    return { entries, looks, saved };
  });

/** The names of what the browser stores. */
const names = (page) =>
  page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle("sid-lsg-quick-start");
    const all = [];
    for await (const name of folder.keys()) all.push(name);
    return all.sort();
  });

async function download(page) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
}

test("a run that was killed, reloaded and paused ends as one that was left alone, and its file draws", async () => {
  const context = await pages.newContext();
  const page = await openTab(context);
  await says(page, /^Nothing is stored of a run yet/);
  assert.ok(await page.isDisabled("#download"));
  await page.click("#train");
  await says(page, /^Trained: all 6 iterations/);
  const whole = await stored(page);
  const file = await download(page);
  assert.deepEqual(
    whole.entries.map(({ iteration }) => iteration),
    [1, 2, 3, 4, 5, 6],
  );
  assert.deepEqual(
    whole.looks.map(({ iteration }) => iteration),
    [0, 3, 6],
  );
  assert.deepEqual(await names(page), [
    ...["checkpoint.safetensors", "checkpoint.safetensors.1", "generator.safetensors", "pictures.bin", "record.json"],
  ]);
  const tensors = (await reports(page, "iteration")).map(({ tensors }) => tensors);
  assert.equal(new Set(tensors).size, 1, `tensors after each iteration: ${tensors}`);
  assert.match(await text(page, "progress"), /^6 of 6 iterations\. [\d.]+ s an iteration, .* for all 6$/);
  assert.match(await text(page, "divergence"), /^≥ −?\d/);

  await page.click("#delete");
  await says(page, /^Deleted/);
  assert.deepEqual(await names(page), []);
  await page.evaluate(() => {
    globalThis.reports.length = 0;
  });
  await page.click("#train");
  await iterated(page, 3);
  await page.reload();
  await says(page, /^Saved after 2 of 6 iterations/);
  assert.equal(await page.textContent("#train"), "Resume");
  await page.click("#train");
  await iterated(page, 3);
  await page.click("#pause");
  await says(page, /^Saved after [345] of 6 iterations/);
  assert.ok((await reports(page, "begun"))[0].iteration === 2);
  await page.click("#train");
  await says(page, /^Trained: all 6 iterations/);
  const [leaked] = (await reports(page, "iteration")).filter(({ tensors: now }) => now !== tensors[0]);
  assert.equal(leaked, undefined, `tensors in the resumed run, where ${tensors[0]} were before`);
  const again = await stored(page);
  assert.deepEqual(again.entries, whole.entries);
  assert.deepEqual(
    again.looks.filter(({ iteration }) => iteration % 3 === 0),
    whole.looks,
  );
  const resumed = await download(page);
  assert.equal(resumed.name, "generator-6.safetensors");
  assert.ok(resumed.bytes.equals(file.bytes), "the generators differ");
  assert.deepEqual(page.errors, []);

  // Read by Node, and drawn with by the other page.
  const path = join(pages.built, "downloaded.safetensors");
  await writeFile(path, file.bytes);
  const { tensors: weights } = await readSafetensors(path);
  const { tensors: teacher } = await readSafetensors(join(teacherFolder, "unet/diffusion_pytorch_model.safetensors"));
  assert.deepEqual([...weights.keys()].sort(), [...teacher.keys()].sort());
  for (const [name, { dtype, shape }] of weights) {
    assert.equal(dtype, "F32");
    assert.deepEqual(shape, teacher.get(name).shape);
  }
  const draw = await pages.open("/plain/?backend=wasm&pictures=1");
  await drawn(draw);
  await draw.setInputFiles("#file", path);
  const reference = await nodePictures(join(pages.built, "teacher"), path);
  assertSame(await drawn(draw), firstOf(await reference("a blue fox", 0)));
  await draw.close();
  await context.close();
});

test("two tabs never write one run: the second waits, and goes on when the first is closed", async () => {
  const context = await pages.newContext();
  const first = await openTab(context);
  await says(first, /^Nothing is stored/);
  const second = await openTab(context);
  await says(second, /^Another tab has this run/);
  assert.ok(await second.isDisabled("#train"));
  await first.close();
  await says(second, /^Nothing is stored/);
  assert.ok(await second.isEnabled("#train"));
  await context.close();
});

test("without storage it says so, and pauses and goes on in the tab", async () => {
  const context = await pages.newContext();
  const without = () => Object.defineProperty(StorageManager.prototype, "getDirectory", { value: undefined });
  const path = "/plain/training/?backend=wasm&iterations=3&captions=100&save=5&look=5";
  const page = await openTab(context, path, inWorker(without));
  await says(page, /^Nothing is stored/);
  assert.match(
    await text(page, "warning"),
    /^Nothing is stored: this browser has no storage for files\. A run goes on/,
  );
  await page.click("#train");
  await iterated(page, 1);
  await page.click("#pause");
  await says(page, /^Saved after [12] of 3/);
  await page.click("#train");
  await says(page, /^Trained: all 3/);
  assert.equal((await reports(page, "begun")).length, 2);
  assert.match((await download(page)).name, /^generator-3/);
  await context.close();
});

test("where the storage is full the run goes on, what was stored stays, and a reload goes on from there", async () => {
  const context = await pages.newContext();
  /** The third checkpoint finds no room. */
  const fill = () => {
    let written = 0;
    FileSystemWritableFileStream.prototype.write = new Proxy(FileSystemWritableFileStream.prototype.write, {
      apply(write, stream, [part]) {
        written += part.byteLength;
        if (written > 5e7) throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
        return Reflect.apply(write, stream, [part]);
      },
    });
  };
  const path = "/plain/training/?backend=wasm&iterations=4&captions=100&save=1&look=9";
  const page = await openTab(context, path, inWorker(fill));
  await says(page, /^Nothing is stored/);
  await page.click("#train");
  await says(page, /^Trained: all 4/);
  assert.match(await text(page, "warning"), /could not be stored \(.*quota.*\): it goes on.*still there/);
  await page.unroute("**/worker-*.js");
  await page.reload();
  await says(page, /^Saved after [123] of 4/);
  await page.click("#train");
  await says(page, /^Trained: all 4/);
  await context.close();
});

/** Has a worker that answers orders as it is told in place of the page's. */
const scripted = (answers) => (page) =>
  page.route("**/worker-*.js", (route) =>
    route.fulfill({
      contentType: "text/javascript",
      body: `onmessage = ({ data }) => { for (const report of ${JSON.stringify(answers)}[data.kind] ?? []) postMessage(report); };`,
    }),
  );

test("a lost GPU, a worker that is silent and one that does not load are told in words", async () => {
  const opened = [{ kind: "opened", hasGenerator: false }];
  const failed = { kind: "failed", order: "train", code: "device-lost", message: "distill: the device is gone" };
  const gone = await openTab(undefined, small, scripted({ open: opened, train: [failed] }));
  await gone.click("#train");
  await gone.waitForFunction(() => document.getElementById("alert").textContent !== "");
  assert.match(await text(gone, "alert"), /^The GPU was lost.*device is gone \(device-lost\) Nothing was saved yet/);
  await gone.waitForFunction(() => !document.getElementById("train").disabled);
  await gone.close();

  const silent = await openTab(undefined, small, async (page) => {
    await page.clock.install();
    await scripted({ open: opened })(page);
  });
  await silent.click("#train");
  await silent.clock.fastForward(121_000);
  await silent.waitForFunction(() => /not answered for two minutes/.test(document.getElementById("alert").textContent));
  await silent.close();

  const missing = (page) => page.route("**/worker-*.js", (route) => route.fulfill({ status: 404, body: "" }));
  const none = await openTab(undefined, small, missing);
  await none.waitForFunction(() => /cannot be loaded.*Reload/.test(document.getElementById("alert").textContent));
  await none.close();
});

test("where the GPU is taken away what was stored stays, a resume is offered, and WASM goes on from there", async () => {
  const context = await pages.newContext();
  const path = "/plain/training/?backend=wasm&iterations=3&captions=20&save=1&look=9";
  const page = await openTab(context, path, inWorker(keepGpu));
  await says(page, /^Nothing is stored/);
  await page.click("#train");
  await iterated(page, 1);
  await page.click("#pause");
  await says(page, /^Saved after [12] of 3/);
  const [before, saved] = [await stored(page), await text(page, "status")];

  await page.goto(page.url().replace("backend=wasm", "backend=webgpu"));
  await says(page, /^Saved after/);
  await page.click("#train");
  await says(page, /^Looking at real pictures/);
  assert.equal(await text(page, "backend"), "webgpu");
  while ((await submits(page)) === 0) await page.waitForTimeout(50);
  await loseGpu(page);
  await page.waitForFunction(() => document.getElementById("alert").textContent !== "");
  assert.match(
    await text(page, "alert"),
    /^The GPU was lost: .* \(device-lost\) What was stored is whole: “Resume” goes on from there\.$/,
  );
  await page.waitForFunction(() => !document.getElementById("train").disabled);
  assert.equal(await page.textContent("#train"), "Resume");
  assert.equal(await text(page, "status"), saved);
  assert.deepEqual(await stored(page), before);
  assert.deepEqual(page.errors, []);

  await page.goto(page.url().replace("backend=webgpu", "backend=wasm"));
  await says(page, /^Saved after/);
  await page.click("#train");
  await says(page, /^Trained: all 3/);
  assert.deepEqual((await stored(page)).entries.slice(0, before.saved), before.entries.slice(0, before.saved));
  await context.close();
});

test("a run that cannot be read can be deleted, and is not trained over unasked", async () => {
  const page = await pages.open(small, async (page) => {
    await page.addInitScript(noteReports);
    await scripted({
      open: [{ kind: "opened", hasGenerator: false, fault: "damaged" }],
      delete: [{ kind: "deleted" }],
    })(page);
  });
  await says(page, /^A run is stored that is damaged: it cannot be shown/);
  const asked = page.waitForEvent("dialog").then((dialog) => dialog.dismiss().then(() => dialog.message()));
  await page.click("#train");
  assert.match(await asked, /^A run is stored that is damaged\. Delete it/);
  assert.ok(await page.isEnabled("#train"));
  page.on("dialog", (dialog) => dialog.accept());
  await page.click("#delete");
  await says(page, /^Deleted/);
  assert.ok(await page.isDisabled("#delete"));
  await page.close();
});

test("what is saved in memory only is told from what is stored", async () => {
  const settings = { iterations: 6, seed: 0, captions: 100, saveEvery: 2, lookEvery: 3 };
  const record = { version: 1, settings, backend: "wasm", real: 90, saved: 0, entries: [], looks: [] };
  const iteration = (n) => ({ kind: "iteration", entry: { iteration: n, fakeLoss: 1 }, tensors: 1, bytes: 1 });
  const train = [
    { kind: "begun", iteration: 0, record },
    ...[iteration(1), { kind: "saved", iteration: 1, stored: true }],
    ...[iteration(2), { kind: "saved", iteration: 2, stored: false }],
  ];
  const opened = [{ kind: "opened", hasGenerator: false }];
  const page = await openTab(undefined, small, async (page) => {
    await page.clock.install();
    await scripted({ open: opened, train, pause: [{ kind: "alive" }] })(page);
  });
  await page.click("#train");
  await iterated(page, 2);
  await page.clock.runFor(100);
  assert.match(await text(page, "progress"), /^2 of 6 iterations; stored up to 1\./);
  await page.clock.fastForward(60_000);
  await page.click("#pause");
  // The clock is the page's, not the worker's: the sign of life must be there before time goes on.
  await page.waitForFunction(() => globalThis.reports.some(({ kind }) => kind === "alive"));
  await page.clock.fastForward(100_000);
  assert.equal(await text(page, "alert"), "");
  await page.clock.fastForward(21_000);
  await page.waitForFunction(() => document.getElementById("alert").textContent !== "");
  assert.match(
    await text(page, "alert"),
    /not answered.*goes on from there\. What was in this tab’s memory only is lost/,
  );
  await page.close();
});

test("what cannot be trained is refused in words", async () => {
  const page = await openTab(await pages.newContext());
  await says(page, /^Nothing is stored/);
  for (const [id, value, words] of [
    ["iterations", "0", /^Iterations must be a whole number/],
    ["iterations", "", /^Iterations/],
    ["seed", "-1", /^The seed/],
  ]) {
    const before = await page.inputValue(`#${id}`);
    await page.fill(`#${id}`, value);
    await page.click("#train");
    assert.match(await text(page, "alert"), words);
    await page.fill(`#${id}`, before);
  }
  await page.close();
});
