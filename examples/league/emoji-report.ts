/** The page of the league on emoji, out of its records. */
import { type Bar, intervalChart } from "../experiments/chart";
import { seedsText, surroundingsText } from "../experiments/markdown";
import { rankCorrelation } from "../experiments/rank-correlation";
import { bySeedAndName } from "../experiments/runs";
import { judgeClaims, type Verdicts } from "../study/claims";
import { neighbours } from "../study/figures";
import { claimsTable, columns, groupTitles, mainFigures, meanOf } from "../study/tables";
import { groupNames } from "../text-to-image/world";
import { emojiClaims } from "./emoji-claims";
import { comparedNames, costOf, findings, isMethod, type Records, ranked, rowsOf, titleOf } from "./emoji-findings";
import { costTable, figuresTable, neighboursTable } from "./emoji-tables";
import { budgets, methodNames } from "./options";
import { searchText } from "./search-text";

/** The page and its chart: text by file name. */
export async function emojiReport(unsorted: Records, sheets: readonly string[]): Promise<Record<string, string>> {
  const all = [...unsorted].sort(bySeedAndName);
  const own = all.filter(({ name }) => isMethod(name) || (comparedNames as readonly string[]).includes(name));
  return { "emoji.md": page(own, all, sheets), "emoji.svg": await figuresChart(own) };
}

function page(records: Records, all: Records, sheets: readonly string[]): string {
  return `${[
    "# The league on emoji: every method on a teacher of pictures",
    "The quick start's teacher (words to emoji, 24×24 pixels) distilled by every method of `sid-lsg/methods` with equal passes of networks, each at the step size that the same search found for it, and measured against *real* pictures as [the study](../study/README.md) measures. Where the exact law is known: [the league in the plane](README.md). This page is written by `npm run league -- --emoji --report` from [emoji-results.jsonl](emoji-results.jsonl); no figure is typed in.",
    seedsLine(records),
    ...findingsOf(records, all),
    "## How it was done",
    conditions(records, all)
      .map((line) => `- ${line}`)
      .join("\n"),
    ...(records.some(({ name }) => isMethod(name)) ? results(records, sheets) : []),
    "## What this cannot tell",
    "One teacher of 1.2 million weights, one world of 24 objects, runs of a minute, a judge of 64 features that was trained on the same world. The defaults of these methods were found by their authors for networks a thousand times as large and runs a thousand times as long; a method that comes late here may need what this budget does not give. What is decided is who gets how far early and in miniature.",
  ].join("\n\n")}\n`;
}

function findingsOf(records: Records, all: Records): string[] {
  const found = findings(records, all, judgeClaims(records, emojiClaims));
  return found.length > 0 ? ["## What to take from it", found.map((line) => `- ${line}`).join("\n")] : [];
}

function results(records: Records, sheets: readonly string[]): string[] {
  const verdicts = judgeClaims(records, emojiClaims);
  return [
    "## What came out",
    figuresTable(records),
    "![Every method's figures with their intervals](emoji.svg)",
    ...(sheets.length > 0
      ? ["The same captions and noises under each, seed 0:", ...sheets.map((file) => `![Pictures](${file})`)]
      : []),
    "Fidelity and variety by nearest neighbours:",
    neighboursTable(records),
    "## What each takes",
    costTable(records),
    favours(records),
    "## Which claims hold here",
    claimsText(verdicts),
    claimsTable(emojiClaims, verdicts, titleOf),
    "## What the gauge says",
    gaugeText(records),
  ];
}

function seedsLine(records: Records): string {
  const methods = records.filter(({ name }) => isMethod(name));
  if (methods.length === 0) return "**No method's runs are in yet**: the search is under way.";
  const counts = methodNames.map((name) => methods.filter((record) => record.name === name).length);
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  return `**Seeds that are in: ${fewest === most ? fewest : `${fewest} to ${most}`} of each method** (${seedsText(methods)}). Figures are means over seeds with 95 % intervals by Student's law; a figure without one is of a single seed. Intervals tell what another training at the same step size would give on the same captions and noises, which are the same for every row; that the search might choose otherwise is not in them.`;
}

/** How it was done; of a table without methods only what is common to all. */
function conditions(records: Records, all: Records): string[] {
  const { passes, batch, captions } = records.find(({ name }) => isMethod(name))?.settings ?? {};
  const search = all.filter(({ name }) => name.startsWith("tune-"));
  const searched = search[0]?.settings["captions"];
  return [
    ...(passes === undefined
      ? []
      : [
          `\`npm run league -- --emoji${passes === budgets.emoji.passes ? "" : ` --passes ${passes}`} --backend node --threads 1\`: each run ends where another iteration, if it costs what its iterations have cost on average, would spend more than ${passes} passes of a network a sample of the batch of ${batch}, forwards and backwards, counted as the run made them: a guided pass counts twice, one through features alone once. It can be stopped anywhere and goes on with the run that was stopped.`,
          `Measured on ${captions} captions of pairs of object and colour that were trained on, and on as many of pairs that neither teacher nor generator ever saw. *All words right*: the share of pictures in which a [judge](../../examples/text-to-image/README.md) reads object, colour and size as the caption says. *Fréchet distance*: squared, in the judge's 64 features, to 4,096 real pictures; *KID*: the kernel distance of the same features, in millions, which is unbiased. Neither is the published FID or KID: they compare with no figure elsewhere but the study's.`,
          `*Precision, recall, density, coverage* from balls to the ${neighbours}th neighbour, on trained pairs only; blurred pictures make recall generous, coverage does not have that weakness. Some real pictures that are measured stand among the 4,096 too, and rounding decides which of two equal distances is the smaller: the row of real pictures differs a little from [the study](../study/README.md)'s.`,
        ]),
    ...(search.length === 0
      ? []
      : [
          `The search, the same for each: ${search.length} runs of one seed that no run of the table has, a third of the passes, ${searchText(all)}; the one with the least Fréchet distance on ${searched} captions of trained pairs, none of the table's, is taken for generator, fake score and discriminator. The step size stays as it is to the end. The averaged generator is measured.`,
        ]),
    "All aim at pictures with the right words: κ = 1.5 where a method's default guides, none where it does not. Updates of the fake score an iteration are those of the league in the plane; all else is the method's default, or what [examples/league/emoji-methods.ts](../../examples/league/emoji-methods.ts) says. SiD-DiT is meant for a flow: here it runs on the DDPM teacher, the weight of its loss taken at DDPM's σ.",
    "One pass is asked at t = 625, as in the quick start; few-step SiD, SiD-DiT, TDM and LCM draw in four passes from pure noise.",
    "*ms* are medians of one core by the clock, on a machine that did other work meanwhile: they compare in order of magnitude only. *MB*: the median iteration's most, over all tensors, with the activations that compiled networks keep, the four networks and their optimisers included, beyond what was there before; what TensorFlow holds within one network while it computes does not count.",
    surroundingsText(all),
  ];
}

/** What equal passes favour. */
function favours(records: Records): string {
  const iterations = ranked(records).map(
    (name) => [name, costOf(records, name, (t) => t.iterations)?.value ?? 0] as const,
  );
  const [most, fewest] = [...iterations]
    .sort((a, b) => b[1] - a[1])
    .filter((_, i, { length }) => i === 0 || i === length - 1);
  const range =
    most && fewest
      ? ` Here ${titleOf(most[0])} makes ${most[1].toFixed(0)} iterations, ${titleOf(fewest[0])} ${fewest[1].toFixed(0)}.`
      : "";
  return `**What equal passes favour**: methods whose iteration is cheap. Without a fake score (SDS, CSD, LCM), or without a backward pass through teacher and fake score (Diff-Instruct, VSD, DMD), the generator is updated more often than by SiD-LSG, which asks three networks with and without the text.${range} A pass back counts as one forward, though it takes about twice the time; a pass through half a network for a discriminator counts as a whole one, which is hard on SiDA, DMD2 and f-distill. By seconds, by iterations or by captions seen the order may be another.`;
}

function claimsText(verdicts: readonly Verdicts[]): string {
  const compared = verdicts.flatMap((pair) => Object.values(pair)).length;
  return `Each claim is one paired comparison at equal passes: the difference by seed, its mean and 95 % interval, and how likely one so far from 0 is by chance alone (p, Student's law). There are ${compared} comparisons, so a claim *holds* or *fails* only where p stays below 0.05 after Holm's correction for all of them; it *tends to* where its own interval leaves out 0; else it is *undecided*. Papers compare after convergence and at other guidance: what fails here fails in miniature and early, no more.`;
}

/** How far the gauge's bound at a run's end and the distance of its pictures agree. */
function gaugeText(records: Records): string {
  const runs = records.flatMap(({ figures: { trained, training } }) => {
    const bound = training?.gauge["gaugeLowerBound"];
    const distance = trained.frechetDistance;
    return bound === undefined || distance === null ? [] : [{ bound, distance }];
  });
  if (runs.length < 3) return "Too few runs with a gauge to compare.";
  const correlation = rankCorrelation(
    runs.map(({ bound }) => bound),
    runs.map(({ distance }) => distance),
  );
  return `\`distill\`'s gauge reads a lower bound of the divergence to the *teacher* from what every iteration computes, without a picture. Over ${runs.length} runs of all methods that let it read, its rank correlation with the Fréchet distance to *real* pictures is ${correlation.toFixed(2)}. It watches the generator that trains, not its average, and its bound is loose where the fake score lags, which differs between methods.`;
}

function figuresChart(records: Records): Promise<string> {
  const names = rowsOf(records);
  const bars = names.flatMap((name) =>
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
  return intervalChart({
    names: names.map(titleOf),
    panels: mainFigures.map((column) => columns[column].title),
    groups: groupNames.map((group) => groupTitles[group]),
    bars,
    logarithmic: [columns.frechetDistance.title, columns.kernelDistance.title],
  });
}
