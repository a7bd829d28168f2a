import { existsSync } from "node:fs";
import { join } from "node:path";
import { readSafetensors, writeFileAtomic } from "sid-lsg/io";
import { makeFolder } from "../common/folders";
import { projectPath, shown } from "../common/paths";
import { mergeResults, readResults, writeResults } from "../experiments/results";
import { readRuns, runFolder } from "../experiments/runs";
import { type Panel, type Point, plotPanels } from "../plane/plot";
import { titleOf } from "./findings";
import { methodNames } from "./options";
import { type PlaneFigures, pointsFile } from "./plane-jobs";
import { leagueReport } from "./report";

/** Takes in what runs are finished, and writes the page with all that belongs to it. */
export async function writeLeagueReport(runs: string, docs = projectPath("docs/league")): Promise<void> {
  makeFolder(docs);
  const results = join(docs, "results.jsonl");
  const records = mergeResults(readResults<PlaneFigures>(results), readRuns<PlaneFigures>(runs));
  if (records.length === 0)
    throw new Error(`There is nothing to report: neither ${shown(results)} nor ${shown(runs)}.`);
  await writeResults(results, records);
  const sheet = await drawPoints(runs);
  if (sheet) await writeFileAtomic(join(docs, "points.svg"), sheet);
  for (const [file, text] of Object.entries(await leagueReport(records))) {
    const page = file === "README.md" && existsSync(join(docs, "points.svg")) ? withPoints(text) : text;
    await writeFileAtomic(join(docs, file), page);
  }
  console.log(`${records.length} runs are in ${shown(docs)}.`);
}

/** The sheet of points stands above what the methods are meant to do. */
function withPoints(page: string): string {
  const picture =
    "Points of each, seed 0, one class orange, the other blue:\n\n![Points of every generator](points.svg)";
  return page.replace("\n## Which methods", `\n${picture}\n\n## Which methods`);
}

/** Half the side of a panel. */
const extent = 2.4;

/** Points of every run of seed 0; undefined where one is missing. */
async function drawPoints(runs: string): Promise<string | undefined> {
  const panels: Panel[] = [];
  for (const name of ["mixture", "start", ...methodNames] as const) {
    const path = join(runFolder(runs, { name, seed: 0 }), pointsFile);
    if (!existsSync(path)) return undefined;
    const { tensors } = await readSafetensors(path);
    const dots = ["#ea580c", "#2563eb"].map((colour, c) => {
      const numbers = tensors.get(`class${c}`)?.data ?? [];
      const points = Array.from({ length: Math.min(numbers.length / 2, 250) }, (_, i): Point => {
        return [Number(numbers[2 * i]), Number(numbers[2 * i + 1])];
      });
      return { points, colour };
    });
    const lost = dots.every(({ points }) => points.every(([x, y]) => Math.max(Math.abs(x), Math.abs(y)) > extent));
    const title = titleOf(name).replace("Jensen–Shannon", "JS").replace("the start: ", "start, ");
    panels.push({ title: `${title}${lost ? ": all outside" : ""}`, dots });
  }
  return plotPanels(panels, { extent, columns: 5, size: 170 });
}
