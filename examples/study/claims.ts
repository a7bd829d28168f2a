/** Which claims of the papers hold in miniature: each is one comparison of two configurations, seed by seed. */
import { chanceOf, holm } from "../experiments/comparisons";
import { type BySeed, pairedDifference, type SeedMean } from "../experiments/intervals";
import type { RunRecord } from "../experiments/runs";
import { type GroupName, groupNames } from "../text-to-image/world";
import type { ConfigurationName } from "./configurations";
import type { Distances, GroupFigures } from "./figures";

/** A run with what was measured of its groups. */
export type Measured = RunRecord<{ readonly [G in GroupName]?: GroupFigures }>;

/** What a claim is about. */
export type Figure = "allRight" | keyof Distances;

/** A claim: that one configuration's figure is less or more than another's. */
export interface Claim<N extends string = ConfigurationName> {
  readonly says: string;
  readonly of: N;
  readonly against: N;
  readonly figure: Figure;
  readonly wanted: "less" | "more";
}

/** In the words of the papers, as far as two configurations can stand for them. */
export const claims: readonly Claim[] = [
  claim("Guidance in the distillation brings pictures nearer to real ones than none (SiD-LSG's premise)", {
    ...{ of: "lsg-1.5", against: "none", figure: "frechetDistance", wanted: "less" },
  }),
  claim("Guidance makes pictures follow the text better than none (SiD-LSG's premise)", {
    ...{ of: "lsg-1.5", against: "none", figure: "allRight", wanted: "more" },
  }),
  claim("A larger κ follows the text better (SiD-LSG: CLIP rises from .302 at κ = 1.5 to .317 at 4.5)", {
    ...{ of: "lsg-4.5", against: "lsg-1.5", figure: "allRight", wanted: "more" },
  }),
  claim("… at the cost of distance (SiD-LSG: FID rises from 8.7 to 16.6)", {
    ...{ of: "lsg-4.5", against: "lsg-1.5", figure: "frechetDistance", wanted: "more" },
  }),
  claim("… and of variety", {
    ...{ of: "lsg-4.5", against: "lsg-1.5", figure: "recall", wanted: "less" },
  }),
  claim("Guiding all networks is nearer than guiding the teacher alone (SiD-LSG)", {
    ...{ of: "lsg-1.5", against: "long", figure: "frechetDistance", wanted: "less" },
  }),
  claim("… and follows the text better", {
    ...{ of: "lsg-1.5", against: "long", figure: "allRight", wanted: "more" },
  }),
  claim("Guiding all networks is nearer than weakening the fake score (SiD-LSG)", {
    ...{ of: "lsg-1.5", against: "short", figure: "frechetDistance", wanted: "less" },
  }),
  claim("A fake score that never sees the text replaces guidance: Zero-CFG has more variety (few-step SiD)", {
    ...{ of: "zero-cfg", against: "lsg-1.5", figure: "recall", wanted: "more" },
  }),
  claim("… and follows the text no worse", {
    ...{ of: "zero-cfg", against: "lsg-1.5", figure: "allRight", wanted: "more" },
  }),
  claim("So does one that is pushed away from the text: Anti-CFG has more variety (few-step SiD)", {
    ...{ of: "anti-cfg", against: "lsg-1.5", figure: "recall", wanted: "more" },
  }),
  claim("… and follows the text no worse", {
    ...{ of: "anti-cfg", against: "lsg-1.5", figure: "allRight", wanted: "more" },
  }),
  claim("α = 1 is further after the same iterations than 0.5 (SiD)", {
    ...{ of: "lsg-1.5", against: "alpha-0.5", figure: "frechetDistance", wanted: "less" },
  }),
  claim("α = 1.2, SiD's choice for small pictures, is nearer than 1", {
    ...{ of: "alpha-1.2", against: "lsg-1.5", figure: "frechetDistance", wanted: "less" },
  }),
];

/** A claim in words, and what it comes down to. */
export function claim<N extends string>(says: string, comparison: Omit<Claim<N>, "says">): Claim<N> {
  return { says, ...comparison };
}

/** What may be said of a claim. */
export type Word = "holds" | "tends to hold" | "undecided" | "tends to fail" | "fails";

/** What the seeds say of a claim on one group of captions. */
export interface Verdict {
  readonly difference: SeedMean | undefined;
  /** How likely such a difference is by chance alone; undefined with one seed. */
  readonly chance: number | undefined;
  readonly word: Word;
}

/** The verdicts of a claim by the groups that it is judged on. */
export type Verdicts = Readonly<Partial<Record<GroupName, Verdict>>>;

/** Figures of neighbours tell nothing of held-out pairs: so few scenes have many real pictures twice, and balls of no radius. */
export const groupsOf = ({ figure }: { readonly figure: Figure }): readonly GroupName[] =>
  figure === "allRight" || figure === "frechetDistance" || figure === "kernelDistance" ? groupNames : ["trained"];

/**
 * Judges all claims on the groups that they have. *Holds* and *fails*: the difference is beyond chance among all comparisons together, by
 * Holm's correction at 5 %. *Tends to*: its own 95 % interval leaves out 0, no more.
 */
export function judgeClaims<N extends string>(records: readonly Measured[], all: readonly Claim<N>[]): Verdicts[] {
  const compared = all.flatMap((claim) =>
    groupsOf(claim).map((group) => {
      const difference = differenceOf(claim, records, group);
      return { claim, group, difference, chance: difference && chanceOf(difference) };
    }),
  );
  const known = compared.flatMap(({ chance }) => chance ?? []);
  const raised = holm(known);
  let at = 0;
  const verdicts = compared.map(({ claim, group, difference, chance }) => {
    const together = chance === undefined ? undefined : raised[at++];
    const word = difference ? wordOf(claim, difference.value, chance, together) : "undecided";
    return { claim, group, verdict: { difference, chance, word } satisfies Verdict };
  });
  return all.map((claim) => {
    const own = verdicts.filter((one) => one.claim === claim);
    return Object.fromEntries(own.map(({ group, verdict }) => [group, verdict]));
  });
}

function wordOf<N extends string>({ wanted }: Claim<N>, difference: number, alone = 1, together = 1): Word {
  const isWanted = difference < 0 === (wanted === "less");
  if (together < 0.05) return isWanted ? "holds" : "fails";
  if (alone < 0.05) return isWanted ? "tends to hold" : "tends to fail";
  return "undecided";
}

function differenceOf<N extends string>(
  { of, against, figure }: Claim<N>,
  records: readonly Measured[],
  group: GroupName,
) {
  const figures = (name: N): BySeed =>
    new Map(
      records.flatMap((record) => {
        const value = record.name === name ? record.figures[group]?.[figure] : null;
        return value === null || value === undefined ? [] : [[record.seed, value] as const];
      }),
    );
  return pairedDifference(figures(of), figures(against));
}

const figureWords: Readonly<Record<Figure, string>> = {
  allRight: "all words right",
  frechetDistance: "distance",
  kernelDistance: "KID",
  precision: "precision",
  recall: "recall",
  density: "density",
  coverage: "coverage",
};

/** What is compared, in words. */
export function comparisonOf<N extends string>(
  { of, against, figure }: Claim<N>,
  titleOf: (name: N) => string,
): string {
  return `${figureWords[figure]}: ${titleOf(of)} − ${titleOf(against)}`;
}
