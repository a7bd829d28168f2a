// The wasm backend in a real Chromium: with threads and without, and what it says where something is missing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bundle, launch, serve } from "./support.mjs";

let browser;
let server;

before(async () => {
  server = await serve(await bundle("page.ts"));
  browser = await launch();
});
after(async () => {
  await browser?.close();
  server?.close();
});

/** Runs the page, served so, with options for the backend. */
async function run(kind, options = {}) {
  const page = await browser.newPage();
  await page.goto(`${server.address}/${kind}/`);
  await page.waitForFunction(() => "run" in globalThis);
  const outcome = await page.evaluate((given) => globalThis.run(given), { wasmPath: `/${kind}/`, ...options });
  await page.close();
  return outcome;
}

test("a page that is cross-origin isolated computes on threads, the same bits as on one", async () => {
  const one = await run("isolated", { threads: 1 });
  assert.equal(one.error, undefined);
  assert.deepEqual([one.isolated, one.workers, one.warnings], [true, 0, []]);
  assert.ok(one.values.length > 0 && one.values.every(Number.isFinite));
  const three = await run("isolated", { threads: 3 });
  assert.deepEqual([three.error, three.workers, three.warnings], [undefined, 2, []]);
  assert.deepEqual(three.values, one.values);
  const chosen = await run("isolated");
  assert.deepEqual([chosen.error, chosen.warnings], [undefined, []]);
  assert.deepEqual(chosen.values, one.values);
});

test("any other page computes on one thread, and says so if more were asked for", async () => {
  const plain = await run("plain");
  assert.deepEqual([plain.error, plain.isolated, plain.workers, plain.warnings], [undefined, false, 0, []]);
  const asked = await run("plain", { threads: 2 });
  assert.equal(asked.error, undefined);
  assert.equal(asked.warnings.length, 1);
  assert.match(asked.warnings[0], /one thread instead of 2: the page is not cross-origin isolated/);
  assert.deepEqual(asked.values, plain.values);
});

test("a page without the binaries says where they should be", async () => {
  const { error } = await run("empty");
  assert.equal(error?.code, "missing-backend");
  assert.match(error.message, /wasmPath/);
});
