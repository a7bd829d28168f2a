import { extname } from "node:path";
import { foreign } from "./foreign";
import { delimiterNames, guessKey, jsonLinesFormat, type PromptFormat, tableFormat, textFormat } from "./formats";
import { cellsOf, lineEnd, rowEnd } from "./rows";

/** Bytes that {@link sniff} wants to see. */
export const headSize = 1 << 16;

/**
 * Chooses how to read a file by its first bytes, and by its name where those leave it open; throws for what is no
 * prompts, or a format that is not read.
 */
export function sniff(head: Uint8Array, path: string, captionKey: string | undefined): PromptFormat {
  const other = foreign(head);
  if (other) throw new Error(`is ${other.what}; ${other.remedy}`);
  const mark = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
  const text = Buffer.from(head.subarray(mark)).toString("utf8");
  const claim = extname(path).toLowerCase();
  const format = json(text, head.length === headSize, claim, captionKey, mark);
  if (format) return format;
  const lines = text.split(/[\r\n]+/).filter((line) => line.trim() !== "");
  // A cell in quotes may hold such a line too.
  const drawn = isTable(claim) || captionKey !== undefined ? lines.slice(0, 3) : lines;
  if (drawn.some(isRule))
    throw new Error("looks like a Markdown table, or a printed one; write its prompts alone, one per line");
  return table(head, claim, captionKey, mark) ?? plain(lines, claim, mark);
}

/** The line below a header in Markdown and on terminals: `|---|:-:|`, `--- | ---`, `+----+`. */
function isRule(line: string): boolean {
  return /^[|+]?(\s*:?-+:?\s*[|+])+(\s*:?-+:?)?$/.test(line.trim());
}

function isTable(claim: string): boolean {
  return claim === ".csv" || claim === ".tsv";
}

function json(text: string, cut: boolean, claim: string, captionKey: string | undefined, mark: number) {
  const first = text.split(/[\r\n]/).find((line) => line.trim() !== "") ?? "";
  const alone = text.trim() === first.trim();
  const document = { kind: "document", captionKey } as const;
  const lines = claim === ".jsonl" || claim === ".ndjson";
  if (!lines && !/^\s*(\[\s*(["'[{\]]|$)|\{\s*("|\}|$))/.test(first)) {
    if (claim === ".json") throw new Error(`begins with ${shown(first)}, which is no JSON`);
    return undefined;
  }
  let value: unknown;
  try {
    value = JSON.parse(first);
  } catch {
    if (lines) throw new Error(`is named ${claim}, but its first line is no JSON: ${shown(first)}`);
    // A document over many lines, or a line that is longer than the head; prompts begin with brackets too.
    return claim === ".json" || (cut && alone) || goesOn(first) ? document : undefined;
  }
  const empty = Object.keys(Object(value)).length === 0;
  if (!lines && claim !== ".json" && empty && !alone) return undefined;
  const listed = Array.isArray(value) || Array.isArray(Object(value).annotations);
  return (claim === ".json" && alone) || listed ? document : jsonLinesFormat(mark, captionKey, value);
}

/** Whether a line is the beginning of JSON over many lines, or a list as Python prints it. */
function goesOn(line: string): boolean {
  if (/^\s*\[(\s*'[^']*'\s*[,\]])+\s*$/.test(line)) return true;
  const brackets = line.replace(/"(?:[^"\\]|\\.)*"|\b(?:true|false|null)\b|-?\d[\d.eE+-]*|[\s:,]/g, "");
  const opened = brackets.replace(/[[{]/g, "").length;
  return /^[[\]{}]*$/.test(brackets) && 2 * opened < brackets.length;
}

function table(head: Uint8Array, claim: string, captionKey: string | undefined, mark: number) {
  const named = isTable(claim);
  const begin = firstRow(head, mark);
  const row = (end: number) => {
    const bytes = head.subarray(begin, end < 0 ? head.length : end);
    return Buffer.from(bytes)
      .toString("utf8")
      .replace(/[\r\n]$/, "");
  };
  const line = row(lineEnd(head, begin));
  // Of the delimiters that which lets the header name the captions, else that with the most cells.
  const ranked = Object.keys(delimiterNames)
    .map((delimiter) => {
      const names = cellsIn(line, delimiter);
      const known = captionKey === undefined ? guessKey(names) !== undefined : names.includes(captionKey);
      return { delimiter, names, known };
    })
    .sort((a, b) => Number(b.known) - Number(a.known) || b.names.length - a.names.length);
  const { delimiter, names, known } = ranked[0] as (typeof ranked)[number];
  if (!named && captionKey === undefined) {
    // A text of prompts has commas too: a header is short names, one of them known, without spaces between.
    const header =
      known && names.length > 1 && names.every((name) => /^([\p{L}_][\p{L}\p{N}_ .-]{0,31})?$/u.test(name));
    if (!header || (delimiter !== "\t" && line.includes(`${delimiter} `))) return undefined;
    const fit = fitting(head, begin, delimiter, names.length);
    if (fit < 0.5) return undefined;
    if (delimiter !== "\t" || fit < 1) throw new Error(ambiguous(line, delimiter, guessKey(names) as string));
  }
  const end = rowEnd(head, begin, delimiter.charCodeAt(0));
  return tableFormat(row(end), delimiter, captionKey, end < 0 ? head.length : end);
}

function ambiguous(header: string, delimiter: string, key: string): string {
  const text =
    delimiter === "\t" ? "write spaces for its tabs" : `write "${delimiter} " for "${delimiter}" in that line`;
  return (
    `may be a table with ${delimiterNames[delimiter]} or a text, by its first line ${shown(header)}; ` +
    `for a table add --caption-key ${key} or name it ${delimiter === "\t" ? ".tsv" : ".csv"}, for a text ${text}`
  );
}

/** The share of whole rows after the first that have so many cells; 0 where there is none. */
function fitting(head: Uint8Array, begin: number, delimiter: string, cells: number): number {
  let [rows, fit] = [0, 0];
  const byte = delimiter.charCodeAt(0);
  for (let at = rowEnd(head, begin, byte); at >= 0 && at < head.length; ) {
    const next = rowEnd(head, at, byte);
    if (next < 0 && head.length === headSize) break;
    const row = Buffer.from(head.subarray(at, next < 0 ? head.length : next)).toString("utf8");
    at = next;
    if (row.trim() === "") continue;
    rows++;
    if (cellsIn(row.replace(/[\r\n]$/, ""), delimiter).length === cells) fit++;
  }
  return rows === 0 ? 0 : fit / rows;
}

function cellsIn(line: string, delimiter: string): string[] {
  try {
    return cellsOf(line, delimiter).map((cell) => cell.trim());
  } catch {
    return [];
  }
}

function firstRow(head: Uint8Array, mark: number): number {
  let at = mark;
  while (at < head.length && [10, 13].includes(head[at] as number)) at++;
  return at;
}

function plain(lines: readonly string[], claim: string, mark: number) {
  if (claim === ".jsonl" || claim === ".ndjson") throw new Error(`is named ${claim}, but its first line is no JSON`);
  const tabs = lines.slice(0, 20).map((line) => line.split("\t").length - 1);
  if (tabs.length > 1 && tabs.slice(0, -1).every((count) => count > 0 && count === tabs[0]))
    throw new Error(
      'looks like a table with tabs and without a header; write one as first row, such as "image\\tcaption", ' +
        "and name its column with --caption-key, or keep that column alone: cut -f2 FILE > OUT",
    );
  return textFormat(mark);
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}
