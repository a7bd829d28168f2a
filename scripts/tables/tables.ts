/**
 * Tables of documents that are made of committed result files. In a document they stand between two comments, which name
 * the table and its files:
 *
 *     <!-- table: the quick start of examples/quickstart/report.json -->
 *     …
 *     <!-- end of table -->
 */
import { existsSync, readFileSync } from "node:fs";
import { againstPyTorch, allReduce, efficiency, ofM, otherRatios, sizes } from "./bench.ts";
import { examplePairs, exampleTable, readmeTable } from "./examples.ts";

/** Makes a table of the contents of its files. */
type Make = (...contents: string[]) => string;

const makers: Readonly<Record<string, Make>> = {
  "the quick start": readmeTable,
  "trained pairs": (report) => examplePairs(report, "trained"),
  "held-out pairs": (report) => examplePairs(report, "heldOut"),
  digits: exampleTable,
  "of M": ofM,
  "against PyTorch": againstPyTorch,
  "other ratios": otherRatios,
  "all-reduce": allReduce,
  efficiency,
  sizes,
  printed,
  "printed first": (output) => printedTables(output)[0] ?? "",
  "printed second": (output) => printedTables(output)[1] ?? "",
};

const marked = /(<!-- table: ([\w -]+?) of ([\w/., -]+?) -->\n)([\s\S]*?)(<!-- end of table -->)/g;

/** A document with its tables as their files have them, and what is wrong with their marks. */
export function withTables(text: string, read: (file: string) => string | undefined = readFile) {
  const problems: string[] = [];
  const renewed = text.replace(marked, (whole, begin: string, name: string, list: string, _: string, end: string) => {
    const files = list.split(/, /);
    const contents = files.map(read);
    const make = makers[name];
    const missing = files.filter((_, i) => contents[i] === undefined);
    if (make === undefined) problems.push(`there is no table "${name}"`);
    for (const file of missing) problems.push(`table "${name}": there is no ${file}`);
    return make === undefined || missing.length > 0 ? whole : `${begin}\n${make(...(contents as string[]))}\n\n${end}`;
  });
  if ((text.match(/<!-- (table: |end of table)/g)?.length ?? 0) !== 2 * [...text.matchAll(marked)].length)
    problems.push("the marks of a table are not written as scripts/tables/tables.ts says");
  return { text: renewed, problems };
}

/** What is wrong with a document's tables, a line each. */
export function staleTables(text: string, read?: (file: string) => string | undefined): string[] {
  const { text: renewed, problems } = withTables(text, read);
  return renewed === text ? problems : [...problems, "a table is not what its file says; npm run tables writes it"];
}

/** What a command printed, but for the two lines on top that say which and where. */
function printed(output: string): string {
  return `\`\`\`\n${output
    .split("\n")
    .slice(2)
    .join("\n")
    .replace(/^\n+|\s+$/g, "")}\n\`\`\``;
}

/** The tables of Markdown that a command printed. */
function printedTables(output: string): readonly string[] {
  return output.match(/(^\|.*\|\n?)+/gm)?.map((table) => table.trim()) ?? [];
}

function readFile(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}
