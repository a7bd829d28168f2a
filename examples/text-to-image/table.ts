import type { Estimate } from "./intervals";
import type { Report, Row, RowName, Rows } from "./report";
import type { GroupName } from "./world";

const titles: Readonly<Record<RowName, string>> = {
  real: "real pictures",
  teacher50: "teacher, 50 steps",
  teacher50Guided: "teacher, 50 steps, guided",
  teacher1: "teacher, 1 step",
  generator: "generator, 1 step",
};

const groupTitles: Readonly<Record<GroupName, string>> = { trained: "trained pairs", heldOut: "held-out pairs" };

/** The report as a table for the terminal. */
export function formatReport({ groups }: Pick<Report, "groups">): string {
  const aspects = Object.keys(groups.trained.real.right);
  const heads = [...aspects, "all words", "distance"];
  const block = (title: string, rows: Rows) => [
    `${title}, ${rows.real.pictures} pictures a row`,
    ...(Object.keys(titles) as RowName[]).map((name) => formatRow(titles[name], rows[name])),
  ];
  return [
    `${"".padEnd(27)}${heads.map((title) => title.padStart(14)).join("")}${"passes".padStart(9)}`,
    ...block(groupTitles.trained, groups.trained),
    ...block(groupTitles.heldOut, groups.heldOut),
    "± is half a 95 % interval, not centred near 0 and 1. More pictures make every distance smaller: compare it within one block only.",
  ].join("\n");
}

function formatRow(title: string, { right, allRight, frechetDistance, networkPasses }: Row): string {
  const cells = [
    ...[...Object.values(right), allRight].map((x) => formatEstimate(x, 3)),
    formatEstimate(frechetDistance, 1),
  ];
  return `  ${title.padEnd(25)}${cells.map((cell) => cell.padStart(14)).join("")}${String(networkPasses).padStart(9)}`;
}

function formatEstimate({ value, low, high }: Estimate, digits: number): string {
  return `${value.toFixed(digits)} ±${((high - low) / 2).toFixed(digits)}`;
}
