/** The study's tables. */
import { type SeedMean, seedMean } from "../experiments/intervals";
import { markdownTable, meanCell } from "../experiments/markdown";
import type { RunRecord } from "../experiments/runs";
import { type GroupName, groupNames } from "../text-to-image/world";
import { type Claim, comparisonOf, type Figure, groupsOf, type Measured, type Verdicts, type Word } from "./claims";
import {
  type ConfigurationName,
  configurationNames,
  type ReferenceName,
  referenceNames,
  references,
  titleOf,
} from "./configurations";
import type { StudyFigures } from "./figures";

export type Records = readonly RunRecord<StudyFigures>[];
export type Name = ConfigurationName | ReferenceName;

/** Every figure of a table: how it is called, its digits, and what it is divided by to be read. */
export const columns: Readonly<
  Record<Figure, { readonly title: string; readonly digits: number; readonly unit: number }>
> = {
  allRight: { title: "all words right", digits: 3, unit: 1 },
  frechetDistance: { title: "Fréchet distance", digits: 1, unit: 1 },
  kernelDistance: { title: "KID, millions", digits: 3, unit: 1e6 },
  precision: { title: "precision", digits: 2, unit: 1 },
  recall: { title: "recall", digits: 2, unit: 1 },
  density: { title: "density", digits: 2, unit: 1 },
  coverage: { title: "coverage", digits: 2, unit: 1 },
};

/** What the first table has of each group, and the second. */
export const mainFigures = ["allRight", "frechetDistance", "kernelDistance"] as const;
export const neighbourFigures = ["precision", "recall", "density", "coverage"] as const;

export const groupTitles: Readonly<Record<GroupName, string>> = { trained: "trained pairs", heldOut: "held-out pairs" };

/** Mean over seeds, in the column's unit. Seeds whose pictures were not finite are left out. */
export function meanOf(
  records: readonly Measured[],
  name: string,
  group: GroupName,
  figure: Figure,
): SeedMean | undefined {
  const values = records.flatMap((record) => (record.name === name ? (record.figures[group]?.[figure] ?? []) : []));
  return values.length > 0 ? seedMean(values.map((value) => value / columns[figure].unit)) : undefined;
}

/** Distances and alignment. */
export function figuresTable(records: Records): string {
  return tableOf(records, mainFigures, groupNames);
}

/** Fidelity and variety, of trained pairs. */
export function neighboursTable(records: Records): string {
  return tableOf(records, neighbourFigures, groupsOf({ figure: "recall" }));
}

function tableOf(records: Records, figures: readonly Figure[], groups: readonly GroupName[]): string {
  const heads = groups.flatMap((group) => figures.map((figure) => `${columns[figure].title}, ${groupTitles[group]}`));
  const rows = [...referenceNames, ...configurationNames].map((name) => {
    const own = records.filter((record) => record.name === name);
    const lost = own.filter(({ figures }) => figures.trained.frechetDistance === null).length;
    const cells = groups.flatMap((group) =>
      figures.map((figure) => meanCell(meanOf(records, name, group, figure), columns[figure].digits)),
    );
    const seeds = name in references ? "–" : `${own.length}${lost > 0 ? `, ${lost} not finite` : ""}`;
    return [titleOf(name), ...cells, seeds];
  });
  return markdownTable(["", ...heads, "seeds"], rows);
}

/** Every claim with what was measured and what may be said. */
export function claimsTable<N extends string>(
  claims: readonly Claim<N>[],
  verdicts: readonly Verdicts[],
  titleOf: (name: N) => string,
): string {
  const rows = claims.map((claim, i) => {
    const digits = columns[claim.figure].digits;
    const cells = groupNames.map((group) => {
      const verdict = verdicts[i]?.[group];
      if (!verdict) return "–";
      const { difference, chance, word } = verdict;
      return `${word}: ${meanCell(difference, digits)}${chance === undefined ? "" : `, p = ${shortest(chance)}`}`;
    });
    return [claim.says, comparisonOf(claim, titleOf), ...cells];
  });
  return markdownTable(["claim", "measured", ...groupNames.map((group) => groupTitles[group])], rows);
}

/** How much of all claims is certain, in words. */
export function certainty<N extends string>(
  claims: readonly Claim<N>[],
  verdicts: readonly Verdicts[],
  titleOf: (name: N) => string,
): string {
  const each = verdicts.flatMap((pair) => Object.values(pair));
  const all = (word: Word) => {
    const found = claims.filter((_, i) => Object.values(verdicts[i] ?? {}).every((one) => one.word === word));
    const list = found.map((claim) => comparisonOf(claim, titleOf)).join("; ");
    return `${found.length}${found.length > 0 ? ` (${list})` : ""}`;
  };
  const alone = each.filter(({ chance = 1 }) => chance < 0.05).length;
  return `**How sure**: of ${claims.length} claims ${all("holds")} hold and ${all("fails")} fail wherever they are judged, beyond what chance explains among all ${each.length} comparisons together; ${alone} of the ${each.length} differ from 0 on their own at 5 %, where chance alone gives about ${(0.05 * each.length).toFixed(0)}. All else is undecided with these seeds, not refuted.`;
}

/** Two digits that count. */
function shortest(chance: number): string {
  return chance < 1e-4 ? "< 0.0001" : String(Number(chance.toPrecision(2)));
}
