import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fill, type Tensor } from "@tensorflow/tfjs-core";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { decodeSheet, openContactSheet } from "../../../examples/text-to-image/contact-sheet";

const pictures = { size: 8, patch_size: 1, image_mean: 0, image_std: 1 / 255 };
const prompts = ["a blue cat", "an orange automobile", "a tiny golden star"];
const world = { pictures, prompts };

/** A method that paints everything in one shade. */
const shade =
  (value: number) =>
  (captions: readonly string[]): Tensor =>
    fill([captions.length, 8, 8, 3], value);

const read = (path: string, run = "one") =>
  decodeSheet(readFileSync(path), pictures, prompts, run)?.map(({ iteration, pictures }) => [
    iteration,
    pictures[0]?.data[0],
  ]);
const file = () => {
  const folder = mkdtempSync(join(tmpdir(), "sid-lsg-sheet-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "progress.png");
};

describe("a contact sheet", () => {
  test("grows by a row with each look, and a resumed run goes on below the rows before its checkpoint", async () => {
    const path = file();
    const first = openContactSheet(path, world, { run: "one", resume: false });
    for (const [iteration, value] of [
      [0, 10],
      [20, 20],
      [40, 30],
    ] as const)
      await first.look(iteration, shade(value));
    expect(read(path)).toEqual([
      [0, 10],
      [20, 20],
      [40, 30],
    ]);
    // The checkpoint is of iteration 25: 40 comes again.
    const resumed = openContactSheet(path, world, { run: "one", resume: true });
    await resumed.look(40, shade(50));
    await resumed.look(60, shade(60));
    expect(read(path)).toEqual([
      [0, 10],
      [20, 20],
      [40, 50],
      [60, 60],
    ]);
    const older = openContactSheet(path, world, { run: "one", resume: true });
    await older.look(20, shade(70));
    expect(read(path)).toEqual([
      [0, 10],
      [20, 70],
    ]);
    const afresh = openContactSheet(path, world, { run: "one", resume: false });
    await afresh.look(0, shade(1));
    expect(read(path)).toEqual([[0, 1]]);
  });

  test("draws every look from the same noise", async () => {
    const seen: Float32Array[] = [];
    const sheet = openContactSheet(file(), world, { run: "one", resume: false });
    for (const iteration of [0, 20])
      await sheet.look(iteration, (captions, noise) => {
        expect(captions).toEqual(prompts);
        seen.push(noise.dataSync<"float32">().slice());
        return shade(1)(captions);
      });
    expect(seen[0]).toEqual(seen[1]);
    // Each caption has a noise of its own: one that falls between two places would spoil a row of them.
    expect(seen[0]?.slice(0, 192)).not.toEqual(seen[0]?.slice(192, 384));
  });

  test("that is damaged is ignored with a warning and begins anew", async () => {
    const path = file();
    await openContactSheet(path, world, { run: "one", resume: false }).look(0, shade(1));
    writeFileSync(path, readFileSync(path).subarray(0, 500));
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const sheet = openContactSheet(path, world, { run: "one", resume: true });
    expect(warn.mock.calls.join()).toContain(`Ignored ${path}`);
    warn.mockRestore();
    await sheet.look(40, shade(9));
    expect(read(path)).toEqual([[40, 9]]);
  });

  test("of another run is left for a new one, with a warning; a missing one needs none", async () => {
    const path = file();
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const first = openContactSheet(path, world, { run: "one", resume: true });
    expect(warn).not.toHaveBeenCalled();
    await first.look(0, shade(1));
    await openContactSheet(path, world, { run: "two", resume: true }).look(20, shade(2));
    expect(warn).toHaveBeenCalledOnce();
    warn.mockRestore();
    expect(read(path, "two")).toEqual([[20, 2]]);
  });
});
