/** Tables of what scripts of bench/ measured. */
import type { Row } from "../../bench/run.ts";
import { table } from "./markdown.ts";

const isOfM = ({ unit, target }: Row) => unit === "of M" && target !== undefined;
const isPeer = ({ name }: Row) => name.includes("against PyTorch");

/** Kernels and iterations by M. */
export const ofM = tableOf("of M", isOfM, (target) => `≥ ${target}`);
/** Iterations by PyTorch's. */
export const againstPyTorch = tableOf("time against PyTorch, one thread each", isPeer, (target) => `≤ ${target}`);
/** All other ratios. */
export const otherRatios = tableOf(
  "in time",
  (row) => row.unit.startsWith("×") && !isPeer(row),
  (target, unit) => `${unit.includes("faster") ? "≥" : "≤"} ${target}`,
);

/** Makes a table of the wanted rows of two reports. */
function tableOf(head: string, isWanted: (row: Row) => boolean, aim: (target: number, unit: string) => string) {
  return (plain: string, fused: string): string => {
    const [before, after] = [plain, fused].map((report) => (JSON.parse(report) as Row[]).filter(isWanted)) as [
      Row[],
      Row[],
    ];
    const onlyBefore = before.filter(({ name }) => !after.some((row) => row.name === name));
    const cell = (rows: Row[], name: string) =>
      rows
        .filter((row) => row.name === name)
        .map(shown)
        .join();
    return table(
      [head, "Node 20", "Node 24, fused", onlyBefore.length > 0 ? "target" : "target fused"],
      [...after, ...onlyBefore].map(({ name, unit, target }) => [
        ...[shortName(name), cell(before, name), cell(after, name)],
        target === undefined ? "" : aim(target, unit),
      ]),
    );
  };
}

const methods: Readonly<Record<string, string>> = { sid: "SiD", sidLong: "SiD", dmd2: "DMD2", sds: "SDS" };

function shortName(name: string): string {
  return name
    .replace(/, (one thread|time against PyTorch, one thread each)$/, "")
    .replace("as distill runs both, ", "")
    .replace(/\b(sidLong|sid|dmd2|sds)(Guided)?\b/g, (_, method: string) => methods[method] as string);
}

/** A single turn, as the slow `cpu` backend gets, has no range. */
function shown({ value, low, high, unit }: Row): string {
  const digits = value < 10 ? 2 : 0;
  const factor = unit.startsWith("×") ? (unit.includes("faster") ? " × faster" : " ×") : "";
  const range = low < high ? ` (${low.toFixed(digits)} to ${high.toFixed(digits)})` : "";
  return `${value.toFixed(digits)}${factor}${range}`;
}

/** What `npm run bench:mpi` printed, several times. */
export function allReduce(output: string): string {
  const runs = output.matchAll(
    /^(.+, \d+ ranks), (\d+) million numbers \((.+ GB)\)\n *memcpy (.+ GB\/s), all-reduce (.+ GB\/s) a rank, (.+ s)$/gm,
  );
  return table(
    ["", "numbers", "copy in memory", "all-reduce", "in"],
    [...runs].map(([, ranks = "", numbers, bytes, copy = "", speed = "", seconds = ""]) => [
      ...[ranks, `${numbers} million, ${bytes}`, copy, speed, seconds],
    ]),
  );
}

/** What `npm run bench:ranks` printed, of a network each. */
export function efficiency(...outputs: string[]): string {
  return table(
    ["network", "batch", "one rank", "each of two", "in exchange", "efficiency"],
    outputs.map((output) => {
      const [, network = "", batch = ""] = /(\w+), a batch of (\d+) in all/.exec(output) ?? [];
      const [, alone = ""] = /one rank: (.+)/.exec(output) ?? [];
      const [, each = "", exchange = ""] = /each of 2: (.+) and (.+) in exchange/.exec(output) ?? [];
      return [`\`${network}\``, batch, alone, each, exchange, /efficiency (.+)/.exec(output)?.[1] ?? ""];
    }),
  );
}

/** What `npm run size -- --json` measured, by import. */
export function sizes(report: string): string {
  const rows = JSON.parse(report) as { readonly name: string; readonly size: number }[];
  return table(
    ["import", "size", ""],
    rows
      .filter(({ name }) => name.startsWith("sid-lsg"))
      .map(({ name, size }) => {
        const [path = "", ...remark] = name.split(", ");
        return [`\`${path}\``, `${(size / 1000).toFixed(1)} kB`, remark.join(", ")];
      }),
  );
}
