/**
 * Writes the tables of the documents that are made of committed result files.
 *
 *     npm run tables [-- --check]
 *     npm run tables -- --fresh      compares the committed reports of the examples with those in runs/ instead
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type { Report } from "../examples/text-to-image/report.ts";
import { documents } from "./site/documents.ts";
import { staleTables, withTables } from "./tables/tables.ts";

/** Documents with tables that are no page of the site. */
const others = ["examples/quickstart/README.md", "examples/digits/README.md"];

if (process.argv.includes("--fresh")) compareReports(["quickstart", "digits"]);
else
  for (const source of [...documents.map(({ source }) => source), ...others].filter((path) => existsSync(path))) {
    const text = readFileSync(source, "utf8");
    const problems = process.argv.includes("--check") ? staleTables(text) : withTables(text).problems;
    for (const problem of problems) console.error(`${source}: ${problem}`);
    if (problems.length > 0) process.exitCode = 1;
    else if (withTables(text).text !== text) writeFileSync(source, withTables(text).text);
  }

/** Whether a run of each example came to what its committed report says. */
function compareReports(examples: readonly string[]): void {
  for (const example of examples) {
    const [committed, fresh] = [`examples/${example}`, `runs/${example}`].map((folder) => {
      const path = `${folder}/report.json`;
      return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Report) : undefined;
    });
    if (fresh !== undefined && isDeepStrictEqual(committed?.groups, fresh.groups)) continue;
    console.error(
      fresh === undefined
        ? `There is no runs/${example}/report.json to compare with.`
        : `examples/${example}/report.json is not what runs/${example}/report.json found.`,
    );
    process.exitCode = 1;
  }
}
