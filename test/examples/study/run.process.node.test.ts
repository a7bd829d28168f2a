/** Runs the study on the digits' teacher as `npm run study` does, in real processes. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, expect, test, vi } from "vitest";
import { world } from "../../../examples/digits/world";
import { readRuns } from "../../../examples/experiments/runs";
import type { StudyFigures } from "../../../examples/study/figures";
import { writeStudyReport } from "../../../examples/study/write-report";
import { prepareLibrary } from "../../support/scripts";

const folder = mkdtempSync(join(tmpdir(), "sid-lsg-study-"));
const library = prepareLibrary("study");
afterAll(() => {
  rmSync(folder, { recursive: true });
  library.remove();
});

const short = ["--only", "none,lsg-1.5", "--seeds", "1", "--iterations", "12", "--captions", "100", "--threads", "1"];
const script = "../test/examples/study/digits-study";
const study = (out: string) => library.run(script, [...short, "--out", out]);

/** Presses when the file has that many lines. */
async function stopAt(file: string, lines: number, signal: NodeJS.Signals, out: string) {
  const running = library.start(script, [...short, "--out", out]);
  while (!existsSync(file) || readFileSync(file, "utf8").split("\n").length <= lines) await setTimeout(20);
  running.press(signal);
  return running.ended;
}

test("a study that was stopped and killed ends as one that was left alone, and the page is made of it", async () => {
  const [whole, cut] = [join(folder, "whole"), join(folder, "cut")];
  const all = await study(whole);
  expect(all).toMatchObject({ code: 0, text: expect.stringContaining("6/6  teacher1, seed 0") });

  const stopped = await stopAt(join(cut, "lsg-1.5-seed0", "metrics.jsonl"), 2, "SIGINT", cut);
  expect(stopped).toMatchObject({ code: 0, text: expect.stringContaining("stopping after this iteration") });
  expect(readRuns(cut).map(({ name }) => name)).toEqual(["none"]);
  expect(existsSync(join(cut, "lsg-1.5-seed0", "checkpoint.safetensors"))).toBe(true);

  const killed = await library.run(script, [...short, "--out", cut], /^3\/6 {2}real, seed 0/, "SIGKILL");
  expect(killed.text).toContain("1 of 6 runs are finished already.");
  expect(killed.signal).toBe("SIGKILL");

  const finished = await study(cut);
  expect(finished).toMatchObject({ code: 0, text: expect.stringMatching(/^3 of 6 runs are finished already/m) });
  expect(finished.text).not.toContain("lsg-1.5, seed 0");

  const figures = (out: string) => readRuns<StudyFigures>(out).map(({ name, figures }) => [name, timeless(figures)]);
  expect(figures(cut)).toEqual(figures(whole));
  for (const file of ["generator.safetensors", "features.safetensors", "strip.png"])
    for (const name of ["none-seed0", "lsg-1.5-seed0"])
      expect(readFileSync(join(cut, name, file)).equals(readFileSync(join(whole, name, file))), file).toBe(true);
  expect(readdirSync(join(cut, "lsg-1.5-seed0")).sort()).toEqual(
    ["features.safetensors", "generator.safetensors", "metrics.jsonl", "result.json", "strip.png"].sort(),
  );

  // It went on where it was: no iteration was done twice.
  expect(
    readFileSync(join(cut, "lsg-1.5-seed0", "metrics.jsonl"), "utf8")
      .trim()
      .split("\n").length,
  ).toBe(12);

  const of = Object.fromEntries(readRuns<StudyFigures>(whole).map(({ name, figures }) => [name, figures]));
  expect(of["real"]?.trained.allRight).toBeGreaterThan(0.9);
  expect(of["real"]?.trained.kernelDistance).toBeLessThan(of["teacher1"]?.trained.kernelDistance ?? 0);
  expect(of["teacher50"]?.trained.frechetDistance).toBeLessThan(of["teacher1"]?.trained.frechetDistance ?? 0);
  expect(of["none"]?.training?.["generatorLoss"]).not.toBe(of["lsg-1.5"]?.training?.["generatorLoss"]);

  vi.spyOn(console, "log").mockReturnValue();
  await writeStudyReport(world, whole, join(folder, "docs"));
  const page = readFileSync(join(folder, "docs", "README.md"), "utf8");
  expect(page).toContain("12 iterations of 32 captions at a step size of 0.0002");
  expect(page).toContain(`| LSG, κ = 1.5 | ${of["lsg-1.5"]?.trained.allRight.toFixed(3)} |`);
  expect(page).not.toMatch(/NaN|undefined/);
}, 600_000);

/** Without how long things took. */
function timeless({ training, ...figures }: StudyFigures) {
  return { ...figures, training: training && { ...training, seconds: 0 } };
}
