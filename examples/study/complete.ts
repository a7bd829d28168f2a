/** Figures that came later than a run: they are taken from the features that it has kept, without training again. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readSafetensors } from "sid-lsg/io";
import { shown } from "../common/paths";
import { readRun, writeRun } from "../experiments/runs";
import type { Measuring } from "../text-to-image/measure";
import { type GroupName, groupNames } from "../text-to-image/world";
import { distances, type Reference, referenceOf, type StudyFigures } from "./figures";
import { featuresFile } from "./jobs";

/** What the real pictures of each group are to the judge. */
export type References = Readonly<Record<GroupName, Reference>>;

/** Those of what the study measures with. */
export function referencesOf({ groups }: Measuring): References {
  return Object.fromEntries(groupNames.map((name) => [name, referenceOf(groups[name])])) as References;
}

/** How far the kept features' Fréchet distance may be from the recorded one, as a share: float32 on another backend. */
const tolerance = 1e-3;

/** Completes the records of a folder's finished runs. It can be stopped anywhere and goes on where it was. */
export async function completeRuns(
  out: string,
  references: () => Promise<References>,
  log: (line: string) => void,
): Promise<void> {
  const folders = readdirSync(out, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const open = folders
    .map(({ name }) => join(out, name))
    .filter((folder) => lacks(readRun<StudyFigures>(folder)?.figures));
  if (open.length === 0) return;
  log(`${open.length} runs lack figures that their features tell.`);
  const all = await references();
  for (const [i, folder] of open.entries()) {
    const record = readRun<StudyFigures>(folder);
    if (!record) continue;
    const figures = await completed(folder, record.figures, all);
    await writeRun(folder, { ...record, figures });
    log(`${i + 1}/${open.length}  ${record.name}, seed ${record.seed}`);
  }
}

/** Whether any figure is missing; a run without a record lacks none. */
function lacks(figures: StudyFigures | undefined): boolean {
  return figures !== undefined && groupNames.some((group) => figures[group].coverage === undefined);
}

async function completed(folder: string, figures: StudyFigures, references: References): Promise<StudyFigures> {
  const path = join(folder, featuresFile);
  const { tensors } = await readSafetensors(path);
  const groups = groupNames.map((group) => {
    const features = tensors.get(group)?.data;
    if (!(features instanceof Float32Array)) throw new Error(`${shown(path)} has no ${group}.`);
    const measured = distances(features, references[group]);
    const [found, wanted] = [measured.frechetDistance, figures[group].frechetDistance];
    if (Math.abs((found ?? 0) - (wanted ?? 0)) > tolerance * Math.abs(wanted ?? 0))
      throw new Error(
        `${shown(path)} gives a Fréchet distance of ${found}, the run's record ${wanted}: it was measured by another ` +
          "judge or on other pictures. Remove the run's result.json and it is done anew.",
      );
    return [group, { ...figures[group], ...measured, frechetDistance: wanted }];
  });
  return { ...figures, ...Object.fromEntries(groups) };
}
