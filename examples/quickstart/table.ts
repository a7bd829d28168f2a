import { explainTable } from "./meaning";
import type { Report, Row, RowName, Rows } from "./report";

const titles: Readonly<Record<RowName, string>> = {
  real: "real images",
  teacher50: "teacher, 50 steps",
  teacher50Guided: "teacher, 50 steps, guided",
  teacher1: "teacher, 1 step",
  generator: "generator, 1 step",
};

/** The report as a table for the terminal. */
export function formatReport({ groups, captionsPerGroup, whileTraining }: Report): string {
  const head = `${"".padEnd(28)}${["digit", "colour", "distance", "passes"].map((title) => title.padStart(10)).join("")}`;
  const block = (title: string, rows: Rows) => [
    `${title} (${captionsPerGroup} captions)`,
    ...(Object.keys(titles) as RowName[]).map((name) => formatRow(titles[name], rows[name])),
  ];
  return [
    head,
    ...block("trained pairs", groups.trained),
    ...block("held-out pairs", groups.heldOut),
    ...explainTable(captionsPerGroup, whileTraining),
  ].join("\n");
}

function formatRow(title: string, row: Row): string {
  const cells = [
    row.digitAccuracy.toFixed(3),
    row.colourAccuracy.toFixed(3),
    row.frechetDistance.toFixed(1),
    String(row.networkPasses),
  ];
  return `  ${title.padEnd(26)}${cells.map((cell) => cell.padStart(10)).join("")}`;
}
