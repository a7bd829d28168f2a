// Every part of the library in a real Chromium, on each backend that a browser has, against the cpu backend there.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { bundle, launch, root, serve } from "./support.mjs";

const safetensors = (name) => `${name}.safetensors`;
const backends = (process.env.SID_BACKENDS ?? "webgpu,webgl,wasm").split(",");
let browser;
let server;

before(async () => {
  const names = ["case.json", ...["teacher", "fake_score", "generator", "inputs", "expected"].map(safetensors)];
  const files = Object.fromEntries(names.map((name) => [name, `${root}/test/golden/sd15-lsg1.5/${name}`]));
  server = await serve(await bundle("contract-page.ts", { alias: { "sid-lsg": `${root}/src` } }), files);
  browser = await launch({ gpu: true });
});
after(async () => {
  await browser?.close();
  server?.close();
});

for (const backend of backends)
  describe(`every part of the library on ${backend}`, () => {
    test("agrees with cpu", { timeout: 900_000 }, async (context) => {
      const page = await browser.newPage();
      page.on("console", (message) => console.log(message.text()));
      await page.goto(`${server.address}/isolated/`);
      await page.waitForFunction(() => "cases" in globalThis);
      await page.evaluate((name) => globalThis.start(name), backend);
      const rows = [];
      let replay;
      const cases = await page.evaluate(() => globalThis.cases);
      for (const [index, { group, name }] of cases.entries())
        await context.test(`${group}: ${name}`, async () => {
          const row = await page.evaluate(([i, on]) => globalThis.check(i, on), [index, backend]);
          rows.push(row);
          assert.ok(row.pass, JSON.stringify(row));
        });
      await context.test("the recorded run of the official loop", async () => {
        replay = await page.evaluate((on) => globalThis.replay(on), backend);
        assert.ok(replay.pass, JSON.stringify(replay));
      });
      await page.close();
      await mkdir(`${root}/runs/contract`, { recursive: true });
      const report = JSON.stringify({ place: "Chromium", backend, rows, replay }, null, 1);
      await writeFile(`${root}/runs/contract/chromium-${backend}.json`, report);
    });
  });

test("a lost WebGL context ends in words, not in zeros", {
  skip: !backends.includes("webgl"),
  timeout: 60_000,
}, async () => {
  const page = await browser.newPage();
  await page.goto(`${server.address}/isolated/`);
  await page.waitForFunction(() => "lose" in globalThis);
  const { before, code, message } = await page.evaluate(() => globalThis.lose());
  assert.deepEqual([before, code], [9, "device-lost"]);
  assert.match(message, /load the page anew/);
  await page.close();
});
