// WebGPU in a real Chromium, on a processor that plays a GPU: how it starts, and what it says once it failed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bundle, launch, root, serve } from "./support.mjs";

let browser;
let server;
let page;

before(async () => {
  server = await serve(await bundle("webgpu-page.ts", { alias: { "sid-lsg": `${root}/src` } }));
  browser = await launch({ gpu: true });
  page = await browser.newPage();
  await page.goto(`${server.address}/plain/`);
  await page.waitForFunction(() => "fail" in globalThis);
});
after(async () => {
  await browser?.close();
  server?.close();
});

const use = (name, options = {}) => page.evaluate(([a, b]) => globalThis.use(a, b), [name, options]);

test("auto prefers wasm to a processor that plays a GPU; by name it starts, with all that it has", async () => {
  assert.equal(await use("auto"), "wasm");
  assert.equal(await use("webgpu", { adapter: "Voodoo" }), "missing-backend");
  assert.equal(await use("webgpu", { adapter: "swiftshader" }), "webgpu");
  const [buffer, binding] = await page.evaluate(() => globalThis.limits());
  assert.ok(buffer > 2 ** 28 && binding > 2 ** 27, `${buffer}, ${binding}: no more than WebGPU grants unasked`);
});

test("a picture that is taken before another one is read keeps its pixels", async () => {
  assert.equal(await use("webgpu"), "webgpu");
  const pictures = await page.evaluate((colours) => globalThis.pictures(colours), ["#ff0000", "#00ff00", "#0000ff"]);
  assert.deepEqual(pictures, [
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
  ]);
});

for (const how of ["lost", "refused"])
  test(`a GPU that ${how === "lost" ? "is lost" : "refused a command"} throws until it is started anew`, async () => {
    assert.equal(await use("webgpu"), "webgpu");
    const [inFlight, read, kernel, fresh, old] = await page.evaluate((given) => globalThis.fail(given), how);
    if (how === "lost") assert.equal(inFlight, "device-lost");
    assert.deepEqual([read, kernel, fresh, old], ["device-lost", "device-lost", 2000, "device-lost"]);
  });
