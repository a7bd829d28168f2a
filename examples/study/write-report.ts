import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "sid-lsg/io";
import { makeFolder } from "../common/folders";
import { projectPath, shown } from "../common/paths";
import { mergeResults, readResults, writeResults } from "../experiments/results";
import { readRuns, runFolder } from "../experiments/runs";
import { encodePng } from "../text-to-image/canvas";
import { type Block, drawGrid } from "../text-to-image/picture";
import type { PicturesOf } from "../text-to-image/samples";
import { type ConfigurationName, configurations, type ReferenceName, titleOf } from "./configurations";
import type { StudyFigures } from "./figures";
import { studyReport } from "./report";
import { cutStrip } from "./strips";

/** The sheets of pictures: what stands side by side. */
const sheets: Readonly<Record<string, readonly (ConfigurationName | ReferenceName)[]>> = {
  "pictures-kappa.png": ["real", "teacher50", "none", "lsg-1.15", "lsg-1.5", "lsg-2", "lsg-3", "lsg-4.5"],
  "pictures-strategies.png": ["real", "teacher1", "none", "long", "short", "lsg-1.5", "zero-cfg", "anti-cfg"],
  "pictures-alpha.png": ["real", "teacher50Guided", "alpha-0.5", "alpha-0.8", "lsg-1.5", "alpha-1.2"],
};

/** Takes in what runs are finished, and writes the page with all that belongs to it. */
export async function writeStudyReport(
  world: PicturesOf,
  runs: string,
  docs = projectPath("docs/study"),
): Promise<void> {
  makeFolder(docs);
  const results = join(docs, "results.jsonl");
  const records = mergeResults(readResults<StudyFigures>(results), readRuns<StudyFigures>(runs));
  if (records.length === 0)
    throw new Error(`There is nothing to report: neither ${shown(results)} nor ${shown(runs)}.`);
  await writeResults(results, records);
  for (const [file, names] of Object.entries(sheets)) {
    const png = drawSheet(world, runs, names);
    if (png) await writeFileAtomic(join(docs, file), png);
  }
  const there = Object.keys(sheets).filter((file) => existsSync(join(docs, file)));
  for (const [file, text] of Object.entries(await studyReport(records, there)))
    await writeFileAtomic(join(docs, file), text);
  console.log(`${records.length} runs are in ${shown(docs)}.`);
}

/** The runs' strips of seed 0 side by side; undefined where one is missing. */
function drawSheet(world: PicturesOf, runs: string, names: readonly (ConfigurationName | ReferenceName)[]) {
  const { prompts, pictures, sceneOf, isHeldOut } = world;
  const paths = names.map((name) => join(runFolder(runs, { name, seed: 0 }), "strip.png"));
  if (!paths.every((path) => existsSync(path))) return undefined;
  const rows = prompts.map((caption) => {
    const scene = sceneOf(caption);
    return { caption, isHeldOut: scene !== undefined && isHeldOut(scene) };
  });
  const blocks = names.map((name, i): Block => {
    const [title = "", ...notes] = spelt(titleOf(name)).split(", ");
    return {
      ...{ title, note: notes.join(", "), isSubject: name in configurations },
      pictures: cutStrip(readFileSync(paths[i] as string), pictures.size),
    };
  });
  return encodePng(drawGrid(pictures, rows, blocks));
}

/** In the letters that the sheets' font has. */
function spelt(title: string): string {
  return title
    .replace("κ1 = κ2 =", "kappa 1 and 2 at")
    .replace("κ4 =", "kappa 4 at")
    .replace("κ2 =", "kappa 2 at")
    .replace("κ =", "kappa")
    .replace("α =", "alpha")
    .replace("−", "minus ");
}
