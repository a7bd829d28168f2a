import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { readResults, writeResults } from "../../../examples/experiments/results";
import { type RunRecord, runFolder, writeRun } from "../../../examples/experiments/runs";
import { rowsOf, titleOf } from "../../../examples/league/emoji-findings";
import type { EmojiFigures } from "../../../examples/league/emoji-jobs";
import { emojiMethods } from "../../../examples/league/emoji-methods";
import { emojiReport } from "../../../examples/league/emoji-report";
import { writeEmojiReport } from "../../../examples/league/write-emoji-report";
import { world } from "../../../examples/quickstart/world";
import { lostFigures } from "../../../examples/study/figures";
import { recordOf } from "../study/records";

const docs = "docs/league";
const committed = readResults<EmojiFigures>(join(docs, "emoji-results.jsonl"));
const sheets = ["emoji-identity.png", "emoji-matching.png", "emoji-four-passes.png"].filter((file) =>
  existsSync(join(docs, file)),
);

type Record = RunRecord<EmojiFigures>;

/** A run of a method at this distance. */
function run(name: string, seed: number, frechetDistance: number, settings: object = {}): Record {
  const { figures, ...record } = recordOf(name, seed, { frechetDistance });
  const training = {
    ...{ iterations: 240, learningRate: 5e-4, steps: 1, passes: 3600, passesPerIteration: 15, peakBytes: 5e7 },
    ...{
      secondsPerIteration: 0.2,
      gauge: { gaugeLowerBound: frechetDistance / 2 },
      droppedSamples: 0,
      diverged: false,
    },
  };
  return { ...record, settings: { ...record.settings, passes: 3600, ...settings }, figures: { ...figures, training } };
}
const reference = (name: string, frechetDistance: number): Record => {
  const { figures, ...record } = recordOf(name, 0, { frechetDistance });
  const { trained, heldOut } = figures;
  return { ...record, figures: { trained, heldOut } };
};
const pageOf = async (records: readonly Record[]) => (await emojiReport(records, []))["emoji.md"] ?? "";

/** Two seeds of three methods, and what they are compared with. */
const few = [
  ...[reference("teacher50", 75), reference("teacher1", 3700), reference("start4", 250), reference("real", 13)],
  ...[run("sid", 0, 400), run("sid", 1, 401), run("sid-lsg", 0, 300), run("sid-lsg", 1, 300.8)],
  ...[run("few-step-sid", 0, 200), run("few-step-sid", 1, 201), run("csd", 0, 9000), run("csd", 1, 9001)],
];

test("the committed page is what the committed results make, in whatever order they come", async () => {
  const [page = {}, other = {}] = await Promise.all(
    [committed, [...committed].reverse()].map((records) => emojiReport(records, sheets)),
  );
  expect(readFileSync(join(docs, "emoji.md"), "utf8")).toBe(page["emoji.md"]);
  for (const [file, text] of Object.entries(page)) expect(other[file] === text, file).toBe(true);
  expect(page["emoji.md"]).not.toMatch(/NaN|undefined|null|Infinity/);
});

test("ranks methods of one pass and of four apart, and says who leads, who learnt and who went astray", async () => {
  const page = await pageOf(few);
  expect(rowsOf(few)).toEqual(["real", "teacher50", "teacher1", "sid-lsg", "sid", "csd", "start4", "few-step-sid"]);
  expect(page).toContain("SiD-LSG, κ = 1.5 comes nearest to real pictures with equal passes**");
  expect(page).toContain("Its interval overlaps no other's");
  expect(page).toContain(`further off than the start: ${titleOf("csd")}.`);
  expect(page).toMatch(/few-step SiD, Zero-CFG 200\.5 ± [\d.]+, nearer than its start/);
  expect(page).toMatch(/\| Guidance in all networks comes nearer than none \(SiD-LSG\) \|.*\| holds: -100/);
  expect(page).toContain("Over 8 runs of all methods that let it read, its rank correlation");
  expect(page).not.toMatch(/NaN|undefined|null|Infinity/);
});

test("says which methods see real pictures", async () => {
  const page = await pageOf([...few, run("dmd2", 0, 500), run("dmd2", 1, 510)]);
  expect(page).toContain("**Real pictures were shown** to DMD2, κ = 1.5, with GAN alone.");
  expect(page).toMatch(/\| DMD2, κ = 1\.5, with GAN \| yes \| 1 \|/);
  expect(page).toMatch(/\| SiD, no guidance \| no \| 1 \|/);
  const seeing = Object.entries(emojiMethods).filter(([, method]) => "seesPictures" in method);
  expect(seeing.map(([name]) => name)).toEqual(["sida", "dmd2", "f-distill", "lcm"]);
});

test("counts a run that broke off, and leaves its distances out", async () => {
  const whole = run("sim", 0, 500);
  const { training } = whole.figures;
  const figures = { trained: lostFigures, heldOut: lostFigures, ...(training && { training }) };
  const page = await pageOf([...few, whole, { ...run("sim", 1, 0), figures }]);
  expect(page).toMatch(/\| SIM, no guidance \| 1 \| 0\.400 ± [\d.]+ \| 500\.0 \|.*\| 2, 1 not finite \|/);
});

test("is a page before any method is in", async () => {
  const page = await pageOf([run("tune-sid-0.0005", 1000, 400)]);
  expect(page).toContain("**No method's runs are in yet**");
  expect(page).not.toMatch(/NaN|undefined|null|Infinity/);
});

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), "sid-lsg-league-"));
});
afterEach(() => rmSync(out, { recursive: true }));

test("is written from runs and from what was committed before, which runs replace", async () => {
  vi.spyOn(console, "log").mockReturnValue();
  const [runs, to] = [join(out, "runs"), join(out, "docs")];
  for (const folder of [runs, to]) mkdirSync(folder);
  await writeResults(join(to, "emoji-results.jsonl"), [run("sid", 0, 1), run("sid", 1, 2)]);
  const newer = run("sid", 0, 6);
  mkdirSync(runFolder(runs, newer));
  await writeRun(runFolder(runs, newer), newer);
  await writeEmojiReport(world, runs, to);
  expect(readResults(join(to, "emoji-results.jsonl"))).toEqual([newer, run("sid", 1, 2)]);
  expect(readFileSync(join(to, "emoji.md"), "utf8")).toContain("| SiD, no guidance | 1 | 0.800 ± 0.000 | 4.0 ±");
});
