/** The league's page, out of its records. */
import { type Bar, intervalChart, scatterChart } from "../experiments/chart";
import type { SeedMean } from "../experiments/intervals";
import { markdownTable, meanCell, seedsText, surroundingsText } from "../experiments/markdown";
import { bySeedAndName } from "../experiments/runs";
import { type PlaneMethod, planeMethods } from "../plane/methods";
import { smoothing } from "../plane/smoothed";
import type { LeagueTraining } from "./cost";
import {
  compared,
  findings,
  gaugedRuns,
  leftTheSquare,
  meanOf,
  otherStartsText,
  type Records,
  ranked,
  rankText,
  rateOf,
  titleOf,
  valuesOf,
} from "./findings";
import { methodNames } from "./options";
import { searchText } from "./search-text";

/** The page and its pictures: text by file name. */
export async function leagueReport(unsorted: Records): Promise<Record<string, string>> {
  const records = [...unsorted].sort(bySeedAndName);
  const own = records.filter(({ name }) => name in compared || name in planeMethods);
  return {
    "README.md": page(own, records.length - own.length, records),
    "divergence.svg": await divergenceChart(own),
    "gauge.svg": await gaugeChart(own),
  };
}

function page(records: Records, searched: number, all: Records): string {
  const methods = records.filter(({ name }) => name in planeMethods);
  const counts = methodNames.map((name) => methods.filter((record) => record.name === name).length);
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  const found = findings(records, all);
  const { passes, batch, points } = methods[0]?.settings ?? {};
  return `${[
    "# The league: every method where the truth is known",
    "A ring of six Gaussians in two classes, whose scores are known in closed form, distilled by every method of `sid-lsg/methods`: from the same pretrained weights, with equal passes of networks, each at the step size that the same search found for it. This page is written by `npm run league -- --report` from [results.jsonl](results.jsonl).",
    `**Seeds that are in: ${fewest === most ? fewest : `${fewest} to ${most}`} of each method** (${seedsText(methods)}). Figures are means over seeds, which draw the pretrained network too, with 95 % intervals by Student's law.`,
    ...(found.length > 0 ? ["## What to take from it", found.map((line) => `- ${line}`).join("\n")] : []),
    "## How it was done",
    [
      `- \`npm run league\`: ${passes} passes of a network a sample of the batch of ${batch}, forwards and backwards, counted as the run made them; a guided pass counts twice, one through features alone once, and a discriminator that is a network of its own counts too. The exact teacher counts as a network.`,
      `- The search, the same for each: ${searched} runs of one seed that no run of the table has, a third of the passes, ${searchText(all)}; the one with the least divergence is taken for generator, fake score and discriminator. Both fall along a cosine. All else is the method's default, or what [examples/plane/methods.ts](../../examples/plane/methods.ts) says.`,
      `- *KL*: of the generator's law to the mixture's in nats, class by class, both moved by a Gaussian of deviation ${smoothing} (the mixture's have 0.17): convolved laws have densities whatever a generator does. It is integrated on cells of a third of that from ${points} points, right to 0.5 %; their number adds what the row of the mixture's own samples shows. At most the divergence without the noise; points beyond the square of side 8 count at its edge, and a method whose points all lie there has no figure (*outside*).`,
      `- ${otherStartsText()}`,
      "- *Modes*: of the six Gaussians those that get at least half of the points that are theirs. *Stray*: the share of points further than three deviations from all Gaussians of their class.",
      "- *Seconds* are medians of one core by the clock, on a machine that did other work meanwhile: they compare in order of magnitude only. *Memory*: all tensors at their most, networks and optimisers included, beyond what was there before.",
      `- ${surroundingsText(all)}`,
    ].join("\n"),
    "## What came out",
    resultsTable(records),
    "![Divergence of every method with its interval](divergence.svg)",
    "## Which methods are meant to come here at all",
    "The table knows one goal, the mixture itself. Not every method has it: guided ones aim at a sharper law, SDS and CSD at none. What each leads to in theory:",
    markdownTable(
      ["method", "in theory"],
      methodNames.map((name) => [titleOf(name), (planeMethods[name] as PlaneMethod).leads]),
    ),
    "## What the gauge says",
    "`distill`'s gauge reads a lower bound of the divergence to the teacher from what every iteration computes. Here the truth stands beside it: each dot is one run at its end.",
    "![The gauge's bound against the divergence, below the line where both are equal](gauge.svg)",
    rankText(methods),
    "## On pictures",
    "All 17 methods on the quick start's teacher, measured against real pictures: [the league on emoji](emoji.md).",
  ].join("\n\n")}\n`;
}

function resultsTable(records: Records): string {
  const rows = (["mixture", "start", ...ranked(records)] as const).map((name) => {
    const training = (value: (training: LeagueTraining) => number, digits: number) => {
      const mean = meanOf(records, name, (figures) => figures.training && value(figures.training));
      return mean ? mean.value.toFixed(digits) : "–";
    };
    const rate = rateOf(records, name);
    return [
      titleOf(name),
      leftTheSquare(records, name)
        ? "outside"
        : meanCell(
            meanOf(records, name, ({ kl }) => kl),
            3,
          ),
      meanCell(
        meanOf(records, name, ({ covered }) => covered),
        1,
      ),
      meanCell(
        meanOf(records, name, ({ stray }) => stray),
        3,
      ),
      training(({ steps }) => steps, 0),
      rate === undefined ? "–" : String(rate),
      training(({ iterations }) => iterations, 0),
      training(({ passesPerIteration }) => passesPerIteration, 1),
      training(({ secondsPerIteration }) => 1000 * secondsPerIteration, 0),
      training(({ peakBytes }) => peakBytes / 1e6, 1),
      String(valuesOf(records, name, () => 1).length),
    ];
  });
  const heads = ["KL, nats", "modes of 6", "stray", "passes a sample", "step size", "iterations"];
  return markdownTable(["", ...heads, "passes an iteration", "ms an iteration", "MB", "seeds"], rows);
}

function divergenceChart(records: Records): Promise<string> {
  // The mixture's own samples are at 0, and what left the square at no number.
  const names = (["start", ...ranked(records)] as const).filter(
    (name) => meanOf(records, name, ({ kl }) => kl) && !leftTheSquare(records, name),
  );
  const bars = names.map((name): Bar => {
    const { value, interval } = meanOf(records, name, ({ kl }) => kl) as SeedMean;
    const steps = meanOf(records, name, ({ training }) => training?.steps)?.value;
    const group = steps === undefined ? "for comparison" : steps > 1 ? "4 passes a sample" : "1 pass a sample";
    return {
      name: titleOf(name),
      panel: "KL, nats",
      group,
      value,
      low: interval?.low ?? value,
      high: interval?.high ?? value,
    };
  });
  return intervalChart({
    names: names.map(titleOf),
    panels: ["KL, nats"],
    groups: ["for comparison", "1 pass a sample", "4 passes a sample"],
    bars,
    logarithmic: [],
  });
}

function gaugeChart(records: Records): Promise<string> {
  const runs = gaugedRuns(records);
  const groups = methodNames.map(titleOf).filter((title) => runs.some(({ name }) => titleOf(name) === title));
  return scatterChart(
    { x: "KL to the mixture, nats", y: "the gauge's lower bound, nats" },
    groups,
    runs.map(({ name, kl, bound }) => ({ x: kl, y: bound, group: titleOf(name) })),
  );
}
