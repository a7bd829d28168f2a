/** What the search tried, in words. */
import type { RunRecord } from "../experiments/runs";
import type { PlaneMethodName } from "../plane/methods";
import { methodNames } from "./options";
import { tuningName } from "./search";

type Records = readonly RunRecord<unknown>[];

/** Step sizes that the search tried with a method, in order. */
function triedRates(all: Records, name: PlaneMethodName): number[] {
  const rates = all.flatMap((record) => {
    const rate = Number(record.settings["learningRate"]);
    return record.name === tuningName(name, rate) ? [rate] : [];
  });
  return rates.sort((a, b) => a - b);
}

/** What the search tried with all methods, and with some. */
export function searchText(all: Records): string {
  const tried = methodNames.map((name) => triedRates(all, name)).filter((rates) => rates.length > 0);
  const any = [...new Set(tried.flat())].sort((a, b) => a - b);
  const common = any.filter((rate) => tried.every((rates) => rates.includes(rate)));
  const others = any.filter((rate) => !common.includes(rate));
  const beyond = others.length > 0 ? `, and on while the best was the last one there: ${others.join(", ")}` : "";
  return `at step sizes of ${common.join(", ")}${beyond}`;
}

/** Whose best step size was the last that was tried, to one side. */
export function edgesText(
  all: Records,
  names: readonly PlaneMethodName[],
  titleOf: (name: PlaneMethodName) => string,
  rateOf: (name: PlaneMethodName) => number | undefined,
): string {
  const edges = names.filter((name) => {
    const tried = triedRates(all, name);
    return rateOf(name) === tried[0] || rateOf(name) === tried.at(-1);
  });
  return edges.length > 0
    ? `The search for a step size ended at its edge, so that beyond it these may do better: ${edges.map((name) => `${titleOf(name)} (${rateOf(name)})`).join("; ")}.`
    : "For every method the best step size lay between two worse ones.";
}
