/**
 * Numbers in prose name the committed file that they come from, in a comment that GitHub and the site leave out, so that a stale one
 * is found:
 *
 *     269 ± 20<!-- docs/study/results.jsonl long trained.frechetDistance -->     the runs of a name, their mean over seeds
 *     0.77<!-- docs/league/README.md: "the divergence is 0.77" -->               a text that stands in a file
 *     1.62<!-- bench/results/wasm-node24.json: "a row's name" value -->          a row of what `npm run bench` measured
 *
 * Of a drawing (.svg) the text counts, without what tags say. Of runs and rows digits are as many as are written; half of the
 * 95 % interval over seeds stands behind `±`, and `%` is a hundred times the figure.
 */
import { existsSync, readFileSync } from "node:fs";
import { seedMean } from "../../examples/experiments/intervals.ts";

const marked =
  /([−-]?[\d,]*\.?\d+(?: ± [\d.]+)?(?: %)?)?(?:\*\*)?<!-- ([\w/.-]+\.\w+)(?:: "([^"]+)"(?: (\w+))?| (\S+) (\S+)) -->/g;

/** Units that measured numbers have. */
const units = "×(?! ?\\d)|%|[GM]iB|[GMk]B|[GT]FLOP/s|ms|µs|s|seconds?|min|minutes?|hours?|nats?|times";
const measured = new RegExp(
  `(?<![\\d.])[−-]?[\\d,]*\\.?\\d+(?: (?:to|±|and|…) [\\d.]+)? ?(?:${units})(?![\\p{L}\\d])`,
  "gu",
);
/** Code, formulas, comments, and what scripts write and check themselves. */
const notProse = [
  /^```[\s\S]*?^```/gm,
  /^ {4}.*$/gm,
  /<!-- table: [\s\S]*?<!-- end of table -->/g,
  /<!-- (\w+): begin -->[\s\S]*?<!-- \1: end -->/g,
  marked,
  /`[^`\n]*`/g,
  /<!--[\s\S]*?-->/g,
];

interface RunRecord {
  readonly name: string;
  readonly figures: unknown;
}

/** What is wrong with the marks of a text, a line each. */
export function staleNumbers(text: string, read: (file: string) => string | undefined = readFile): string[] {
  const problems: string[] = [];
  for (const match of text.matchAll(marked)) {
    const [, written = "", file = "", quote, field, name = "", path = ""] = match;
    const line = text.slice(0, match.index).split("\n").length;
    const say = (problem: string) => problems.push(`line ${line}: ${problem}`);
    const content = read(file);
    if (content === undefined) say(`there is no ${file}`);
    else if (written === "") say("no number stands before the mark");
    else if (quote !== undefined && field !== undefined) {
      const now = fieldOf(content, quote, field, digitsOf(written));
      if (now !== written.replaceAll(",", "")) say(`${written} is ${now} by ${field} of "${quote}" in ${file}`);
    } else if (quote !== undefined) {
      const shown = file.endsWith(".svg") ? content.replace(/<[^>]*>/g, " ") : content;
      if (!shown.replace(/\s+/g, " ").includes(quote)) say(`${file} does not say "${quote}"`);
      if (!isNumberOf(quote, written)) say(`${written} is not in "${quote}"`);
    } else {
      const now = figure(content, name, path, written);
      if (now !== written) say(`${written} is ${now} by ${name} ${path} of ${file}`);
    }
  }
  const marks = text.match(/<!-- [\w/.-]+\.\w+:? /g)?.length ?? 0;
  if (marks !== [...text.matchAll(marked)].length)
    problems.push("a mark is not written as scripts/site/numbers.ts says");
  return problems;
}

/**
 * Numbers with a unit that neither name a file nor stand in one of the given phrases, a line each; and the phrases that are
 * not there.
 */
export function unmarkedNumbers(text: string, given: readonly string[]): string[] {
  const blank = (found: string) => found.replace(/[^\n]/g, " ");
  let prose = notProse.reduce((text, pattern) => text.replace(pattern, blank), text);
  const problems: string[] = [];
  for (const phrase of given) {
    const words = phrase.split(" ").map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const before = prose;
    prose = prose.replace(new RegExp(words.join("\\s+"), "g"), blank);
    if (prose === before) problems.push(`"${phrase}" is not there, or has no number`);
  }
  for (const match of prose.matchAll(measured)) {
    const line = prose.slice(0, match.index).split("\n").length;
    problems.push(`line ${line}: ${match[0].trim()} names no file that it comes from`);
  }
  return problems;
}

/** Whether a text holds the number as a whole, not as a part of a longer one. */
function isNumberOf(text: string, number: string): boolean {
  const thousands = /(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])/g;
  const plain = (text: string) =>
    text.replace(thousands, (found) => found.replaceAll(",", "")).replace(/-(?=[\d.])/g, "−");
  return new RegExp(`(?<![\\d.−-]|\\d,)${plain(number).replaceAll(".", "\\.")}(?!\\d|[.,]\\d)`).test(plain(text));
}

/** How many digits stand behind the point. */
function digitsOf(number: string): number {
  return (/\.(\d+)/.exec(number)?.[1] ?? "").length;
}

/** A field of the row of a name. */
function fieldOf(content: string, name: string, field: string, digits: number): string {
  const row = (JSON.parse(content) as Readonly<Record<string, unknown>>[]).find((row) => row["name"] === name);
  const value = row?.[field];
  return typeof value === "number" ? value.toFixed(digits) : "nothing";
}

function readFile(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

/** The figure of the runs of a name, written like `written`. */
function figure(content: string, name: string, path: string, written: string): string {
  const records = content
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as RunRecord);
  const values = records
    .filter((record) => record.name === name)
    .map(({ figures }) =>
      path.split(".").reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], figures),
    );
  if (values.length === 0 || values.some((value) => typeof value !== "number")) return "nothing";
  const scale = written.endsWith(" %") ? 100 : 1;
  const { value, interval } = seedMean(values.map((value) => scale * (value as number)));
  const digits = digitsOf(written);
  const mean = value.toFixed(digits).replace("-", "−");
  const half = written.includes("±") ? ` ± ${interval ? (interval.high - value).toFixed(digits) : "nothing"}` : "";
  return `${mean}${half}${scale === 100 ? " %" : ""}`;
}
