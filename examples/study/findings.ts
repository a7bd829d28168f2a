/** What a reader takes from the study: sentences that the records make. */
import { meanCell } from "../experiments/markdown";
import { rankCorrelation } from "../experiments/rank-correlation";
import { groupNames } from "../text-to-image/world";
import { claims, type Figure, type Verdicts, type Word } from "./claims";
import { type ConfigurationName, configurationNames, titleOf } from "./configurations";
import { certainty, columns, groupTitles, meanOf, type Name, type Records } from "./tables";

const kappaNames = ["none", "lsg-1.15", "lsg-1.5", "lsg-2", "lsg-3", "lsg-4.5"] as const;
const alphaNames = ["alpha-0.5", "alpha-0.8", "lsg-1.5", "alpha-1.2"] as const;
const alphas: Readonly<Record<(typeof alphaNames)[number], string>> = {
  ...{ "alpha-0.5": "0.5", "alpha-0.8": "0.8", "lsg-1.5": "1", "alpha-1.2": "1.2" },
};

/** The sentences at the top of the page; fewer where configurations are missing. */
export function findings(records: Records, verdicts: readonly Verdicts[]): string[] {
  if (!configurationNames.every((name) => meanOf(records, name, "trained", "frechetDistance"))) return [];
  return [
    nearest(records, verdicts),
    winners(records),
    kappas(records),
    fakeScores(records),
    alphaLine(records),
    certainty(claims, verdicts, titleOf),
  ];
}

const value = (records: Records, name: Name, figure: Figure) =>
  meanOf(records, name, "trained", figure)?.value ?? Number.NaN;
const cell = (records: Records, name: Name, figure: Figure) =>
  meanCell(meanOf(records, name, "trained", figure), columns[figure].digits);

/** The name whose mean is least, or largest with a sign of −1. */
function first<N extends Name>(records: Records, names: readonly N[], figure: Figure, sign: 1 | -1): N {
  return [...names].sort((a, b) => sign * (value(records, a, figure) - value(records, b, figure)))[0] as N;
}

function nearest(records: Records, verdicts: readonly Verdicts[]): string {
  const best = first(records, configurationNames, "frechetDistance", 1);
  const rivals = (["long", "lsg-1.5", "none", "teacher50"] as const).filter((name) => name !== best);
  const list = rivals.map((name) => `${titleOf(name)} ${cell(records, name, "frechetDistance")}`).join("; ");
  const words = wordsOf(verdicts, "lsg-1.5", "long", "frechetDistance");
  return `**Nearest to real pictures on average comes ${titleOf(best)}**, with a Fréchet distance of ${cell(records, best, "frechetDistance")} on trained pairs (${list}). The paper's claim that guiding all networks (LSG) is nearer than guiding the teacher alone (long) ${words}.`;
}

/** What else comes first by another figure. */
function winners(records: Records): string {
  const best = [
    ["KID", first(records, configurationNames, "kernelDistance", 1), "kernelDistance"],
    ["words right", first(records, configurationNames, "allRight", -1), "allRight"],
    ["coverage", first(records, configurationNames, "coverage", -1), "coverage"],
  ] as const;
  const list = best.map(([what, name, figure]) => `by ${what} ${titleOf(name)} (${cell(records, name, figure)})`);
  return `**First by other figures**: ${list.join(", ")}.`;
}

function kappas(records: Records): string {
  const near = first(records, kappaNames, "frechetDistance", 1);
  const right = first(records, kappaNames, "allRight", -1);
  const [low, high] = ["lsg-1.5", "lsg-4.5"] as const;
  const factor = value(records, high, "frechetDistance") / value(records, low, "frechetDistance");
  const buys = value(records, high, "allRight") > value(records, low, "allRight");
  const trade = buys ? "more words right, as the paper's trade says" : "and no word: the paper's trade does not show";
  return `**A large κ costs distance ${trade}.** From κ = 1.5 to 4.5 the distance grows ${factor.toFixed(1)} times, words right go from ${cell(records, low, "allRight")} to ${cell(records, high, "allRight")}. Of LSG's κ and no guidance, the mean distance is least for ${titleOf(near)}, words are right most often for ${titleOf(right)}. All had the same step size and 300 iterations: a larger κ makes larger gradients, and may want a smaller step.`;
}

function fakeScores(records: Records): string {
  const of = (name: Name) =>
    `${cell(records, name, "allRight")} (recall ${cell(records, name, "recall")}, distance ${cell(records, name, "frechetDistance")})`;
  const worse = (["zero-cfg", "anti-cfg"] as const).every(
    (name) => value(records, name, "allRight") < value(records, "none", "allRight"),
  );
  const verdict = worse ? "did not do here what guidance does" : "stand beside guidance";
  return `**Zero-CFG and Anti-CFG ${verdict}**: words right ${of("zero-cfg")} and ${of("anti-cfg")}, of LSG at κ = 1.5 ${of("lsg-1.5")}.`;
}

function alphaLine(records: Records): string {
  const best = first(records, alphaNames, "frechetDistance", 1);
  const list = alphaNames.map((name) => `${cell(records, name, "frechetDistance")} at ${alphas[name]}`).join(", ");
  return `**Of the α, ${alphas[best]} is nearest on average**: distances ${list}.`;
}

const phrases: Readonly<Record<Word, string>> = {
  holds: "holds",
  "tends to hold": "tends to hold (not beyond chance among all comparisons)",
  undecided: "is undecided",
  "tends to fail": "tends to fail (not beyond chance among all comparisons)",
  fails: "fails",
};

/** What is said of a claim, on both groups where they differ. */
function wordsOf(
  verdicts: readonly Verdicts[],
  of: ConfigurationName,
  against: ConfigurationName,
  figure: Figure,
): string {
  const at = claims.findIndex((claim) => claim.of === of && claim.against === against && claim.figure === figure);
  const [trained, heldOut] = groupNames.map((group) => phrases[verdicts[at]?.[group]?.word ?? "undecided"]);
  return trained === heldOut
    ? `${trained} on both groups`
    : `${trained} on ${groupTitles.trained} and ${heldOut} on ${groupTitles.heldOut}`;
}

/** How far KID and the Fréchet distance agree on the order of the configurations. */
export function agreement(records: Records): string {
  const ranks = groupNames.flatMap((group) => {
    const of = (figure: Figure) =>
      configurationNames.map((name) => meanOf(records, name, group, figure)?.value ?? Number.NaN);
    const [distance, kid] = [of("frechetDistance"), of("kernelDistance")];
    return [...distance, ...kid].every(Number.isFinite)
      ? [`${rankCorrelation(distance, kid).toFixed(2)} on ${groupTitles[group]}`]
      : [];
  });
  return ranks.length > 0
    ? `KID and the Fréchet distance order the configurations alike: rank correlation ${ranks.join(", ")}.`
    : "";
}
