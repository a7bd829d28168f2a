/**
 * Numbers in prose name the committed file that they come from, in a comment that GitHub and the site leave out, so that a stale one
 * is found:
 *
 *     269 ± 20<!-- docs/study/results.jsonl long trained.frechetDistance -->     the runs of a name, their mean over seeds
 *     0.77<!-- docs/league/README.md: "the divergence is 0.77" -->               a text that stands in a file
 *
 * Of a drawing (.svg) the text counts, without what tags say. Digits are as many as are written; behind `±` stands half of the 95 % interval over seeds; `%` is a hundred times the figure.
 */
import { existsSync, readFileSync } from "node:fs";
import { seedMean } from "../../examples/experiments/intervals.ts";

const marked =
  /([−-]?[\d,]*\.?\d+(?: ± [\d.]+)?(?: %)?)?(?:\*\*)?<!-- ([\w/.-]+\.\w+)(?:: "([^"]+)"| (\S+) (\S+)) -->/g;

interface RunRecord {
  readonly name: string;
  readonly figures: unknown;
}

/** What is wrong with the marks of a text, a line each. */
export function staleNumbers(text: string, read: (file: string) => string | undefined = readFile): string[] {
  const problems: string[] = [];
  for (const match of text.matchAll(marked)) {
    const [, written = "", file = "", quote, name = "", path = ""] = match;
    const line = text.slice(0, match.index).split("\n").length;
    const say = (problem: string) => problems.push(`line ${line}: ${problem}`);
    const content = read(file);
    if (content === undefined) say(`there is no ${file}`);
    else if (written === "") say("no number stands before the mark");
    else if (quote !== undefined) {
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

/** Whether a text holds the number as a whole, not as a part of a longer one. */
function isNumberOf(text: string, number: string): boolean {
  return new RegExp(`(?<![\\d.−-]|\\d,)${number.replaceAll(".", "\\.")}(?!\\d|[.,]\\d)`).test(text);
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
  const digits = (/\.(\d+)/.exec(written)?.[1] ?? "").length;
  const mean = value.toFixed(digits).replace("-", "−");
  const half = written.includes("±") ? ` ± ${interval ? (interval.high - value).toFixed(digits) : "nothing"}` : "";
  return `${mean}${half}${scale === 100 ? " %" : ""}`;
}
