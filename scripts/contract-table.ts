/**
 * Writes the table of docs/backends.md from what the contract found: `runs/contract/*.json`, which
 * `npm run test:contract` and `npm run test:browser` leave there. With `--check` it writes nothing and fails where a
 * backend is missing, where something failed, or where the page's table says otherwise.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { groups } from "../test/contracts/backends/contract-case";
import type { ContractReport } from "../test/contracts/backends/run-contract";

const page = "docs/backends.md";
const [begin, end] = ["<!-- contract: begin -->\n", "<!-- contract: end -->"];
const expected = [
  ...["node-cpu", "node-wasm", "node-webgpu", "node-node"],
  ...["chromium-webgpu", "chromium-webgl", "chromium-wasm"],
];

const missing = expected.filter((name) => !existsSync(path(name)));
if (missing.length) {
  console.error(`No report of ${missing.join(", ")} in runs/contract.`);
  process.exit(1);
}
const reports = expected.map((name) => JSON.parse(readFileSync(path(name), "utf8")) as ContractReport);
const table = [
  `| backend | where | ${groups.map(titled).join(" | ")} | recorded run |`,
  `|---|---|${groups.map(() => "---|").join("")}---|`,
  ...reports.map((report) => `| \`${report.backend}\` | ${report.place} | ${cells(report).join(" | ")} |`),
].join("\n");
const before = readFileSync(page, "utf8");
const [from, to] = [before.indexOf(begin) + begin.length, before.indexOf(end)];
const failures = reports.flatMap(({ place, backend, rows, replay }) => [
  ...rows.filter(({ pass }) => !pass).map(({ name }) => `${backend} in ${place}: ${name}`),
  ...(replay?.pass ? [] : [`${backend} in ${place}: the recorded run`]),
]);

console.log(table);
for (const failure of failures) console.error(`failed: ${failure}`);
if (!process.argv.includes("--check")) writeFileSync(page, `${before.slice(0, from)}${table}\n${before.slice(to)}`);
else if (failures.length || verdicts(before.slice(from, to)) !== verdicts(table)) {
  console.error(`The table of ${page} is not what was found; \`npm run contract:table\` writes it.`);
  process.exitCode = 1;
}

function path(name: string): string {
  return `runs/contract/${name}.json`;
}

/** A group with its number of cases, which is the same everywhere. */
function titled(group: string): string {
  return `${group} (${reports[0]?.rows.filter((row) => row.group === group).length})`;
}

function cells({ backend, rows, replay }: ContractReport): string[] {
  return [
    ...groups.map((group) => {
      const mine = rows.filter((row) => row.group === group);
      const failed = mine.filter(({ pass }) => !pass);
      if (failed.length) return `✗ ${failed.map(({ name }) => name).join("; ")}`;
      if (backend === "cpu") return "the reference";
      return group === "noise" ? "✓ same bits" : `✓ ${bound(Math.max(...mine.map(({ error }) => error ?? 1)))}`;
    }),
    replay?.pass ? `✓ ${Math.ceil(100 * replay.share)} % of the limit` : "✗",
  ];
}

/** The power of ten above a number: what moves less from machine to machine than the number itself. */
function bound(error: number): string {
  return error === 0 ? "0" : `< 1e${Math.floor(Math.log10(error)) + 1}`;
}

/** A table without its numbers. */
function verdicts(text: string): string {
  return text.replace(/✓[^|]*/g, "✓ ").trim();
}
