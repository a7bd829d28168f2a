/** Runs the league on the digits' teacher, with a small batch, as `npm run league -- --emoji` does. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test, vi } from "vitest";
import { world as digits } from "../../../examples/digits/world";
import { readRuns } from "../../../examples/experiments/runs";
import type { EmojiFigures } from "../../../examples/league/emoji-jobs";
import { ratesAround } from "../../../examples/league/emoji-run";
import { parseLeagueOptions } from "../../../examples/league/options";
import { runLeague } from "../../../examples/league/run";
import { prepareDigits } from "../study/digits-measuring";

const world = { ...digits, recipe: { ...digits.recipe, batch: 4 } };
const out = mkdtempSync(join(tmpdir(), "sid-lsg-league-"));
afterAll(() => rmSync(out, { recursive: true }));

const lines: string[] = [];
beforeEach(() => {
  lines.length = 0;
  vi.spyOn(console, "log").mockImplementation((line) => void lines.push(line));
});

const league = (...args: string[]) =>
  runLeague(
    world,
    ["--emoji", "--seeds", "1", "--passes", "60", "--threads", "1", "--out", out, ...args],
    prepareDigits,
  );

test("searches, distils until the passes are spent, measures both groups, and goes on where it was", async () => {
  await league("--only", "sid-lsg,dmd2");
  const records = readRuns<EmojiFigures>(out);
  const table = records.filter(({ seed }) => seed === 0);
  expect(table.map(({ name }) => name)).toEqual([
    "dmd2",
    "real",
    "sid-lsg",
    "start4",
    "start4Ddim",
    "teacher1",
    "teacher50",
    "teacher50Guided",
  ]);
  for (const [name, each] of [
    ["sid-lsg", 15],
    ["dmd2", 28],
  ] as const) {
    const { figures, settings } = table.find((record) => record.name === name) ?? {};
    const { training, trained, heldOut } = figures ?? {};
    expect(training?.passesPerIteration).toBe(each);
    expect(training?.passes).toBeLessThanOrEqual(60);
    expect(training?.passes).toBeGreaterThan(60 - each);
    expect(training?.iterations).toBe(Math.floor(60 / each));
    expect(training?.peakBytes).toBeGreaterThan(0);
    expect([trained?.frechetDistance, heldOut?.kernelDistance].every(Number.isFinite)).toBe(true);
    expect(existsSync(join(out, `${name}-seed0`, "strip.png"))).toBe(true);

    // The search: another seed, a third of the passes, and the least distance wins.
    const search = records.filter((record) => record.name.startsWith(`tune-${name}-`));
    expect(search.length).toBeGreaterThanOrEqual(3);
    for (const { seed, figures } of search) {
      expect(seed).toBe(1000);
      expect(figures.training?.passes).toBeLessThanOrEqual(Math.max(20, each * 2)); // two iterations at least
      expect(figures.heldOut).toBeUndefined();
    }
    const distance = ({ figures }: (typeof search)[number]) =>
      figures.trained.frechetDistance ?? Number.POSITIVE_INFINITY;
    const best = search.reduce((a, b) => (distance(b) < distance(a) ? b : a));
    expect(settings?.["learningRate"]).toBe(best.settings["learningRate"]);
  }

  lines.length = 0;
  await league("--only", "sid-lsg,dmd2");
  expect(readRuns(out)).toEqual(records);
});

test("tries a third of the step size, itself and three times it, and one more to each side", () => {
  expect(ratesAround(5e-4)).toEqual({
    rates: [1.7e-4, 5e-4, 1.5e-3],
    beyond: { smaller: [5.6e-5], larger: [4.5e-3] },
  });
});

test("refuses options of the other league", () => {
  expect(() => parseLeagueOptions(["--emoji", "--points", "500"])).toThrow(
    "--points is an option of the league in the plane",
  );
  expect(() => parseLeagueOptions(["--captions", "500"])).toThrow("--captions is an option of the league on emoji");
});
