/** Which claims of the papers hold in miniature: each is one comparison of two configurations, seed by seed. */
import { type BySeed, pairedDifference, type SeedMean } from "../experiments/intervals";
import type { RunRecord } from "../experiments/runs";
import type { GroupName } from "../text-to-image/world";
import { type ConfigurationName, configurations } from "./configurations";
import type { StudyFigures } from "./figures";

/** A claim: that one configuration's figure is less or more than another's. */
export interface Claim {
  readonly says: string;
  readonly of: ConfigurationName;
  readonly against: ConfigurationName;
  readonly figure: "frechetDistance" | "allRight";
  readonly wanted: "less" | "more";
}

/** In the words of the papers, as far as two configurations can stand for them. */
export const claims: readonly Claim[] = [
  claim(
    "Guidance in the distillation brings pictures nearer to real ones than none (SiD-LSG: FID is best at κ = 1.5)",
    { of: "lsg-1.5", against: "none", figure: "frechetDistance", wanted: "less" },
  ),
  claim("Guidance makes pictures follow the text better than none (SiD-LSG)", {
    of: "lsg-1.5",
    against: "none",
    figure: "allRight",
    wanted: "more",
  }),
  claim("A larger κ follows the text better (SiD-LSG: CLIP rises to κ = 4.5)", {
    of: "lsg-4.5",
    against: "lsg-1.5",
    figure: "allRight",
    wanted: "more",
  }),
  claim("… at the cost of distance (SiD-LSG: FID rises with κ)", {
    of: "lsg-4.5",
    against: "lsg-1.5",
    figure: "frechetDistance",
    wanted: "more",
  }),
  claim("Guiding all networks is nearer than guiding the teacher alone (SiD-LSG)", {
    of: "lsg-1.5",
    against: "long",
    figure: "frechetDistance",
    wanted: "less",
  }),
  claim("… and follows the text better", { of: "lsg-1.5", against: "long", figure: "allRight", wanted: "more" }),
  claim("Guiding all networks is nearer than weakening the fake score (SiD-LSG)", {
    of: "lsg-1.5",
    against: "short",
    figure: "frechetDistance",
    wanted: "less",
  }),
  claim("A fake score that never sees the text replaces guidance: Zero-CFG follows it as well (few-step SiD)", {
    of: "zero-cfg",
    against: "lsg-1.5",
    figure: "allRight",
    wanted: "more",
  }),
  claim("… and so does Anti-CFG", { of: "anti-cfg", against: "lsg-1.5", figure: "allRight", wanted: "more" }),
  claim("α = 1 learns faster than 0.5 (SiD)", {
    of: "lsg-1.5",
    against: "alpha-0.5",
    figure: "frechetDistance",
    wanted: "less",
  }),
  claim("α = 1.2 is as good as 1 or better (SiD)", {
    of: "alpha-1.2",
    against: "lsg-1.5",
    figure: "frechetDistance",
    wanted: "less",
  }),
];

function claim(says: string, comparison: Omit<Claim, "says">): Claim {
  return { says, ...comparison };
}

/** What the seeds say of a claim. */
export interface Verdict {
  readonly difference: SeedMean | undefined;
  readonly word: "holds" | "does not hold" | "undecided";
}

/** Holds or not where the interval of the paired difference leaves 0 out; with one seed nothing is decided. */
export function judgeClaim(claim: Claim, records: readonly RunRecord<StudyFigures>[], group: GroupName): Verdict {
  const figures = (name: ConfigurationName): BySeed =>
    new Map(
      records.flatMap((record) => {
        const value = record.name === name ? record.figures[group][claim.figure] : null;
        return value === null ? [] : [[record.seed, value] as const];
      }),
    );
  const difference = pairedDifference(figures(claim.of), figures(claim.against));
  if (!difference?.interval) return { difference, word: "undecided" };
  const { low, high } = difference.interval;
  if (low <= 0 && high >= 0) return { difference, word: "undecided" };
  return { difference, word: difference.value < 0 === (claim.wanted === "less") ? "holds" : "does not hold" };
}

/** What is compared, in words. */
export function comparisonOf({ of, against, figure }: Claim): string {
  const what = figure === "allRight" ? "all words right" : "distance";
  return `${what}: ${configurations[of].title} − ${configurations[against].title}`;
}
