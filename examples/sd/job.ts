import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "sid-lsg/io";
import { shown } from "../common/paths";

/** The file that says how a folder's pictures were drawn. */
export const jobFile = "pictures.json";

/** What makes pictures other pictures. */
export type Job = Readonly<Record<string, string | number | undefined>>;

/** Throws where the folder's pictures were drawn otherwise; notes the job there. */
export async function enterJob(out: string, job: Job, skipExisting: boolean): Promise<void> {
  const path = join(out, jobFile);
  if (skipExisting && existsSync(path)) {
    const other = differences(path, job);
    if (other.length > 0)
      throw new Error(
        `--skip-existing: the pictures in ${shown(out)} were drawn with other options: ${other.join(", ")}. Take another --out.`,
      );
  }
  await writeFileAtomic(path, `${JSON.stringify(job, null, 2)}\n`);
}

function differences(path: string, job: Job): string[] {
  let saved: Job;
  try {
    saved = Object(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new Error(`${shown(path)} must be as sd:generate wrote it: ${(cause as Error).message}.`, { cause });
  }
  return Object.keys({ ...saved, ...job })
    .filter((key) => saved[key] !== job[key])
    .map((key) => `${key} (there ${saved[key] ?? "none"}, here ${job[key] ?? "none"})`);
}
