// docs/methods.md has every method, cites what its file cites, and names proofs that are there.
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as methods from "../../src/methods";

const page = readFileSync("docs/methods.md", "utf8");
const sections = page.split(/^## /m).slice(1);
const glance = sections.find((text) => text.startsWith("At a glance\n")) ?? "";
const table = (heading: string) => (glance.split(`### ${heading}\n`)[1] ?? "").split("\n### ")[0] ?? "";

const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const fileOf = (name: string) => (name === "withReward" ? "reward.ts" : `${kebab(name)}.ts`);
const helpers = ["bySchedule", "cotangentsOf"];
const names = Object.entries(methods).flatMap(([name, value]) =>
  typeof value === "function" && !helpers.includes(name) && existsSync(`src/methods/${fileOf(name)}`) ? [name] : [],
);

/** What of `wanted` a text lacks. */
const missing = (text: string, wanted: readonly string[]) => wanted.filter((part) => !text.includes(part));

test("the methods are found", () => {
  expect(names.length).toBeGreaterThanOrEqual(18);
});

describe.each(names)("%s", (name) => {
  const section = sections.find((text) => text.includes(`\n\`src/methods/${fileOf(name)}\` · `)) ?? "";

  test("has a section with an equation and a snippet that uses it", () => {
    expect(section).toMatch(/^ {4}\S/m);
    expect(section).toMatch(new RegExp(`import \\{[^}]*\\b${name}\\b[^}]*\\} from "sid-lsg"`));
    expect(missing(section, [`${name}(`, "distill({"])).toEqual([]);
  });

  test("is in the tables at a glance", () => {
    const title = (section.split("\n")[0] ?? "").toLowerCase();
    const titled = (heading: string) => table(heading).toLowerCase().includes(`\n| ${title} |`);
    expect(table("The equations").toLowerCase().includes(`\n| [${title}](#`), "equations").toBe(true);
    expect(titled("The defaults") || name === "withReward", "defaults").toBe(true);
    expect(titled("Sources and licences"), "sources").toBe(true);
    expect(missing(table("Sources and licences"), [`\`${fileOf(name)}\``])).toEqual([]);
  });

  test("cites the papers and commits of its file", () => {
    const source = readFileSync(`src/methods/${fileOf(name)}`, "utf8").replace(/\s+\* /g, " ");
    const papers = (source.match(/arXiv:\d{4}\.\d{5}/g) ?? []).map((paper) => paper.replace("arXiv:", "abs/"));
    const commits = source.match(/\w@[\da-f]{7}\b/g) ?? [];
    expect(papers.length).toBeGreaterThan(0);
    expect(missing(page, [...papers, ...commits.map((commit) => commit.slice(1))])).toEqual([]);
  });
});

test("every proof that the page names is in the file that it names", () => {
  const rows = [...page.matchAll(/^\| ([QG]\d+) \| .* \| `([^`]+)` \|$/gm)];
  const wanted = [...Array.from({ length: 10 }, (_, i) => `Q${i + 1}`), "G1", "G2", "G3", "G4", "G5"];
  expect(rows.map(([, id]) => id)).toEqual(wanted);
  for (const [, id = "", path = ""] of rows)
    expect(readFileSync(path.includes("/") ? path : `test/property/${path}`, "utf8"), path).toMatch(
      new RegExp(`\\b${id}\\b`),
    );
  for (const [path] of page.matchAll(/test\/[\w/-]+\.test\.ts/g)) expect(existsSync(path), path).toBe(true);
});
