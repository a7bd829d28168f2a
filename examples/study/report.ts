/** The study's page, out of its records. */
import { type Bar, type Curve, curveChart, intervalChart } from "../experiments/chart";
import { seedsText, surroundingsText } from "../experiments/markdown";
import { bySeedAndName } from "../experiments/runs";
import { groupNames } from "../text-to-image/world";
import { claims, judgeClaims } from "./claims";
import { configurationNames, configurations, titleOf } from "./configurations";
import { neighbours } from "./figures";
import { agreement, findings } from "./findings";
import {
  claimsTable,
  columns,
  figuresTable,
  groupTitles,
  mainFigures,
  meanOf,
  type Name,
  neighboursTable,
  type Records,
} from "./tables";

/** The page and its pictures: text by file name. */
export async function studyReport(unsorted: Records, sheets: readonly string[]): Promise<Record<string, string>> {
  const records = [...unsorted].sort(bySeedAndName);
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
  const verdicts = judgeClaims(records, claims);
  const compared = verdicts.flatMap((pair) => Object.values(pair)).length;
  const found = findings(records, verdicts);
  return `${[
    "# The study: guidance and α, measured",
    "The quick start's teacher (words to emoji, 24×24 pixels) distilled under every guidance of the library and several α, each generator measured against *real* pictures. This page is written by `npm run study -- --report` from [results.jsonl](results.jsonl); no figure is typed in.",
    `**Seeds that are in: ${fewest === most ? `${fewest} of each configuration` : `${fewest} to ${most} of each configuration`}** (${seedsText(generators)}). Figures are means over seeds with 95 % intervals by Student's law; a figure without one is of a single seed. Intervals tell what another training would give on the same captions and noises, which are the same for every row.`,
    ...(found.length > 0 ? ["## What to take from it", found.map((line) => `- ${line}`).join("\n")] : []),
    "## How it was done",
    [
      `- \`npm run study -- --backend node --threads 1\`: ${iterations} iterations of ${batch} captions at a step size of ${learningRate}, the same for all; one axis at a time around LSG at κ = 1.5 and α = 1. It can be stopped anywhere and goes on where it was.`,
      "- Equal are the iterations and the captions seen, not the passes of networks: an iteration takes 9 without guidance and of Zero-CFG, 11 of long and of short guidance, 13 of Anti-CFG and 15 of LSG, forwards and backwards. What is cheaper could have had more iterations.",
      "- Short guidance weakens the fake score by the 0.5 by which long guidance strengthens the teacher. Zero-CFG has one strength, a pull of 1. Anti-CFG was taken at −0.5, a pull of 1.5: the paper's value is not published where it could be checked.",
      `- Measured on ${captions} captions of pairs of object and colour that were trained on, and on as many of pairs that neither teacher nor generator ever saw. *All words right*: the share of pictures in which a [judge](../../examples/text-to-image/README.md) reads object, colour and size as the caption says. *Fréchet distance*: squared, in the judge's 64 features, to 4,096 real pictures; *KID*: the kernel distance of the same features over all pairs, in millions, which is unbiased. Neither is the published FID or KID, whose features are Inception's: they compare with no figure elsewhere.`,
      `- *Precision, recall, density, coverage* from balls to the ${neighbours}th neighbour among ${captions} made and 4,096 real pictures: read them against the row of real pictures. Blurred pictures lie far apart, which makes their balls large and recall generous; coverage does not have that weakness. On trained pairs only: the held-out ones are so few scenes that most real pictures of them occur more than ${neighbours} times, and their balls have no radius.`,
      `- ${surroundingsText(records)}`,
    ].join("\n"),
    "## What came out",
    figuresTable(records),
    agreement(records),
    "![Every configuration's figures with their intervals](configurations.svg)",
    "Fidelity and variety by nearest neighbours:",
    neighboursTable(records),
    "LSG's κ, no guidance being κ = 1:",
    "![Distance and alignment over κ](kappa.svg)",
    ...(sheets.length > 0
      ? ["The same captions and noises under each, seed 0:", ...sheets.map((file) => `![Pictures](${file})`)]
      : []),
    "## Which claims hold here",
    `Each claim is one paired comparison: the difference by seed, its mean and 95 % interval, and how likely one so far from 0 is by chance alone (p, Student's law). There are ${compared} comparisons, of which chance alone would put about ${(0.05 * compared).toFixed(0)} beyond p = 0.05. So a claim *holds* or *fails* only where p stays below 0.05 after Holm's correction for all of them, which also stands that groups and claims share runs; it *tends to* where its own interval leaves out 0; else it is *undecided*. A claim of "no worse" holds only where it is better: it can fail, but not be proven.`,
    claimsTable(claims, verdicts, titleOf),
    "## What this cannot tell",
    "One teacher of 1.2 million weights, one world of 24 objects, runs of minutes at one step size for all, a judge of 64 features trained on the same world. Whether a claim holds at the size of Stable Diffusion, after a hundred times the iterations, is not decided here; what is decided is whether it shows early and in miniature, from the losses alone.",
  ].join("\n\n")}\n`;
}

function bars(records: Records, names: readonly Name[]): Bar[] {
  return names.flatMap((name) =>
    groupNames.flatMap((group) =>
      mainFigures.flatMap((column): Bar[] => {
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
    panels: mainFigures.map((column) => columns[column].title),
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
    mainFigures.map((column) => columns[column].title),
    groupNames.map((group) => groupTitles[group]),
    curves,
  );
}
