import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { documents } from "../../scripts/site/documents";
import { staleTables, withTables } from "../../scripts/tables/tables";

const estimate = (value: number) => ({ value, low: value - 0.01, high: value + 0.02 });
const row = (value: number, networkPasses: number) => ({
  right: { object: estimate(value), colour: estimate(value) },
  allRight: estimate(value / 2),
  frechetDistance: { value: 300 + value, low: 280, high: 330 },
  pictures: 256,
  networkPasses,
});
const rows = (value: number) => ({
  real: row(value, 0),
  teacher50: row(value, 50),
  teacher50Guided: row(value, 100),
  teacher1: row(value, 1),
  generator: row(value, 1),
});
const report = JSON.stringify({ groups: { trained: rows(0.9), heldOut: rows(0.8) }, settings: { kappa: 1.5 } });
const read = (file: string) => (file === "report.json" ? report : undefined);
const document = (name: string, table: string) =>
  `Before.\n\n<!-- table: ${name} of report.json -->\n${table}<!-- end of table -->\n\nAfter.\n`;

test("a table is written between its marks, and then it stands", () => {
  const { text, problems } = withTables(document("the quick start", "old\n"), read);
  expect(problems).toEqual([]);
  expect(text).toContain("| the same with guidance 1.5 | 100 | 45.0 ± 1.5 % | 301 ± 25 | 40.0 ± 1.5 % | 301 ± 25 |");
  expect(text).toContain("| **generator, one step** | 1 | **45.0 ± 1.5 %** | **301 ± 25** |");
  expect(text).toMatch(/^Before\.\n\n<!-- table[^\n]*\n\n\| \| passes[\s\S]*\n\n<!-- end of table -->\n\nAfter\.\n$/);
  expect(staleTables(text, read)).toEqual([]);
  expect(staleTables(text.replace("45.0", "46.0"), read)).toEqual([
    "a table is not what its file says; npm run tables writes it",
  ]);
});

test("tables of one group, and of both side by side", () => {
  expect(withTables(document("held-out pairs", ""), read).text).toContain(
    "| real pictures | 256 | 0 | 0.800 ± 0.015 | 0.800 ± 0.015 | 0.400 ± 0.015 | 301 ± 25 |",
  );
  expect(withTables(document("digits", ""), read).text).toContain(
    "| **generator, one step** | 1 | 0.900 ± 0.015 | 0.900 ± 0.015 | 301 ± 25 | 0.800 ± 0.015 | 0.800 ± 0.015 | 301 ± 25 |",
  );
});

test("measured rows without fused multiply-adds and with them, and what commands printed", () => {
  const row = (name: string, unit: string, value: number, more = {}) => ({
    name,
    unit,
    value,
    low: value,
    high: value,
    ...more,
  });
  const files: Readonly<Record<string, string>> = {
    "a.json": JSON.stringify([
      row("conv, forward", "of M", 0.9),
      row("whole iteration, emoji network, one thread", "of M", 0.7, { low: 0.65, high: 0.8, target: 0.5 }),
      row("whole iteration, time of dmd2Guided against sidLong, as distill runs both, the teacher guided", "×", 0.64),
      row("wasm against cpu", "× faster", 139.4, { target: 15 }),
    ]),
    "b.json": JSON.stringify([
      row("whole iteration, emoji network, one thread", "of M", 1.1, { target: 0.7 }),
      row("digits network, time against PyTorch, one thread each", "× (at most)", 1, { high: 1.01, target: 1.2 }),
    ]),
    "m.txt":
      "$ run\nNode\n\nOpen MPI 4.1.4, 2 ranks, 100 million numbers (0.40 GB)\n  memcpy 11.56 GB/s, all-reduce 2.43 GB/s a rank, 0.16 s\n  1 numbers: 4 µs\n",
    "e.txt":
      "middle, a batch of 32 in all; an iteration of\n  one rank: 9.1 ms\n  each of 2: 5.0 ms and 0.2 ms in exchange\n  efficiency 0.875\n",
    "s.json": JSON.stringify([
      { name: "sid-lsg/io", size: 29844 },
      { name: "sid-lsg/wasm, with a part", size: 50 },
    ]),
    "t.txt": "$ run\nNode\n\nfirst:\n| a |\n|---|\n| 1 |\n\nsecond:\n| b |\n|---|\n| 2 |\n",
  };
  const table = (name: string, of: string) =>
    withTables(`<!-- table: ${name} of ${of} -->\n<!-- end of table -->`, (file) => files[file]).text;
  expect(table("of M", "a.json, b.json")).toContain(
    "| of M | Node 20 | Node 24, fused | target fused |\n|---|---|---|---|\n| whole iteration, emoji network | 0.70 (0.65 to 0.80) | 1.10 | ≥ 0.7 |\n\n",
  );
  expect(table("against PyTorch", "a.json, b.json")).toContain("| digits network | | 1.00 × (1.00 to 1.01) | ≤ 1.2 |");
  expect(table("other ratios", "a.json, b.json")).toContain(
    "| whole iteration, time of DMD2 against SiD, the teacher guided | 0.64 × | | |\n| wasm against cpu | 139 × faster | | ≥ 15 |",
  );
  expect(table("all-reduce", "m.txt")).toContain(
    "| Open MPI 4.1.4, 2 ranks | 100 million, 0.40 GB | 11.56 GB/s | 2.43 GB/s | 0.16 s |",
  );
  expect(table("efficiency", "e.txt")).toContain("| `middle` | 32 | 9.1 ms | 5.0 ms | 0.2 ms | 0.875 |");
  expect(table("sizes", "s.json")).toContain("| `sid-lsg/io` | 29.8 kB | |\n| `sid-lsg/wasm` | 0.1 kB | with a part |");
  expect(table("printed first", "t.txt")).toContain("-->\n\n| a |\n|---|\n| 1 |\n\n<!--");
  expect(table("printed second", "t.txt")).toContain("| b |\n|---|\n| 2 |");
  expect(table("printed", "e.txt")).toContain("```\n  each of 2: 5.0 ms and 0.2 ms in exchange\n");
});

test("a table that nobody knows, a missing file and marks that do not match are told", () => {
  expect(staleTables(document("of nothing", ""), read)).toEqual(['there is no table "of nothing"']);
  expect(staleTables(document("digits", ""), () => undefined)).toEqual(['table "digits": there is no report.json']);
  expect(staleTables("<!-- table: digits -->\n", read)).toEqual([
    "the marks of a table are not written as scripts/tables/tables.ts says",
  ]);
});

test.each([...documents.map(({ source }) => source), "examples/quickstart/README.md", "examples/digits/README.md"])(
  "the tables of %s are what their files say",
  (source) => {
    expect(staleTables(readFileSync(source, "utf8"))).toEqual([]);
  },
);
