/** What the records of the league on emoji say in words. */
import type { SeedMean } from "../experiments/intervals";
import { seedMean } from "../experiments/intervals";
import { meanCell } from "../experiments/markdown";
import type { RunRecord } from "../experiments/runs";
import type { PlaneMethodName } from "../plane/methods";
import type { Figure, Verdicts } from "../study/claims";
import { type ReferenceName, referenceNames, references } from "../study/configurations";
import { certainty, columns, meanOf } from "../study/tables";
import { emojiClaims } from "./emoji-claims";
import type { EmojiFigures, EmojiTraining } from "./emoji-jobs";
import { type EmojiMethod, emojiMethods, type fourPassStarts } from "./emoji-methods";
import { methodNames } from "./options";
import { edgesText } from "./search-text";

export type Records = readonly RunRecord<EmojiFigures>[];
type StartName = keyof typeof fourPassStarts;
export type Name = PlaneMethodName | ReferenceName | StartName;

const starts: Readonly<Record<StartName, string>> = {
  start4: "teacher, 4 steps, fresh noise",
  start4Ddim: "teacher, 4 steps, DDIM",
};

/** What the generators are compared with. */
export const comparedNames: readonly (ReferenceName | StartName)[] = [...referenceNames, "start4", "start4Ddim"];

export const isMethod = (name: string): name is PlaneMethodName => name in emojiMethods;
export const entryOf = (name: PlaneMethodName): EmojiMethod => emojiMethods[name];

/** What a row is called. */
export function titleOf(name: Name): string {
  if (isMethod(name)) return entryOf(name).title;
  return name in starts ? starts[name as StartName] : references[name as ReferenceName];
}

/** Mean over seeds of what training cost; undefined where there is none. */
export function costOf(records: Records, name: Name, value: (training: EmojiTraining) => number): SeedMean | undefined {
  const values = records.flatMap(({ name: own, figures }) =>
    own === name && figures.training ? [value(figures.training)] : [],
  );
  return values.length > 0 ? seedMean(values) : undefined;
}

/** The step size that a method was given. */
export const rateOf = (records: Records, name: Name) =>
  records.find((record) => record.name === name)?.figures.training?.learningRate;

/** Passes through a network that a picture costs; 0 of real ones. */
export function passesOf(name: Name): number {
  if (isMethod(name)) return entryOf(name).generator?.steps ?? 1;
  return { real: 0, teacher50: 50, teacher50Guided: 100, teacher1: 1, start4: 4, start4Ddim: 4 }[name];
}

/** Methods that are in: those of one pass first, and of equal passes by distance on trained pairs, the least first. */
export function ranked(records: Records): PlaneMethodName[] {
  const there = methodNames.filter((name) => records.some((record) => record.name === name));
  return there.sort((a, b) => passesOf(a) - passesOf(b) || distanceOf(records, a) - distanceOf(records, b));
}

/** What is compared with, and below each start the methods that leave from it or from one like it. */
export function rowsOf(records: Records): Name[] {
  const methods = ranked(records);
  const all: Name[] = [
    ...(["real", "teacher50", "teacher50Guided", "teacher1"] as const),
    ...methods.filter((name) => passesOf(name) === 1),
    ...(["start4", "start4Ddim"] as const),
    ...methods.filter((name) => passesOf(name) > 1),
  ];
  return all.filter((name) => records.some((record) => record.name === name));
}

const of = (records: Records, name: Name, figure: Figure) => meanOf(records, name, "trained", figure);
const distanceOf = (records: Records, name: Name) =>
  of(records, name, "frechetDistance")?.value ?? Number.POSITIVE_INFINITY;
const cell = (records: Records, name: Name, figure: Figure = "frechetDistance") =>
  meanCell(of(records, name, figure), columns[figure].digits);
const list = (names: readonly Name[], more: (name: Name) => string = () => "") =>
  names.length > 0 ? names.map((name) => `${titleOf(name)}${more(name)}`).join("; ") : "none";

/** The sentences at the top of the page; none while methods have one seed. */
export function findings(records: Records, all: Records, verdicts: readonly Verdicts[]): string[] {
  const order = ranked(records);
  const [best, ...others] = order.filter((name) => passesOf(name) === 1);
  const top = best && of(records, best, "frechetDistance")?.interval;
  if (!best || !top) return [];
  const low = (name: Name) => of(records, name, "frechetDistance")?.interval?.low ?? Number.POSITIVE_INFINITY;
  const close = others.filter((name) => low(name) <= top.high);
  return [
    `**Of those that draw in one pass, ${titleOf(best)} comes nearest to real pictures with equal passes**: Fréchet distance ${cell(records, best)} on trained pairs, where the teacher asked once, their start, has ${cell(records, "teacher1")} and asked fifty times ${cell(records, "teacher50")}. ${close.length > 0 ? `Its interval overlaps those of ${list(close, (name) => ` (${cell(records, name)})`)}: between these nothing is decided` : "Its interval overlaps no other's"}. Last comes ${list(others.slice(-1), (name) => ` (${cell(records, name)})`)}; beyond its interval further off than the start: ${list(others.filter((name) => low(name) > distanceOf(records, "teacher1")))}.`,
    fourPasses(records, order),
    otherFigures(records, order),
    words(records, order),
    pictures(records, order),
    certainty(emojiClaims, verdicts, titleOf),
    `**The intervals are of seeds alone**: one teacher, one budget, one world of pictures. ${edgesText(all, order, titleOf, (name) => rateOf(records, name))}`,
  ];
}

/** Those of four passes begin near already: what did learning add? */
function fourPasses(records: Records, order: readonly PlaneMethodName[]): string {
  const each = order
    .filter((name) => passesOf(name) > 1)
    .map((name) => {
      return `${titleOf(name)} ${cell(records, name)}, ${change(records, name)}`;
    });
  return `**Four passes begin near**: the teacher asked four times, before anything is learnt, is at ${cell(records, "start4")} with fresh noise between its passes and at ${cell(records, "start4Ddim")} by DDIM. ${each.length > 0 ? `After learning: ${each.join("; ")}` : "None is in yet"}. A picture of theirs costs four times as much, and the search, with a third of the passes, may win by a step size that leaves them where they began: they are no rivals of one pass.`;
}

/** How a method of four passes stands to where it began, whose figure has no seeds. */
function change(records: Records, name: PlaneMethodName): string {
  const start = distanceOf(records, startOf(name));
  const { low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY } =
    of(records, name, "frechetDistance")?.interval ?? {};
  if (high < start) return "nearer than its start";
  return low > start ? "further than its start" : "not told from its start";
}

const startOf = (name: PlaneMethodName): StartName =>
  entryOf(name).generator?.between === "ddim" ? "start4Ddim" : "start4";

/** Who comes first by what else is measured: a small distance may hide that variety is lost. */
function otherFigures(records: Records, order: readonly PlaneMethodName[]): string {
  const single = order.filter((name) => passesOf(name) === 1);
  const first = (figure: Figure, sign: 1 | -1) => {
    const value = (name: Name) => sign * (of(records, name, figure)?.value ?? sign * Number.POSITIVE_INFINITY);
    return list(
      [...single].sort((a, b) => value(a) - value(b)).slice(0, 1),
      (name) => ` (${cell(records, name, figure)})`,
    );
  };
  return `**By other figures**, of one pass: the best mean by KID has ${first("kernelDistance", 1)}, by coverage, which a generator of little variety lacks, ${first("coverage", -1)}, whether or not intervals overlap; real pictures have a coverage of ${cell(records, "real", "coverage")}. ${poor(records, single)}`;
}

/** Which of those that came nearer than their start lost variety, and in how many of their seeds. */
function poor(records: Records, names: readonly PlaneMethodName[]): string {
  const real = of(records, "real", "recall")?.value ?? 0;
  const narrow = names.flatMap((name) => {
    if (distanceOf(records, name) >= distanceOf(records, "teacher1")) return [];
    const seeds = records.filter((record) => record.name === name);
    const lost = seeds.filter(({ figures }) => (figures.trained.recall ?? real) < lostBelow * real);
    const share = `in ${lost.length} of ${seeds.length} seeds (${cell(records, name, "recall")})`;
    return lost.length > 0 ? [`${titleOf(name)} ${share}`] : [];
  });
  return narrow.length === 0
    ? "None that came nearer than its start lost a fifth of the recall of real pictures."
    : `**Near is not always varied**: less than four fifths of the recall of real pictures (${cell(records, "real", "recall")}) have ${narrow.join("; ")}: there one caption has much the same picture under other noises.`;
}

/** Share of the real pictures' recall below which variety counts as lost. */
const lostBelow = 0.8;

function words(records: Records, order: readonly PlaneMethodName[]): string {
  const right = [...order].sort(
    (a, b) => (of(records, b, "allRight")?.value ?? 0) - (of(records, a, "allRight")?.value ?? 0),
  );
  const single = right.filter((name) => passesOf(name) === 1);
  const share = (name: Name) => ` (${cell(records, name, "allRight")})`;
  return `**All words right** of one pass most often: ${list(single.slice(0, 3), share)}; least often: ${list(single.slice(-2), share)}; of four passes ${list(
    right.filter((name) => passesOf(name) > 1),
    share,
  )}. The teacher in 50 steps has ${cell(records, "teacher50", "allRight")}.`;
}

function pictures(records: Records, order: readonly PlaneMethodName[]): string {
  const [seeing, blind] = [true, false].map((sees) =>
    order.filter((name) => (entryOf(name).seesPictures ?? false) === sees),
  );
  const first = (names: readonly PlaneMethodName[] = []) =>
    list(names.filter((name) => passesOf(name) === 1).slice(0, 1), (name) => ` (${cell(records, name)})`);
  return `**Real pictures were shown** to ${list(seeing ?? [])} alone. Of one pass the nearest of these is ${first(seeing)}, of those that saw captions only ${first(blind)}.`;
}
