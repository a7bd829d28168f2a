import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "sid-lsg/io";
import { makeFolder } from "../common/folders";
import { projectPath, shown } from "../common/paths";
import { mergeResults, readResults, writeResults } from "../experiments/results";
import { readRuns } from "../experiments/runs";
import { drawSheet } from "../study/sheets";
import type { PicturesOf } from "../text-to-image/samples";
import { isMethod, type Name, titleOf } from "./emoji-findings";
import type { EmojiFigures } from "./emoji-jobs";
import { emojiReport } from "./emoji-report";

/** The sheets of pictures: what stands side by side. */
const sheets: Readonly<Record<string, readonly Name[]>> = {
  "emoji-identity.png": ["real", "teacher1", "sid", "sid-lsg", "sida", "sim", "sds", "csd"],
  "emoji-matching.png": ["real", "vsd", "swift-brush", "diff-instruct", "dmd", "dmd2", "decoupled-dmd", "f-distill"],
  "emoji-four-passes.png": ["real", "start4", "start4Ddim", "few-step-sid", "sid-dit", "tdm", "lcm"],
};

/** Takes in what runs are finished, and writes the page with all that belongs to it. */
export async function writeEmojiReport(
  world: PicturesOf,
  runs: string,
  docs = projectPath("docs/league"),
): Promise<void> {
  makeFolder(docs);
  const results = join(docs, "emoji-results.jsonl");
  const records = mergeResults(readResults<EmojiFigures>(results), readRuns<EmojiFigures>(runs));
  if (records.length === 0)
    throw new Error(`There is nothing to report: neither ${shown(results)} nor ${shown(runs)}.`);
  await writeResults(results, records);
  for (const [file, names] of Object.entries(sheets)) {
    const columns = names.map((name) => ({ name, title: titleOf(name), isSubject: isMethod(name) }));
    const png = drawSheet(world, runs, columns);
    if (png) await writeFileAtomic(join(docs, file), png);
  }
  const there = Object.keys(sheets).filter((file) => existsSync(join(docs, file)));
  for (const [file, text] of Object.entries(await emojiReport(records, there)))
    await writeFileAtomic(join(docs, file), text);
  console.log(`${records.length} runs are in ${shown(docs)}.`);
}
