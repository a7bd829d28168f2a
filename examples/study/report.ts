/** The study's page, out of its records. */
import { type Bar, type Curve, curveChart, intervalChart } from "../experiments/chart";
import { type SeedMean, seedMean } from "../experiments/intervals";
import { markdownTable, meanCell, seedsText, surroundingsText } from "../experiments/markdown";
import type { RunRecord } from "../experiments/runs";
import { type GroupName, groupNames } from "../text-to-image/world";
import { claims, comparisonOf, judgeClaim } from "./claims";
import {
  type ConfigurationName,
  configurationNames,
  configurations,
  type ReferenceName,
  referenceNames,
  references,
  titleOf,
} from "./configurations";
import type { Distances, StudyFigures } from "./figures";

type Records = readonly RunRecord<StudyFigures>[];
type Name = ConfigurationName | ReferenceName;

/** Every figure of a table: how it is called, its digits, how it is read. */
const columns = {
  allRight: { title: "all words right", digits: 3 },
  frechetDistance: { title: "Fréchet distance", digits: 1 },
} as const satisfies Readonly<Record<"allRight" | keyof Distances, { title: string; digits: number }>>;
type Column = keyof typeof columns;
const columnNames = Object.keys(columns) as Column[];

const groupTitles: Readonly<Record<GroupName, string>> = { trained: "trained pairs", heldOut: "held-out pairs" };

/** The page and its pictures: text by file name. */
export async function studyReport(records: Records, sheets: readonly string[]): Promise<Record<string, string>> {
  return {
    "README.md": page(records, sheets),
    "configurations.svg": await configurationsChart(records),
    "kappa.svg": await kappaChart(records),
  };
}

function page(records: Records, sheets: readonly string[]): string {
  const generators = records.filter(({ name }) => name in configurations);
  const counts = configurationNames.map((name) => generators.filter((record) => record.name === name).length);
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  const { iterations, batch, captions, learningRate } = generators[0]?.settings ?? {};
  return `${[
    "# The study: guidance and α, measured",
    "The quick start's teacher (words to emoji, 24×24 pixels) distilled under every guidance of the library and several α, each generator measured against *real* pictures. This page is written by `npm run study -- --report` from [results.jsonl](results.jsonl); no figure is typed in.",
    `**Seeds that are in: ${fewest === most ? `${fewest} of each configuration` : `${fewest} to ${most} of each configuration`}** (${seedsText(generators)}). Figures are means over seeds with 95 % intervals by Student's law; a figure without one is of a single seed. Intervals tell what another training would give on the same captions and noises, which are the same for every row.`,
    "## How it was done",
    [
      `- \`npm run study -- --backend node --threads 1\`: ${iterations} iterations of ${batch} captions at a step size of ${learningRate}, the same for all; one axis at a time around LSG at κ = 1.5 and α = 1. It can be stopped anywhere and goes on where it was.`,
      "- Equal are the iterations and the captions seen, not the passes of networks: an iteration takes 9 without guidance and of Zero-CFG, 11 of long and of short guidance, 13 of Anti-CFG and 15 of LSG, forwards and backwards. What is cheaper could have had more iterations.",
      "- Short guidance weakens the fake score by the 0.5 by which long guidance strengthens the teacher. Zero-CFG has one strength, a pull of 1. Anti-CFG was taken at −0.5, a pull of 1.5: the paper's value is not published where it could be checked.",
      `- Measured on ${captions} captions of pairs of object and colour that were trained on, and on as many of pairs that neither teacher nor generator ever saw. *All words right*: the share of pictures in which a [judge](../../examples/text-to-image/README.md) reads object, colour and size as the caption says. *Fréchet distance*: squared, in the judge's 64 features, to 4,096 real pictures. It is not FID and compares with no published figure.`,
      `- ${surroundingsText(records)}`,
    ].join("\n"),
    "## What came out",
    figuresTable(records),
    "![Every configuration's figures with their intervals](configurations.svg)",
    "LSG's κ:",
    "![Distance and alignment over κ](kappa.svg)",
    ...(sheets.length > 0
      ? ["The same captions and noises under each, seed 0:", ...sheets.map((file) => `![Pictures](${file})`)]
      : []),
    "## Which claims hold here",
    "Each claim is one paired comparison: the difference by seed, its mean and interval. It *holds* or *does not* where the interval leaves out 0; else it is *undecided*, as all are with one seed.",
    claimsTable(records),
    summary(records),
    "## What this cannot tell",
    "One teacher of 1.2 million weights, one world of 24 objects, runs of minutes, a judge of 64 features trained on the same world. Whether a claim holds at the size of Stable Diffusion is not decided here; what is decided is whether it follows from the losses alone.",
  ].join("\n\n")}\n`;
}

const meanOf = (records: Records, name: Name, group: GroupName, column: Column): SeedMean | undefined => {
  const values = valuesOf(records, name, group, column);
  return values.length > 0 ? seedMean(values) : undefined;
};

/** By seed; those of pictures that were not finite are left out. */
function valuesOf(records: Records, name: Name, group: GroupName, column: Column): number[] {
  return records.flatMap((record) => (record.name === name ? (record.figures[group][column] ?? []) : []));
}

function figuresTable(records: Records): string {
  const heads = groupNames.flatMap((group) =>
    columnNames.map((column) => `${columns[column].title}, ${groupTitles[group]}`),
  );
  const rows = [...referenceNames, ...configurationNames].map((name) => {
    const own = records.filter((record) => record.name === name);
    const lost = own.filter(({ figures }) => figures.trained.frechetDistance === null).length;
    const cells = groupNames.flatMap((group) =>
      columnNames.map((column) => meanCell(meanOf(records, name, group, column), columns[column].digits)),
    );
    const seeds = name in references ? "–" : `${own.length}${lost > 0 ? `, ${lost} not finite` : ""}`;
    return [titleOf(name), ...cells, seeds];
  });
  return markdownTable(["", ...heads, "seeds"], rows);
}

function claimsTable(records: Records): string {
  const rows = claims.map((claim) => {
    const digits = columns[claim.figure].digits;
    const cells = groupNames.map((group) => {
      const { difference, word } = judgeClaim(claim, records, group);
      return `${word}: ${meanCell(difference, digits)}`;
    });
    return [claim.says, comparisonOf(claim), ...cells];
  });
  return markdownTable(["claim", "measured", ...groupNames.map((group) => groupTitles[group])], rows);
}

/** The claims by what both groups say. */
function summary(records: Records): string {
  const words = claims.map((claim) => groupNames.map((group) => judgeClaim(claim, records, group).word));
  const count = (test: (pair: readonly string[]) => boolean) => words.filter(test).length;
  const [holds, fails] = ["holds", "does not hold"].map((word) => count((pair) => pair.every((one) => one === word)));
  return `Of ${claims.length} claims ${holds} hold on both groups of captions, ${fails} do not hold on either, ${claims.length - (holds ?? 0) - (fails ?? 0)} are undecided on one at least.`;
}

function bars(records: Records, names: readonly Name[]): Bar[] {
  return names.flatMap((name) =>
    groupNames.flatMap((group) =>
      columnNames.flatMap((column): Bar[] => {
        const mean = meanOf(records, name, group, column);
        if (!mean) return [];
        const { low, high } = mean.interval ?? { low: mean.value, high: mean.value };
        return [
          {
            ...{ name: titleOf(name), panel: columns[column].title, group: groupTitles[group] },
            ...{ value: mean.value, low, high },
          },
        ];
      }),
    ),
  );
}

function configurationsChart(records: Records): Promise<string> {
  const names = ["real", "teacher50", "teacher50Guided", ...configurationNames] as const;
  return intervalChart({
    names: names.map(titleOf),
    panels: columnNames.map((column) => columns[column].title),
    groups: groupNames.map((group) => groupTitles[group]),
    bars: bars(records, names),
    logarithmic: [columns.frechetDistance.title],
  });
}

function kappaChart(records: Records): Promise<string> {
  const names = configurationNames.filter((name) => name === "none" || name.startsWith("lsg-"));
  const kappas = new Map(names.map((name) => [titleOf(name), configurations[name].guidance.kappa4]));
  const curves = bars(records, names).map(({ name, ...rest }): Curve => ({ ...rest, x: kappas.get(name) ?? 1 }));
  return curveChart(
    "κ of LSG",
    columnNames.map((column) => columns[column].title),
    groupNames.map((group) => groupTitles[group]),
    curves,
  );
}
