/** The league in the plane: every method from the same weights, with equal passes of networks, after the same search. */
import { type Job, readRun, runFolder } from "../experiments/runs";
import type { PlaneMethodName } from "../plane/methods";
import { lawJob, methodJob, type PlaneBudget, type PlaneFigures, type Starts } from "./plane-jobs";

/** Seed of the search, which no run of the league has. */
const tuningSeed = 1000;

/** What a run of the search is called. */
export function tuningName(name: PlaneMethodName, rate: number): string {
  return `tune-${name}-${rate}`;
}

/** Every method at the step sizes of its search as far as it is known, shorter: more may follow when all are done. */
export function tuningJobs(
  out: string,
  budget: PlaneBudget,
  starts: Starts,
  names: readonly PlaneMethodName[],
): Job<PlaneFigures>[] {
  return names.flatMap((name) =>
    ratesToTry(budget, (rate) => searched(out, name, rate)).map((learningRate) => {
      const run = { jobName: tuningName(name, learningRate), name, learningRate };
      return methodJob({ ...run, seed: tuningSeed, passes: budget.tuningPasses }, budget, starts);
    }),
  );
}

/** The step sizes of a search: the first ones, and on to one side while the best is the last there. */
export function ratesToTry(
  { rates, beyond }: Pick<PlaneBudget, "rates" | "beyond">,
  klOf: (rate: number) => number | undefined,
): number[] {
  const tried = [...rates];
  const [smaller, larger] = [[...beyond.smaller], [...beyond.larger]];
  for (;;) {
    const best = leastOf(tried, klOf);
    const next = best === tried[0] ? smaller.shift() : best === tried.at(-1) ? larger.shift() : undefined;
    if (next === undefined) return tried;
    if (best === tried[0]) tried.unshift(next);
    else tried.push(next);
  }
}

/** The one with the least divergence; undefined while one is missing. */
function leastOf(rates: readonly number[], klOf: (rate: number) => number | undefined): number | undefined {
  const kls = rates.map(klOf);
  if (kls.includes(undefined)) return undefined;
  return rates[kls.indexOf(Math.min(...(kls as number[])))];
}

/** What the search found at a step size; one whose points were not finite never wins. */
function searched(out: string, name: PlaneMethodName, rate: number): number | undefined {
  const record = readRun<PlaneFigures>(runFolder(out, { name: tuningName(name, rate), seed: tuningSeed }));
  return record && (record.figures.kl ?? Number.POSITIVE_INFINITY);
}

/** Each method at the step size that did best in the search; seeds outermost, with what they start from and real samples first. */
export function leagueJobs(
  out: string,
  budget: PlaneBudget,
  starts: Starts,
  names: readonly PlaneMethodName[],
  seeds: number,
): Job<PlaneFigures>[] {
  const rates = new Map(names.map((name) => [name, bestRate(out, budget, name)]));
  return Array.from({ length: seeds }, (_, seed) => [
    lawJob("mixture", seed, budget, starts),
    lawJob("start", seed, budget, starts),
    ...names.map((name) => {
      const run = { jobName: name, name, learningRate: rates.get(name) as number, seed, passes: budget.passes };
      return methodJob(run, budget, starts);
    }),
  ]).flat();
}

/** The step size whose run in the search came nearest. */
export function bestRate(out: string, budget: PlaneBudget, name: PlaneMethodName): number {
  const klOf = (rate: number) => searched(out, name, rate);
  const best = leastOf(ratesToTry(budget, klOf), klOf);
  if (best === undefined) throw new Error(`The search of ${name} is not done.`);
  return best;
}
