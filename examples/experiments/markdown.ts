import type { SeedMean } from "./intervals";
import type { RunRecord } from "./runs";

/** A table; cells are Markdown. */
export function markdownTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(heads), `|${heads.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

/** `0.846 ± 0.012`; a dash where there is nothing, no interval where there is one seed. */
export function meanCell(mean: SeedMean | undefined, digits: number): string {
  if (!mean) return "–";
  const value = mean.value.toFixed(digits);
  return mean.interval ? `${value} ± ${(mean.interval.high - mean.value).toFixed(digits)}` : value;
}

/** On what the runs were done: machines, versions, how long it took. */
export function surroundingsText(records: readonly RunRecord<unknown>[]): string {
  const kinds = new Set(
    records.map(({ surroundings: { processor, node, backend, tfjs, library } }) => {
      return `${processor}, Node ${node}, backend ${backend} (tfjs ${tfjs}), sid-lsg ${library}`;
    }),
  );
  const seconds = records.flatMap((record) => Object.values(record.seconds)).reduce((a, b) => a + b, 0);
  return `${records.length} runs, ${(seconds / 3600).toFixed(1)} hours of one core by the clock: ${[...kinds].sort().join("; ")}.`;
}

/** The seeds that are in, in words. */
export function seedsText(records: readonly { readonly seed: number }[]): string {
  const seeds = [...new Set(records.map(({ seed }) => seed))].sort((a, b) => a - b);
  return seeds.length === 1 ? `seed ${seeds[0]}` : `seeds ${seeds.slice(0, -1).join(", ")} and ${seeds.at(-1)}`;
}
