/**
 * `npm run study`: distils the quick start's teacher under many guidances and α, with several seeds each, and measures every
 * generator against real pictures. It can be stopped anywhere and goes on where it was.
 */
import { existsSync } from "node:fs";
import { useBackend } from "sid-lsg/backends";
import { makeFolder } from "../common/folders";
import { lockFolder } from "../common/lock";
import { shown } from "../common/paths";
import { interruptible, runProgram } from "../common/program";
import { say } from "../common/terminal";
import { runJobs } from "../experiments/runs";
import { world } from "../quickstart/world";
import { prepareMeasuring } from "../text-to-image/measure";
import { makeText, makeUnet } from "../text-to-image/model-folder";
import { readTeacher } from "../text-to-image/read-teacher";
import { completeRuns, referencesOf } from "./complete";
import { studyJobs } from "./jobs";
import { parseStudyOptions, usage } from "./options";
import { writeStudyReport } from "./write-report";

await runProgram(async () => {
  const options = parseStudyOptions(process.argv.slice(2));
  if (!options) return console.log(usage());
  const { out, seeds, names, iterations, captions, threads } = options;
  const prepared = async () => {
    await useBackend(options.backend, { compile: true, ...(threads && { threads }) });
    return prepareMeasuring(world, captions);
  };
  if (options.report) {
    if (existsSync(out)) await completeRuns(out, async () => referencesOf(await prepared()), say);
    return writeStudyReport(world, out);
  }
  makeFolder(out);
  lockFolder("out", out);
  const measuring = await prepared();
  const teacher = await readTeacher(world, world.teacherFolder);
  const place = {
    ...{ world, teacher, iterations, captions },
    teacherUnet: makeUnet(teacher, "teacher"),
    text: makeText(teacher, "text"),
    measuring,
  };
  const jobs = studyJobs(place, names, seeds);
  console.log(`${jobs.length} runs in ${shown(out)}. Ctrl-C stops and saves; the same command goes on.`);
  await interruptible("stopping after this iteration; the same command goes on", (signal) =>
    runJobs(out, jobs, { signal, log: say }),
  );
});
