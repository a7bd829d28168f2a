import type { Figures } from "./figures";
import type { Reference } from "./reference";
import type { SetJob } from "./set";

/** What an evaluation leaves as `evaluation.json`. */
export interface Evaluation {
  readonly job: SetJob;
  readonly reference?: { readonly description: string; readonly count: number };
  readonly figures: Figures;
}

/** An evaluation as data. */
export function evaluationOf(job: SetJob, reference: Reference | undefined, figures: Figures): Evaluation {
  if (reference === undefined) return { job, figures };
  return { job, reference: { description: reference.description, count: reference.statistics.count }, figures };
}

/** An evaluation in words: what was measured against what, then a figure a line. */
export function reportOf({ job, reference, figures }: Evaluation): string {
  const { features, clip } = job;
  const facts = Object.entries(job.pictures).map(([key, value]) => `${key} ${value}`);
  const head = [
    `${job.total.toLocaleString("en")} pictures: ${facts.join(", ")}`,
    features && `features of ${named(features)}, ${features.dimension} dimensions`,
    reference && `against ${reference.description}`,
    clip && `CLIP score of ${named(clip)}, captions after ${JSON.stringify(clip.prefix)}`,
  ];
  const lines = linesOf(figures, features?.network);
  const width = Math.max(0, ...lines.map(([name]) => name.length));
  if (lines.length === 0)
    return [...head, "", "There are no figures: give --reference, whose pictures these are compared with."]
      .filter((line) => line !== undefined)
      .join("\n");
  const table = lines.map(([name, value, what]) => `${name.padEnd(width)}  ${value.padEnd(18)}  ${what}`.trimEnd());
  const notes = figures.notes.map((note) => `Note: ${note}`);
  return [...head.filter((line) => line !== undefined && line !== ""), "", ...table, ...notes].join("\n");
}

function named({ network, weights }: { readonly network: string; readonly weights: string }): string {
  return network.endsWith(weights) ? network : `${network} (weights ${weights})`;
}

type Line = readonly [name: string, value: string, what: string];

function linesOf({ frechet, kernel, neighbours, inception, clip, retrieval }: Figures, network = ""): Line[] {
  const lines: Line[] = [];
  if (frechet !== undefined) {
    const name = network.startsWith("inception-v3-fid") ? "FID" : "Fréchet distance";
    lines.push([name, frechet.toFixed(4), "lower is better"]);
  }
  if (kernel)
    lines.push([
      "KID · 1000",
      kernel.over === undefined
        ? (1000 * kernel.mean).toFixed(4)
        : withDeviation(1000 * kernel.mean, 1000 * kernel.over.deviation),
      `lower is better; ${kernel.over === undefined ? "all pictures at once" : `${kernel.over.subsets} subsets of ${kernel.over.size}`}`,
    ]);
  if (neighbours) {
    const { k, real, generated } = neighbours;
    const what = `k = ${k}, ${generated.toLocaleString("en")} against ${real.toLocaleString("en")}`;
    for (const name of ["precision", "recall", "density", "coverage"] as const)
      lines.push([name, neighbours[name].toFixed(4), what]);
  }
  if (inception)
    lines.push([
      "Inception Score",
      withDeviation(inception.mean, inception.deviation),
      `higher is better; ${inception.splits} parts`,
    ]);
  if (clip) lines.push(["CLIP score", clip.cosine.toFixed(4), "mean cosine; higher is better"]);
  if (retrieval)
    lines.push([
      "R@1",
      retrieval.accuracy.toFixed(4),
      `own caption among ${retrieval.among}; chance ${retrieval.chance.toFixed(4)}`,
    ]);
  return lines;
}

function withDeviation(mean: number, deviation: number): string {
  return `${mean.toFixed(4)} ± ${deviation.toFixed(4)}`;
}
