// The laboratory on WebGPU in a real Chromium, on a processor that plays a GPU: it computes there, and goes on where the GPU is
// taken away.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { openWatched, serveSite, site } from "./site-server.mjs";
import { inWorker, keepGpu, launch, loseGpu, root, submits } from "./support.mjs";

let browser;
let server;

before(async () => {
  if (!existsSync(site)) execFileSync("npm", ["run", "docs"], { cwd: root, stdio: "inherit" });
  [browser, server] = [await launch({ gpu: true }), await serveSite("/")];
});
after(async () => {
  await browser?.close();
  server?.close();
});

const waiting = { timeout: 120_000 };
const phase = (page, wanted) => page.waitForSelector(`.lab-toolbar[data-phase="${wanted}"]`, waiting);
/** Waits until a backend computes. */
const computedBy = (page, backend) =>
  page.waitForSelector(`.lab-backend:text-matches("^Computed by ${backend}\\\\b")`, waiting);
const iteration = (page) =>
  page.evaluate(() => Number(/\d+/.exec(document.querySelector(".lab-iteration").textContent)));
/** Waits until so many iterations are done. */
const trained = (page, iterations) =>
  page.waitForFunction(
    (least) => Number(/\d+/.exec(document.querySelector(".lab-iteration").textContent)) >= least,
    iterations,
    waiting,
  );

/** Opens the laboratory, whose first worker computes on WASM. */
async function open(hash, options) {
  const page = await openWatched(browser, server.address, options);
  await inWorker(keepGpu)(page);
  await page.goto(`${server.address}laboratory.html#${hash}`);
  await page.click('.lab-controls [data-fold="run"] summary');
  return page;
}

const takeWebGpu = (page) => page.getByLabel("Computes with").selectOption("webgpu");
const small = "v=1&law=blobs&batch=32&pretraining=5";

test("chosen by name WebGPU computes, and ends as near to the law as WASM", async (context) => {
  const page = await open(`${small}&iterations=6&a=sid`);
  const kl = async () => Number(await page.textContent(".lab-kl td"));
  await phase(page, "done");
  const onWasm = await kl();
  assert.equal(await submits(page), 0);
  await takeWebGpu(page);
  await computedBy(page, "webgpu");
  await phase(page, "done");
  const [onWebGpu, count] = [await kl(), await submits(page)];
  context.diagnostic(`${onWasm} nats on wasm, ${onWebGpu} on webgpu after ${count} submits`);
  assert.ok(count > 6, `${count} submits`);
  assert.ok(Math.abs(onWebGpu / onWasm - 1) < 0.02, `${onWebGpu} nats on webgpu, and ${onWasm} on wasm`);
  assert.deepEqual(page.errors, []);
  await page.context().close();
});

test("a GPU that is taken away is told, and another worker goes on with what is set, there or on WASM", async () => {
  // With less motion nothing trains before it is asked for.
  const page = await open(`${small}&iterations=9000&seed=3&a=dmd`, { reducedMotion: "reduce" });
  await takeWebGpu(page);
  await computedBy(page, "webgpu");
  await phase(page, "ready");
  await page.click(".lab-run");
  await trained(page, 2);
  const worker = page.workers().at(-1);
  await loseGpu(page);
  await phase(page, "failed");
  assert.match(await page.textContent(".lab-status"), /^The GPU was lost: .* What you have set is kept/);
  let before = await iteration(page);

  // What is set next is computed on the GPU that there is by then.
  await page.getByLabel("Seed, as a number").fill("4");
  await page.keyboard.press("Enter");
  await phase(page, "running");
  await trained(page, before + 2);
  assert.match(await page.textContent(".lab-backend"), /^Computed by webgpu\b/);
  assert.notEqual(page.workers().at(-1), worker);

  await loseGpu(page);
  await phase(page, "failed");
  before = await iteration(page);
  await page.click('.lab-said button:has-text("Go on with WASM")');
  await phase(page, "running");
  await trained(page, before + 2);
  assert.match(await page.textContent(".lab-backend"), /^Computed by wasm\b/);
  assert.equal(await page.getByLabel("Computes with").inputValue(), "wasm");
  assert.match(page.url(), /seed=4&.*a=dmd$/);
  assert.deepEqual(page.errors, []);
  await page.context().close();
});
