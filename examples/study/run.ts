import { existsSync } from "node:fs";
import { useBackend } from "sid-lsg/backends";
import { makeFolder } from "../common/folders";
import { lockFolder } from "../common/lock";
import { shown } from "../common/paths";
import { interruptible } from "../common/program";
import { isFirst, takeRank, threadsFor } from "../common/ranks";
import { say } from "../common/terminal";
import { runJobs } from "../experiments/runs";
import { makeText, makeUnet } from "../text-to-image/model-folder";
import { prepareMeasuring } from "../text-to-image/prepare-measuring";
import { readTeacher } from "../text-to-image/read-teacher";
import type { World } from "../text-to-image/world";
import { completeRuns, referencesOf } from "./complete";
import { studyJobs } from "./jobs";
import { parseStudyOptions, usage } from "./options";
import { writeStudyReport } from "./write-report";

/** The study of a world's teacher, as a command line asks for it; `prepare` may measure with less than is usual. */
export async function runStudy(world: World, args: readonly string[], prepare = prepareMeasuring): Promise<void> {
  const options = parseStudyOptions(args);
  if (!options) return console.log(usage());
  const { out, seeds, names, iterations, captions, threads, backend, ranks } = options;
  takeRank(ranks);
  const prepared = async () => {
    const share = threads ? { threads } : await threadsFor(ranks, backend);
    await useBackend(backend, { compile: true, ...options.arithmetic, ...share });
    return prepare(world, captions);
  };
  if (options.report) {
    if (existsSync(out)) await completeRuns(out, async () => referencesOf(await prepared()), say);
    return writeStudyReport(world, out);
  }
  makeFolder(out);
  if (isFirst(ranks)) lockFolder("out", out);
  const measuring = await prepared();
  const teacher = await readTeacher(world, world.teacherFolder);
  const place = {
    ...{ world, teacher, iterations, captions, measuring },
    teacherUnet: makeUnet(teacher, "teacher"),
    text: makeText(teacher, "text"),
  };
  const jobs = studyJobs(place, names, seeds);
  console.log(`${jobs.length} runs in ${shown(out)}. Ctrl-C stops and saves; the same command goes on.`);
  await interruptible("stopping after this iteration; the same command goes on", (signal) =>
    runJobs(out, jobs, { signal, log: say }),
  );
}
