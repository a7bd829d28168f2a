import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "sid-lsg/io";
import { makeFolder } from "../common/folders";
import { projectPath, shown } from "../common/paths";
import { mergeResults, readResults, writeResults } from "../experiments/results";
import { readRuns } from "../experiments/runs";
import type { PicturesOf } from "../text-to-image/samples";
import { type ConfigurationName, configurations, type ReferenceName, titleOf } from "./configurations";
import type { StudyFigures } from "./figures";
import { studyReport } from "./report";
import { drawSheet } from "./sheets";

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
    const columns = names.map((name) => ({ name, title: titleOf(name), isSubject: name in configurations }));
    const png = drawSheet(world, runs, columns);
    if (png) await writeFileAtomic(join(docs, file), png);
  }
  const there = Object.keys(sheets).filter((file) => existsSync(join(docs, file)));
  for (const [file, text] of Object.entries(await studyReport(records, there)))
    await writeFileAtomic(join(docs, file), text);
  console.log(`${records.length} runs are in ${shown(docs)}.`);
}
