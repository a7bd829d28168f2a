/** The records of an experiment's runs in one file that is committed, beside the page that is made of them. */
import { existsSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { writeFileAtomic } from "sid-lsg/io";
import { shown } from "../common/paths";
import { bySeedAndName, type RunRecord } from "./runs";

/** Reads the file; no records where it is missing. */
export function readResults<F>(path: string): RunRecord<F>[] {
  if (!existsSync(path)) return [];
  try {
    const lines = readFileSync(path, "utf8").trim().split("\n");
    return lines.map((line) => JSON.parse(line) as RunRecord<F>);
  } catch (cause) {
    throw new Error(`${shown(path)} is no JSON: ${(cause as Error).message}.`, { cause });
  }
}

/** Both lists in one, by seed and name; of a run that is in both, what `newer` says. Refuses runs of one name and other settings. */
export function mergeResults<F>(older: readonly RunRecord<F>[], newer: readonly RunRecord<F>[]): RunRecord<F>[] {
  const key = ({ name, seed }: RunRecord<F>) => `${name} ${seed}`;
  const all = [...new Map([...older, ...newer].map((record) => [key(record), record])).values()].sort(bySeedAndName);
  for (const record of all) {
    const first = all.find(({ name }) => name === record.name) as RunRecord<F>;
    if (!isDeepStrictEqual(first.settings, record.settings))
      throw new Error(
        `Runs of ${record.name} with other settings do not go into one table: seed ${first.seed} had ` +
          `${JSON.stringify(first.settings)}, seed ${record.seed} ${JSON.stringify(record.settings)}.`,
      );
  }
  return all;
}

/** Writes the file, a line a run. */
export async function writeResults<F>(path: string, records: readonly RunRecord<F>[]): Promise<void> {
  await writeFileAtomic(path, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
}
