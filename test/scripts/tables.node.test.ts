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
