/**
 * `npm run league`: every method on the ring in the plane, whose exact law is known, from the same start, with equal passes of
 * networks and the same small search for a step size. It can be stopped anywhere and goes on where it was.
 */
import { useBackend } from "sid-lsg/backends";
import { makeFolder } from "../common/folders";
import { lockFolder } from "../common/lock";
import { shown } from "../common/paths";
import { interruptible, runProgram } from "../common/program";
import { say } from "../common/terminal";
import { runJobs } from "../experiments/runs";
import { parseLeagueOptions, usage } from "./options";
import { type PlaneBudget, startsOf } from "./plane-jobs";
import { leagueJobs, tuningJobs } from "./plane-search";
import { writeLeagueReport } from "./write-report";

await runProgram(async () => {
  const options = parseLeagueOptions(process.argv.slice(2));
  if (!options) return console.log(usage());
  if (options.report) return writeLeagueReport(options.out);
  const { out, seeds, names, passes, points } = options;
  makeFolder(out);
  lockFolder("out", out);
  await useBackend(options.backend, { threads: 1 });
  const budget: PlaneBudget = {
    ...{ passes, points, tuningPasses: Math.ceil(passes / 3) },
    ...{ batch: 128, pretraining: 1500 },
    ...{ rates: [3e-4, 1e-3, 3e-3, 1e-2], beyond: { smaller: [1e-4], larger: [3e-2, 0.1] } },
  };
  const starts = startsOf(budget);
  await interruptible("stopping after this run; the same command goes on", async (signal) => {
    for (let done = 0; ; ) {
      const search = tuningJobs(out, budget, starts, names);
      if (search.length === done) break;
      console.log(`The search: ${search.length} runs in ${shown(out)}. Ctrl-C stops; the same command goes on.`);
      done = await runJobs(out, search, { signal, log: say });
      if (done < search.length) return;
    }
    console.log("The league:");
    await runJobs(out, leagueJobs(out, budget, starts, names, seeds), { signal, log: say });
  });
});
