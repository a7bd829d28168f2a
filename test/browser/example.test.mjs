// The page of examples/browser in a real Chromium: built, served from a subfolder with and without cross-origin
// isolation, on each backend, and with everything that a user may do wrong.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { encodeSafetensors, readSafetensors } from "sid-lsg/io";
import { createServer as createViteServer } from "vite";
import { alertOf, complaint, draw, drawn, noteReports } from "./example-actions.mjs";
import { example, startPage } from "./example-page.mjs";
import { assertSame, distance, firstOf, generatorFile, nodePictures, widened } from "./example-reference.mjs";
import { inWorker } from "./support.mjs";

let pages;
let open;
let reference;

before(async () => {
  pages = await startPage("browser-test");
  open = pages.open;
  reference = await nodePictures(join(pages.built, "teacher"));
});
after(() => pages?.close());

test("the page is built without a warning", () => assert.deepEqual(pages.warnings, []));

for (const [kind, threads] of [
  ["plain", "one thread"],
  ["isolated", "threads"],
])
  test(`a ${kind} page draws on wasm with ${threads} what Node draws`, async () => {
    const page = await open(`/${kind}/?backend=wasm`);
    const first = await drawn(page);
    assertSame(first, await reference("a blue fox", 0));
    assert.equal(page.workers().length > 1, kind === "isolated");
    assert.equal(/on one thread/.test(await page.textContent("#backend")), kind === "plain");
    for (const pictures of Object.values(first))
      for (let i = 0; i < pictures.length; i += pictures.length / 8) {
        const picture = pictures.slice(i, i + pictures.length / 8);
        assert.ok(Math.max(...picture) - Math.min(...picture) > 100, "a picture is blank");
      }
    const otherText = await draw(page, "a small red heart", 0);
    assertSame(otherText, await reference("a small red heart", 0));
    const otherSeed = await draw(page, "a small red heart", 1);
    assertSame(otherSeed, await reference("a small red heart", 1));
    for (const artist of ["generator", "teacher"]) {
      assert.ok(distance(otherText[artist], first[artist]) > 50, "the text changes nothing");
      assert.ok(distance(otherText[artist], otherSeed[artist]) > 20, "the seed changes nothing");
    }
    assert.match(await page.textContent("#generator-time"), /\d m?s$/);
    assert.match(await page.textContent("#teacher-time"), /\d m?s$/);
    assert.deepEqual(page.errors, []);
    await page.close();
  });

for (const backend of ["webgpu", "webgl", "cpu"])
  test(`?backend=${backend} draws the same`, { timeout: 400_000 }, async () => {
    const page = await open(`/plain/?backend=${backend}&pictures=1`);
    assertSame(await drawn(page, 380_000), firstOf(await reference("a blue fox", 0)));
    assert.equal(await page.textContent("#backend"), `${backend}, as the address of the page asks`);
    await page.close();
  });

test("without a choice and without a GPU the page takes wasm, and says why", async () => {
  const hidden = () => Object.defineProperty(WorkerNavigator.prototype, "gpu", { value: undefined });
  const page = await open("/plain/", inWorker(hidden));
  assertSame(await drawn(page), await reference("a blue fox", 0));
  assert.match(await page.textContent("#backend"), /^wasm \(webgpu: /);
  await page.close();
});

test("the page stays responsive while the teacher draws, and a new text ends the old drawing", async () => {
  const page = await open("/plain/?backend=cpu&pictures=1", (page) => page.addInitScript(noteReports));
  await page.waitForFunction(() => document.getElementById("teacher-progress").value > 0);
  const seen = await page.evaluate(async () => {
    const progress = document.getElementById("teacher-progress");
    const [from, began] = [progress.value, performance.now()];
    let frames = 0;
    let longest = 0;
    for (let last = began; performance.now() - began < 1000; frames++) {
      const now = await new Promise(requestAnimationFrame);
      longest = Math.max(longest, now - last);
      last = now;
    }
    return { frames, longest, steps: progress.value - from, of: progress.max };
  });
  assert.ok(seen.steps > 0 && seen.frames > 15 && seen.longest < 300, JSON.stringify(seen));
  await page.fill("#caption", "a small red heart");
  await page.click("[type=submit]");
  const began = Date.now();
  await page.waitForFunction(() => document.getElementById("generator-time").textContent.trim() !== "");
  const waited = Date.now() - began;
  assert.ok(waited < 3000, `the new drawing began after ${waited} ms`);
  assertSame(await drawn(page), firstOf(await reference("a small red heart", 0)));
  const ids = await page.evaluate(() => globalThis.reports.flatMap(({ id }) => id ?? []));
  assert.ok(ids.indexOf(2) > ids.indexOf(1) && ids.lastIndexOf(1) < ids.indexOf(2), ids.join(" "));
  await page.close();
});

test("texts and seeds that cannot be drawn are refused in words, and the page goes on", async () => {
  const page = await open("/plain/?backend=wasm");
  await drawn(page);
  for (const [caption, seed, words] of [
    ["", 0, /prompt is empty\. It may be made of: a an .* yellow/],
    ["…", 0, /prompt is empty/],
    ["a purple zebra", 0, /does not know "zebra"\. It knows, the likest first: bear .*yellow/],
    ["a small blue fox a small blue fox a", 0, /has 9 words, room is for 8/],
    ["a blue fox", "", /seed .*NaN/],
    ["a blue fox", -1, /seed .*-1/],
    ["a blue fox", 0.5, /seed .*0\.5/],
  ]) {
    await page.fill("#caption", caption);
    await page.fill("#seed", String(seed));
    await page.click("[type=submit]");
    assert.match(await complaint(page), words);
    await draw(page, "a blue fox", 0);
  }
  await page.close();
});

test("a weights file of one's own is drawn with; a broken one is refused in words, and the old weights stay", async () => {
  const page = await open("/plain/?backend=wasm");
  const before = await drawn(page);
  const good = await readFile(generatorFile);
  const tensors = widened((await readSafetensors(generatorFile)).tensors);
  const changed = (change) => {
    const copy = new Map([...tensors].map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]));
    change(copy);
    return Buffer.from(encodeSafetensors(copy));
  };
  const name = "conv_out.bias";
  const give = (buffer) => page.setInputFiles("#file", { name: "own.safetensors", mimeType: "", buffer });
  for (const [buffer, words] of [
    [Buffer.alloc(0), /own\.safetensors/],
    [good.subarray(0, good.length - 1000), /own\.safetensors.*ends at byte/],
    [Buffer.from("<!doctype html><title>404</title>"), /own\.safetensors.*HTML page/],
    [changed((copy) => copy.delete(name)), /weight "conv_out\.bias" is missing/],
    [changed((copy) => copy.set("more", copy.get(name))), /weight "more" belongs to no parameter/],
    [
      changed((copy) => copy.set(name, { dtype: "F32", shape: [2], data: new Float32Array(2) })),
      /must have shape \[27\], got \[2\]/,
    ],
    [changed((copy) => copy.get(name).data.fill(Number.NaN)), /own\.safetensors.*"conv_out\.bias" holds NaN/],
    [
      changed((copy) => {
        for (const { data } of copy.values()) data.fill(6e4);
      }),
      /not made of finite numbers/,
    ],
  ]) {
    await give(buffer);
    assert.match(await complaint(page), words);
    if (!/finite numbers/.test(words)) assertSame(await draw(page, "a blue fox", 0), before, 0);
  }
  for (const dtype of ["F32", "F16"]) {
    await give(
      changed((copy) => {
        for (const tensor of copy.values()) tensor.dtype = dtype;
      }),
    );
    assertSame(await drawn(page), before);
  }
  await give(changed((copy) => copy.get(name).data.fill(3)));
  const own = await drawn(page);
  assert.match(await page.textContent("#weights"), /own\.safetensors/);
  assert.ok(distance(own.generator, before.generator) > 50);
  assert.deepEqual(own.teacher, before.teacher);
  await page.close();
});

test("what does not load or start is said in words", async () => {
  const missing = { status: 404, body: "" };
  for (const [path, prepare, words] of [
    [
      "?backend=wasm",
      (page) => page.route("**/generator.safetensors", (route) => route.fulfill(missing)),
      /no such file/,
    ],
    [
      "?backend=wasm",
      (page) => page.route("**/teacher/unet/*.safetensors", (route) => route.fulfill(missing)),
      /lacks/,
    ],
    [
      "?backend=wasm",
      (page) => page.route("**/*.wasm", (route) => route.fulfill(missing)),
      /wasmPath.*missing-backend/,
    ],
    ["", (page) => page.route("**/worker-*.js", (route) => route.fulfill(missing)), /script cannot be loaded/],
    [
      "",
      (page) =>
        page.route("**/worker-*.js", (route) =>
          route.fulfill({ contentType: "text/javascript", body: 'throw new Error("crashed");' }),
        ),
      /stopped: .*crashed/,
    ],
    ["?pictures=9", async () => {}, /1 to 8 pictures, .*"9"/],
    ["?pictures=many", async () => {}, /1 to 8 pictures, .*"many"/],
    ["?backend=vulkan", async () => {}, /one of auto, webgpu, webgl, wasm, cpu, .*"vulkan"/],
  ]) {
    const page = await open(`/plain/${path}`, prepare);
    assert.match(await complaint(page), words);
    assert.ok(await page.isDisabled("#caption"));
    await page.close();
  }
});

test("a worker that never answers, and a page without its script, end in words", async () => {
  const silent = await open("/plain/", async (page) => {
    await page.clock.install();
    await page.route("**/worker-*.js", (route) => route.fulfill({ contentType: "text/javascript", body: "" }));
  });
  await silent.clock.fastForward(59_000);
  assert.equal(await alertOf(silent), "");
  await silent.clock.fastForward(2_000);
  assert.match(await complaint(silent), /not answered for a minute/);
  await silent.close();

  const bare = await open("/plain/", (page) => page.route("**/index-*.js", (route) => route.abort()));
  await bare.locator("[role=alert]").waitFor({ state: "visible" });
  assert.match(await alertOf(bare), /did not start/);
  await bare.close();
});

test("the development server serves the same page", async () => {
  const development = await createViteServer({
    root: example,
    configFile: join(example, "vite.config.ts"),
    logLevel: "silent",
    server: { host: "127.0.0.1", port: 0 },
  });
  try {
    await development.listen();
    const page = await open(`${development.resolvedUrls.local[0]}?backend=wasm`);
    assertSame(await drawn(page), await reference("a blue fox", 0));
    assert.ok(await page.evaluate(() => crossOriginIsolated));
    await page.close();
  } finally {
    await development.close();
  }
});
