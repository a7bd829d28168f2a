/** Runs the league on the digits' teacher, with a small batch, as `npm run league -- --emoji` does. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memory } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { world as digits } from "../../../examples/digits/world";
import { readRuns } from "../../../examples/experiments/runs";
import { watchMemory } from "../../../examples/league/cost";
import { passesOf } from "../../../examples/league/emoji-findings";
import { type EmojiFigures, emojiJob, type LeaguePlace, searchGroup } from "../../../examples/league/emoji-jobs";
import { ratesAround } from "../../../examples/league/emoji-run";
import { methodNames, parseLeagueOptions } from "../../../examples/league/options";
import { runLeague } from "../../../examples/league/run";
import { tuningSeed } from "../../../examples/league/search";
import type { PlaneMethodName } from "../../../examples/plane/methods";
import { makeText, makeUnet } from "../../../examples/text-to-image/model-folder";
import { readTeacher } from "../../../examples/text-to-image/read-teacher";
import { useBackend } from "../../../src/backends";
import { prepareDigits } from "../study/digits-measuring";

/** Fewer captions than the command line says. */
const prepare = prepareDigits(8);
const world = { ...digits, recipe: { ...digits.recipe, batch: 4 } };
const out = mkdtempSync(join(tmpdir(), "sid-lsg-league-"));
beforeAll(() => useBackend("wasm", { threads: 1 }));
afterAll(() => rmSync(out, { recursive: true }));

const lines: string[] = [];
beforeEach(() => {
  lines.length = 0;
  vi.spyOn(console, "log").mockImplementation((line) => void lines.push(line));
});

const league = (...args: string[]) =>
  runLeague(world, ["--emoji", "--seeds", "1", "--passes", "60", "--threads", "1", "--out", out, ...args], prepare);

test("searches, distils until the passes are spent, measures both groups, and goes on where it was", async () => {
  const tensors = memory().numTensors;
  await league("--only", "sid-lsg,dmd2");
  expect(memory().numTensors, "leaked tensors").toBe(tensors);
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

/**
 * Passes of an iteration by what docs/methods.md says of it, with as many updates of ψ as the entry has: each takes θ F, ψ FB,
 * and trunks where a discriminator learns; a pass guided is two.
 */
const passes: Readonly<Partial<Record<PlaneMethodName, number>>> = {
  sid: 5 + 4,
  "sid-lsg": 15, // φ FB, ψ FB and ψ FB twice
  sida: 3 + 2, // ψ alone, while the generator waits
  sds: 4,
  csd: 4,
  vsd: 2 * 3 + 5,
  "swift-brush": 2 * 3 + 6, // ψ is guided too
  "diff-instruct": 3 + 4,
  dmd: 3 * 3 + 5,
  dmd2: 3 * (3 + 4) + 5 + 2,
  "decoupled-dmd": 3 * 3 + 6,
  sim: 5 + 4,
  "f-distill": 2 * (3 + 2) + 5 + 2,
  lcm: 5,
};

test("every method trains as its entry says, and its passes are those of docs/methods.md", async () => {
  const small = { ...digits, recipe: { ...digits.recipe, batch: 2 } };
  const [measuring, teacher] = [await prepare(), await readTeacher(small, small.teacherFolder)];
  const place: LeaguePlace = {
    ...{ world: small, teacher, measuring, captions: 8, memory: watchMemory() },
    ...{ teacherUnet: makeUnet(teacher, "teacher"), text: makeText(teacher, "text") },
    searched: searchGroup({ world: small, measuring }, 8),
  };
  const tensors = memory().numTensors;
  try {
    for (const name of methodNames) {
      const run = { jobName: name, name, learningRate: 1e-4, seed: tuningSeed, passes: 4 };
      const { figures } = (await emojiJob(place, run).carryOut(out, new AbortController().signal)) ?? {};
      expect(figures?.training, name).toMatchObject({ iterations: 2, droppedSamples: 0, diverged: false });
      expect(figures?.trained.frechetDistance, name).toBeGreaterThan(0);
      expect(figures?.training?.steps, name).toBe(passesOf(name));
      if (passes[name] !== undefined) expect(figures?.training?.passesPerIteration, name).toBe(passes[name]);
      expect(memory().numTensors, `${name} leaked tensors`).toBe(tensors);
    }
    // One that runs away is a result without distances, no failure.
    const away = { jobName: "away", name: "sds", learningRate: 1e38, seed: tuningSeed, passes: 20 } as const;
    const { figures } = (await emojiJob(place, away).carryOut(out, new AbortController().signal)) ?? {};
    expect(figures?.trained).toMatchObject({ frechetDistance: null, kernelDistance: null });
    expect(figures?.training?.droppedSamples).toBeGreaterThan(0);
  } finally {
    for (const network of [place.teacherUnet, place.text, measuring.judge]) network.dispose();
  }
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
