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
  const first = text.split(/[\r\n]/).find((line) => line.trim() !== "") ?? "";
  const claim = extname(path).toLowerCase();
  return json(text, first, claim, captionKey, mark) ?? table(head, claim, captionKey, mark) ?? plain(text, claim, mark);
}

function json(text: string, first: string, claim: string, captionKey: string | undefined, mark: number) {
  const document = { kind: "document", captionKey } as const;
  const lines = claim === ".jsonl" || claim === ".ndjson";
  if (!lines && /^\s*\[\s*(["'[{\]]|$)/.test(first)) return document;
  if (!lines && !/^\s*\{\s*("|\}|$)/.test(first)) {
    if (claim === ".json") throw new Error(`begins with ${shown(first)}, which is no JSON`);
    return undefined;
  }
  let value: unknown;
  try {
    value = JSON.parse(first);
  } catch {
    // A document over many lines, or a line that is longer than the head.
    if (!lines) return document;
    throw new Error(`is named ${claim}, but its first line is no JSON: ${shown(first)}`);
  }
  const whole = claim === ".json" && text.trim() === first.trim();
  const listed = Array.isArray(value) || Array.isArray(Object(value).annotations);
  return whole || listed ? document : jsonLinesFormat(mark, captionKey, value);
}

function table(head: Uint8Array, claim: string, captionKey: string | undefined, mark: number) {
  const named = claim === ".csv" || claim === ".tsv";
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
  // A text of prompts has commas too: a header is short names, one of them known.
  const header = known && names.length > 1 && names.every((name) => /^([\p{L}_][\p{L}\p{N}_ .-]{0,31})?$/u.test(name));
  if (!named && captionKey === undefined && !header) return undefined;
  const end = rowEnd(head, begin, delimiter.charCodeAt(0));
  return tableFormat(row(end), delimiter, captionKey, end < 0 ? head.length : end);
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

function plain(text: string, claim: string, mark: number) {
  if (claim === ".jsonl" || claim === ".ndjson") throw new Error(`is named ${claim}, but its first line is no JSON`);
  const lines = text.split(/[\r\n]+/).filter((line) => line.trim() !== "");
  if (lines.some((line) => /^\s*\|([ :]*-{3,}[ :]*\|)+\s*$/.test(line)))
    throw new Error("looks like a Markdown table; write its prompts alone, one per line");
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
