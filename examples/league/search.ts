/** The league's search for step sizes, the same for every method. */
import { shown } from "../common/paths";
import { type Job, readRun, runFolder, runJobs } from "../experiments/runs";

/** Step sizes that each method is tried with. */
export interface Rates {
  /** The first ones, in order. */
  readonly rates: readonly number[];
  /** Those that follow while the best one is the first or the last that was tried, from there outwards. */
  readonly beyond: { readonly smaller: readonly number[]; readonly larger: readonly number[] };
}

/** What a run of a method varies. */
export interface MethodRun<N extends string = string> {
  readonly jobName: string;
  readonly name: N;
  readonly learningRate: number;
  readonly seed: number;
  readonly passes: number;
}

/** A search: where, for whom, and what it goes by. */
export interface Search<N extends string, F> {
  /** Folder of the runs. */
  readonly out: string;
  readonly names: readonly N[];
  readonly rates: Rates;
  /** Passes of each of its runs. */
  readonly passes: number;
  /** The less the better; `null` for what was not finite, which never wins. */
  readonly score: (figures: F) => number | null;
  readonly job: (run: MethodRun<N>) => Job<F>;
}

/** Seed of the search, which no run of the league has. */
export const tuningSeed = 1000;

/** What a run of the search is called. */
export function tuningName(name: string, rate: number): string {
  return `tune-${name}-${rate}`;
}

/** Every method at the step sizes of its search as far as it is known: more may follow when all are done. */
export function tuningJobs<N extends string, F>(search: Search<N, F>): Job<F>[] {
  const { names, rates, passes, job } = search;
  return names.flatMap((name) =>
    ratesToTry(rates, (rate) => searched(search, name, rate)).map((learningRate) =>
      job({ jobName: tuningName(name, learningRate), name, learningRate, seed: tuningSeed, passes }),
    ),
  );
}

/** Does the search until nothing follows. Returns whether it is done; the signal stops it. */
export async function runSearch<N extends string, F>(
  search: Search<N, F>,
  { signal, log }: Parameters<typeof runJobs>[2],
): Promise<boolean> {
  for (let done = 0; ; ) {
    const jobs = tuningJobs(search);
    if (jobs.length === done) return true;
    console.log(`The search: ${jobs.length} runs in ${shown(search.out)}. Ctrl-C stops; the same command goes on.`);
    done = await runJobs(search.out, jobs, { signal, log });
    if (done < jobs.length) return false;
  }
}

/** The step sizes of a search: the first ones, and on to one side while the best is the last there. */
export function ratesToTry({ rates, beyond }: Rates, scoreOf: (rate: number) => number | undefined): number[] {
  const tried = [...rates];
  const [smaller, larger] = [[...beyond.smaller], [...beyond.larger]];
  for (;;) {
    const best = leastOf(tried, scoreOf);
    const next = best === tried[0] ? smaller.shift() : best === tried.at(-1) ? larger.shift() : undefined;
    if (next === undefined) return tried;
    if (best === tried[0]) tried.unshift(next);
    else tried.push(next);
  }
}

/** The one with the least score; undefined while one is missing. */
function leastOf(rates: readonly number[], scoreOf: (rate: number) => number | undefined): number | undefined {
  const scores = rates.map(scoreOf);
  if (scores.includes(undefined)) return undefined;
  return rates[scores.indexOf(Math.min(...(scores as number[])))];
}

/** What the search found at a step size. */
function searched<N extends string, F>({ out, score }: Search<N, F>, name: N, rate: number): number | undefined {
  const record = readRun<F>(runFolder(out, { name: tuningName(name, rate), seed: tuningSeed }));
  return record && (score(record.figures) ?? Number.POSITIVE_INFINITY);
}

/** The step size whose run in the search did best. */
export function bestRate<N extends string, F>(search: Search<N, F>, name: N): number {
  const scoreOf = (rate: number) => searched(search, name, rate);
  const best = leastOf(ratesToTry(search.rates, scoreOf), scoreOf);
  if (best === undefined) throw new Error(`The search of ${name} is not done.`);
  return best;
}

/** Each method at the step size that did best in the search; seeds outermost, after what `before` puts first. */
export function leagueJobs<N extends string, F>(
  search: Search<N, F>,
  { seeds, passes }: { readonly seeds: number; readonly passes: number },
  before: (seed: number) => readonly Job<F>[],
): Job<F>[] {
  const rates = new Map(search.names.map((name) => [name, bestRate(search, name)]));
  return Array.from({ length: seeds }, (_, seed) => [
    ...before(seed),
    ...search.names.map((name) => {
      return search.job({ jobName: name, name, learningRate: rates.get(name) as number, seed, passes });
    }),
  ]).flat();
}
