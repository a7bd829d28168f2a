/** The league in the plane: from the same pretrained weights, measured against the exact law. */
import { useBackend } from "sid-lsg/backends";
import { interruptible } from "../common/program";
import { say } from "../common/terminal";
import { runJobs } from "../experiments/runs";
import type { PlaneMethodName } from "../plane/methods";
import type { LeagueOptions } from "./options";
import { lawJob, methodJob, type PlaneBudget, type PlaneFigures, startsOf } from "./plane-jobs";
import { leagueJobs, runSearch, type Search } from "./search";

/** Runs what is not finished. */
export async function runPlaneLeague({
  out,
  seeds,
  names,
  passes,
  points,
  backend,
  arithmetic,
}: LeagueOptions): Promise<void> {
  await useBackend(backend, { threads: 1, ...arithmetic });
  const budget: PlaneBudget = {
    ...{ passes, points, tuningPasses: Math.ceil(passes / 3) },
    ...{ batch: 128, pretraining: 1500 },
    ...{ rates: [3e-4, 1e-3, 3e-3, 1e-2], beyond: { smaller: [1e-4], larger: [3e-2, 0.1] } },
  };
  const starts = startsOf(budget);
  const search: Search<PlaneMethodName, PlaneFigures> = {
    ...{ out, names, rates: budget, passes: budget.tuningPasses },
    score: ({ kl }) => kl,
    job: (run) => methodJob(run, budget, starts),
  };
  const compared = (seed: number) => (["mixture", "start"] as const).map((name) => lawJob(name, seed, budget, starts));
  await interruptible("stopping after this run; the same command goes on", async (signal) => {
    if (!(await runSearch(search, { signal, log: say }))) return;
    console.log("The league:");
    await runJobs(out, leagueJobs(search, { seeds, passes }, compared), { signal, log: say });
  });
}
