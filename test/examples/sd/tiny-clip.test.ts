import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeTinyClip } from "../../../examples/sd/tiny-clip";
import { loadClip } from "../../../src/models/features";
import { relativeError } from "../../support/matchers";

const folder = mkdtempSync(join(tmpdir(), "sid-lsg-clip-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("the tiny CLIP is a whole one: it tells pictures and captions apart, the same way for the same seed", async () => {
  const [one, same, other] = ["one", "same", "other"].map((name) => join(folder, name)) as [string, string, string];
  for (const [path, seed] of [
    [one, 1],
    [same, 1],
    [other, 2],
  ] as const)
    await writeTinyClip(path, seed);
  const weights = (path: string) => readFileSync(join(path, "model.safetensors"));
  expect(weights(same).equals(weights(one))).toBe(true);
  expect(weights(other).equals(weights(one))).toBe(false);
  expect(weights(one).length).toBeLessThan(2 ** 20);

  // transformers refuses merges with an empty line.
  expect(readFileSync(join(one, "merges.txt"), "utf8")).toMatch(/^#version: 0\.2\n(\S+ \S+\n)+$/);

  const model = await loadClip(one);
  const data = Uint8Array.from({ length: 2 * 48 * 64 * 3 }, (_, i) => (i < 48 * 64 * 3 ? 200 : (i * 7) % 256));
  const rows = [
    await model.imageEmbeddings({ data, shape: [2, 48, 64, 3] }),
    await model.textEmbeddings(["a red fox in the snow", "a painting of a boat"]),
  ];
  for (const row of rows) {
    const [a, b] = [row.subarray(0, model.dimension), row.subarray(model.dimension)];
    expect([Math.hypot(...a), Math.hypot(...b)]).toEqual([expect.closeTo(1, 5), expect.closeTo(1, 5)]);
    expect(relativeError(a, b)).toBeGreaterThan(0.05);
  }
  model.dispose();
});
