import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { readResults, writeResults } from "../../../examples/experiments/results";
import { readRun, runFolder, writeRun } from "../../../examples/experiments/runs";
import { world } from "../../../examples/quickstart/world";
import { completeRuns, type References } from "../../../examples/study/complete";
import { distances, type StudyFigures } from "../../../examples/study/figures";
import { featuresFile } from "../../../examples/study/jobs";
import { studyReport } from "../../../examples/study/report";
import { writeStudyReport } from "../../../examples/study/write-report";
import { randomStream } from "../../../src/core";
import { writeSafetensors } from "../../../src/io";
import { featureStatistics } from "../../../src/metrics";
import { recordOf } from "./records";

const docs = "docs/study";
const committed = readResults<StudyFigures>(join(docs, "results.jsonl"));
const sheets = ["pictures-kappa.png", "pictures-strategies.png", "pictures-alpha.png"];

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), "sid-lsg-study-"));
});
afterEach(() => rmSync(out, { recursive: true }));

describe("the page", () => {
  test("that is committed is what the committed results make, in whatever order they come", async () => {
    const [page = {}, other = {}] = await Promise.all(
      [committed, [...committed].reverse()].map((records) => studyReport(records, sheets)),
    );
    expect(readFileSync(join(docs, "README.md"), "utf8")).toBe(page["README.md"]);
    for (const [file, text] of Object.entries(page)) expect(other[file] === text, file).toBe(true);
    expect(Object.keys(page)).toEqual(["README.md", "configurations.svg", "kappa.svg"]);
    for (const file of sheets) expect(existsSync(join(docs, file)), file).toBe(true);
  });

  test("has all of every run: no dash where a figure should be, no NaN", async () => {
    const page = (await studyReport(committed, sheets))["README.md"] ?? "";
    expect(page).not.toMatch(/NaN|undefined|null|Infinity/);
    expect(page).toMatch(/## What to take from it\n\n- \*\*Nearest/);
    expect(committed.every(({ figures }) => figures.heldOut.coverage !== undefined)).toBe(true);
  });

  test("of a few runs says so, and what is not finite", async () => {
    const records = [recordOf("none", 0, { frechetDistance: 12.5 }), recordOf("long", 0, lost)];
    const page = (await studyReport(records, []))["README.md"] ?? "";
    expect(page).toContain("0 to 1 of each configuration");
    expect(page).toMatch(/\| no guidance \| 0\.800 \| 12\.5 \| 1\.000 \|/);
    expect(page).toMatch(/\| long, κ4 = 1\.5 \| 0\.800 \| – \| .* 1, 1 not finite \|/);
    expect(page).not.toContain("What to take from it");
  });

  test("is written from runs and from what was committed before, which runs replace", async () => {
    vi.spyOn(console, "log").mockReturnValue();
    const [runs, to] = [join(out, "runs"), join(out, "docs")];
    for (const folder of [runs, to]) mkdirSync(folder);
    await writeResults(join(to, "results.jsonl"), [recordOf("none", 0, { allRight: 0.1 }), recordOf("none", 1, {})]);
    const newer = recordOf("none", 0, { allRight: 0.9 });
    mkdirSync(runFolder(runs, newer));
    await writeRun(runFolder(runs, newer), newer);
    await writeStudyReport(world, runs, to);
    expect(readResults(join(to, "results.jsonl"))).toEqual([newer, recordOf("none", 1, {})]);
    expect(readFileSync(join(to, "README.md"), "utf8")).toContain("| no guidance | 0.850 ±");
  });
});

const lost = {
  frechetDistance: null,
  kernelDistance: null,
  precision: null,
  recall: null,
  density: null,
  coverage: null,
};

describe("figures that came later", () => {
  const [count, width] = [40, 3];
  const real = randomStream(1).normals(2 * count * width);
  const reference = { statistics: featureStatistics(real, width), features: real };
  const references: References = { trained: reference, heldOut: reference };
  const features = (seed: number) => randomStream(seed).normals(count * width);

  /** A run as it was before the figures were thought of. */
  async function oldRun(seed: number, frechetDistance?: number) {
    const { right, allRight } = recordOf("none", seed, {}).figures.trained;
    const both = ([2, 3] as const).map((of) => {
      const all = distances(features(10 * seed + of), reference);
      return { right, allRight, frechetDistance: frechetDistance ?? all.frechetDistance } as StudyFigures["trained"];
    });
    const record = { ...recordOf("none", seed, {}), figures: { trained: both[0], heldOut: both[1] } as StudyFigures };
    const folder = runFolder(out, record);
    mkdirSync(folder);
    await writeRun(folder, record);
    const tensors = ["trained", "heldOut"].map(
      (group, i) => [group, { dtype: "F32", shape: [count, width], data: features(10 * seed + 2 + i) }] as const,
    );
    await writeSafetensors(join(folder, featuresFile), new Map(tensors));
    return folder;
  }

  test("are taken from the kept features, once, and the rest of the record stays", async () => {
    const folder = await oldRun(1);
    const before = readRun<StudyFigures>(folder);
    const asked = vi.fn(async () => references);
    for (let i = 0; i < 2; i++) await completeRuns(out, asked, () => {});
    expect(asked).toHaveBeenCalledTimes(1);
    const after = readRun<StudyFigures>(folder);
    expect(after?.figures.trained).toEqual({ ...before?.figures.trained, ...distances(features(12), reference) });
    expect(after?.figures.heldOut).toEqual({ ...before?.figures.heldOut, ...distances(features(13), reference) });
    expect({ ...after, figures: 0 }).toEqual({ ...before, figures: 0 });
  });

  test("go on where they were stopped, and refuse features that were measured otherwise", async () => {
    await oldRun(1);
    await oldRun(2, 1e6);
    await expect(
      completeRuns(
        out,
        async () => references,
        () => {},
      ),
    ).rejects.toThrow(
      /none-seed2.*gives a Fréchet distance of \d.*, the run's record 1000000: .*another judge.*done anew/,
    );
    expect(readRun<StudyFigures>(runFolder(out, { name: "none", seed: 1 }))?.figures.trained.coverage).toBeGreaterThan(
      0,
    );
  });

  test("of pictures that were not finite are not known", () => {
    expect(distances(Float32Array.of(1, Number.NaN, 0), reference)).toEqual(lost);
  });
});
