/** What the league's records say in words. */

import { type SeedMean, seedMean } from "../experiments/intervals";
import { meanCell } from "../experiments/markdown";
import { rankCorrelation } from "../experiments/rank-correlation";
import type { RunRecord } from "../experiments/runs";
import { type PlaneMethod, type PlaneMethodName, planeMethods } from "../plane/methods";
import { methodNames } from "./options";
import type { PlaneFigures } from "./plane-jobs";
import { edgesText } from "./search-text";

export type Records = readonly RunRecord<PlaneFigures>[];
export type Name = PlaneMethodName | "start" | "mixture";

export const compared = { mixture: "samples of the mixture", start: "the start: one pass at t = 625" } as const;

/** What a row is called. */
export function titleOf(name: Name): string {
  return name in compared ? compared[name as "start"] : planeMethods[name as PlaneMethodName].title;
}

/** Whether all points of every seed lie at the edge of the square that is integrated over: then all seeds have one KL. */
export function leftTheSquare(records: Records, name: Name): boolean {
  const values = valuesOf(records, name, ({ kl }) => kl);
  const strays = valuesOf(records, name, ({ stray }) => stray);
  return values.length > 1 && new Set(values).size === 1 && strays.every((stray) => stray === 1);
}

export const valuesOf = (records: Records, name: Name, value: (figures: PlaneFigures) => number | null | undefined) =>
  records.flatMap((record) => (record.name === name ? (value(record.figures) ?? []) : []));
/** Mean over seeds; undefined where there is none. */
export const meanOf = (
  records: Records,
  name: Name,
  value: (figures: PlaneFigures) => number | null | undefined,
): SeedMean | undefined => {
  const values = valuesOf(records, name, value);
  return values.length > 0 ? seedMean(values) : undefined;
};

/** By divergence, the least first. */
export function ranked(records: Records): PlaneMethodName[] {
  const there = methodNames.filter((name) => records.some((record) => record.name === name));
  const kl = (name: PlaneMethodName) =>
    meanOf(records, name, (figures) => figures.kl)?.value ?? Number.POSITIVE_INFINITY;
  return there.sort((a, b) => kl(a) - kl(b));
}

/** The sentences at the top of the page; none with one seed. */
export function findings(records: Records, all: Records): string[] {
  const [best, ...others] = ranked(records);
  const top = best && intervalOf(records, best);
  if (!best || !top) return [];
  const close = others.filter((name) => (intervalOf(records, name)?.low ?? Number.POSITIVE_INFINITY) <= top.high);
  const single = ranked(records).filter((name) => (planeMethods[name] as PlaneMethod).generator?.steps === undefined);
  const whole = ranked(records).filter((name) => (meanOf(records, name, ({ covered }) => covered)?.value ?? 0) > 5.5);
  const start = meanOf(records, "start", ({ kl }) => kl);
  const worse = sharedStart.filter(
    (name) => (intervalOf(records, name)?.low ?? 0) > (start?.interval?.high ?? Number.POSITIVE_INFINITY),
  );
  return [
    `**Nearest to the mixture with equal passes is ${titleOf(best)}**: KL ${klCell(records, best)} nats. ${close.length > 0 ? `Its interval overlaps those of ${list(close)}: between these nothing is decided` : "Its interval overlaps no other's"}. Of those that draw in one pass the first are ${list(single.slice(0, 3), (name) => ` (${klCell(records, name)})`)}.`,
    `**None reaches the mixture** within this budget (its own samples have ${klCell(records, "mixture")}). ${whole.length > 0 ? `At least 5.5 of the six modes on average find ${list(whole)}` : "None finds 5.5 of the six modes on average"}: a generator of one pass is a continuous map of the noise and leaves bridges between modes.`,
    `**Rank is not merit**: guided methods aim at a sharper law than the mixture and rank lower by design (SiD ${klCell(records, "sid")}, SiD-LSG at κ = 1.5 ${klCell(records, "sid-lsg")}), SDS and CSD at none. Further off than the start that they share, beyond both intervals: ${list(worse)}.`,
    `**The intervals are of seeds alone**: one mixture, one budget, one size of network. ${edgesText(all, ranked(records), titleOf, (name) => rateOf(records, name))}`,
  ];
}

/** Methods whose generator starts as the row of the start says: the DDPM network, asked once at t = 625. */
export const sharedStart = methodNames.filter((name) => {
  const { process, generator }: PlaneMethod = planeMethods[name];
  return process === undefined && generator === undefined;
});

/** Who starts otherwise, in words. */
export function otherStartsText(): string {
  const others = methodNames.filter((name) => !sharedStart.includes(name));
  return `*The start* is that of ${sharedStart.length} methods: the pretrained network, asked once at t = 625. Otherwise start ${list(others)}: in four passes, from purer noise, or (SiD-DiT) with a network that was pretrained on the flow. Where these start was not measured.`;
}

/** The step size that a method was given. */
export const rateOf = (records: Records, name: Name) =>
  records.find((record) => record.name === name)?.figures.training?.learningRate;

const intervalOf = (records: Records, name: Name) => meanOf(records, name, ({ kl }) => kl)?.interval;
const klCell = (records: Records, name: Name) =>
  meanCell(
    meanOf(records, name, ({ kl }) => kl),
    3,
  );
const list = (names: readonly PlaneMethodName[], more: (name: PlaneMethodName) => string = () => "") =>
  names.length > 0 ? names.map((name) => `${titleOf(name)}${more(name)}`).join("; ") : "none";

/** Runs whose gauge could read, and what it and the truth say. */
export function gaugedRuns(records: Records) {
  return records.flatMap(({ name, figures: { kl, training } }) => {
    const bound = training?.gauge["gaugeLowerBound"];
    return kl === null || bound === undefined ? [] : [{ name: name as PlaneMethodName, kl, bound }];
  });
}

/** How far gauge and truth agree. */
export function rankText(records: Records): string {
  const runs = gaugedRuns(records);
  if (runs.length < 3) return "Too few runs with a gauge to compare.";
  const correlation = rankCorrelation(
    runs.map(({ kl }) => kl),
    runs.map(({ bound }) => bound),
  );
  const above = runs.filter(({ kl, bound }) => bound > kl).length;
  return `Over ${runs.length} runs of all methods that let it read, the rank correlation of the bound with the divergence is ${correlation.toFixed(2)}; the bound is above the divergence in ${above}. (The divergence is that of the averaged generator after the small noise, the gauge watches the generator that trains, and its bound is loose where the fake score lags: \`auditDivergence\` makes it tight.)`;
}
