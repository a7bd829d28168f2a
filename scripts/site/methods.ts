/**
 * The page of a method: what docs/methods.md says of it, and beside that what its file, its tests and the leagues do: the table of
 * defaults, the points that it made, its cost, its proofs and its source.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { headingsOf } from "./markdown.ts";
import { cutPanels } from "./panels.ts";
import type { Staged } from "./stage.ts";

/** The name of the file of src/methods that a section is about. */
export function methodOfSection(text: string): string | undefined {
  return /^`src\/methods\/([\w-]+)\.ts` · /m.exec(text)?.[1];
}

const overview = () => readFileSync("docs/methods.md", "utf8");
const cells = (row: string) =>
  row
    .slice(1, -1)
    .split(/(?<!\\) ?\| ?/)
    .map((cell) => cell.trim());

/** The tables of the section under a heading, each as rows of cells, the head first. */
function tablesUnder(text: string, heading: string): string[][][] {
  const after = text.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  const tables = [...after.matchAll(/(?:^\|.*\|\n)+/gm)].map(([rows]) => rows.trimEnd().split("\n"));
  if (tables.length === 0) throw new Error(`scripts/site/methods.ts: no table under "${heading}"`);
  return tables.map((rows) => rows.filter((_, i) => i !== 1).map(cells));
}

const table = (rows: readonly (readonly string[])[]) =>
  rows
    .flatMap((row, i) => [`| ${row.join(" | ")} |`, ...(i === 0 ? [`|${row.map(() => "---|").join("")}`] : [])])
    .join("\n");

/** What the first table that has a method says of it, a line a column. */
function rowOf(tables: readonly string[][][], is: (name: string) => boolean): string | undefined {
  const found = tables.flatMap(([head = [], ...rows]) =>
    rows.flatMap((row) => (is(row[0] ?? "") ? [{ head, row }] : [])),
  );
  return (
    found[0] && table([["", ""], ...found[0].head.slice(1).map((title, i) => [title, found[0]?.row[i + 1] ?? ""])])
  );
}

/** The doc comment of the exported function of a file. */
function commentOf(file: string): { name: string; comment: string } {
  const text = readFileSync(file, "utf8");
  const found = [...text.matchAll(/^\/\*\*\n((?: \*.*\n)+) \*\/\nexport function (\w+)/gm)].find(
    ([, comment = ""]) => /^ \* \| \| default \| \|$/m.test(comment) || file.endsWith("reward.ts"),
  );
  if (!found) throw new Error(`${file}: no function whose comment has the table of defaults`);
  return { name: found[2] ?? "", comment: (found[1] ?? "").replace(/^ \* ?/gm, "") };
}

/** Names of tests that use a method. */
function testsOf(name: string): string[] {
  return readdirSync("test", { recursive: true, encoding: "utf8" })
    .filter((path) => /^(methods|property|losses)\/.*\.test\.ts$/.test(path))
    .filter((path) => new RegExp(`\\b${name}\\(`).test(readFileSync(join("test", path), "utf8")))
    .sort();
}

/** The page, with its parts in the links' notation of docs/methods.md. */
export function methodPage(method: string, section: string, files: Staged): string {
  const [title = ""] = headingsOf(section).map(({ title }) => title);
  const { name, comment } = commentOf(`src/methods/${method}.ts`);
  const plain = title.toLowerCase().replace(/^a reward$/, "reward");
  const named = (cell: string) =>
    cell
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .split(/, (?=[a-z-]+(?: |$|,))/)
      .some((part) => part === plain || part.startsWith(`${plain},`) || part.startsWith(`${plain} on `));

  const panel = cutPanels("docs/images/methods.svg").find(({ title }) => named(title));
  const [mixture] = cutPanels("docs/images/methods.svg");
  const pictures = panel && mixture ? [mixture, panel] : [];
  for (const { file, svg } of pictures) files.set(`methods/panels/${file}`, { text: svg });

  const defaults = /^\| \| default \| \|\n\|---.*\n(?:\|.*\n)+/m.exec(comment)?.[0];
  const equations = tablesUnder(overview(), "The equations").flat();
  const descends = equations.find(([cell = ""]) => named(cell))?.at(-1);
  const league = (file: string) => rowOf(tablesUnder(readFileSync(file, "utf8"), "What came out"), named);
  const [plane, emoji] = [league("docs/league/README.md"), league("docs/league/emoji.md")];
  const takes = rowOf(tablesUnder(overview(), "What they take"), named);
  const source = rowOf(tablesUnder(overview(), "Sources and licences"), named);
  const tests = testsOf(name);
  const cited = /^Source: ([\s\S]*?)(?:\n\n|\n@|$)/m.exec(comment)?.[1]?.replace(/\s+/g, " ");

  return `${[
    section.trimEnd(),
    "The snippet goes on from [the one that all methods share](#the-loop-that-all-share). " +
      `Every option and its type: [\`${name}\`](site:api/sid-lsg/methods/functions/${name}.md).`,
    ...(pictures.length > 0
      ? [
          "## What it did",
          `<div class="panels">\n\n${pictures.map(({ file, title, note }) => `![${title}: ${note}](site:methods/panels/${file})`).join(" ")}\n\n</div>`,
          "The mixture to reach, and this method's points after a few hundred iterations, where they started in grey: one seed ([all of them](#in-the-plane)).",
        ]
      : []),
    ...(defaults ? ["## Its defaults", defaults.trimEnd()] : []),
    ...(descends ? ["## What it descends", `${descends}. The numbers in brackets are [proofs](#what-is-proven).`] : []),
    ...(tests.length > 0
      ? ["### Tests that hold it to that", tests.map((path) => `- [test/${path}](../test/${path})`).join("\n")]
      : []),
    "## What it costs",
    ...(takes ? ["Passes of networks an iteration ([the terms](#what-they-take)):", takes] : []),
    ...(plane ? ["In [the league in the plane](league/README.md), with equal passes, over five seeds:", plane] : []),
    ...(emoji ? ["In [the league on emoji](league/emoji.md):", emoji] : []),
    "## Source",
    ...(cited ? [`${cited.replace(/arXiv:(\d{4}\.\d{5})/g, "[arXiv:$1](https://arxiv.org/abs/$1)")}`] : []),
    ...(source ? [source] : []),
    `The code: [src/methods/${method}.ts](../src/methods/${method}.ts).`,
  ].join("\n\n")}\n`;
}
