import { nearest } from "../../common/nearest";
import { cellsOf, lineEnd, rowEnd } from "./rows";

/** How a file holds its prompts: rows that are read one by one, or one JSON document. */
export type PromptFormat = RowFormat | { readonly kind: "document"; readonly captionKey: string | undefined };

/** A file of rows, each with a prompt or without one. */
export interface RowFormat {
  readonly kind: "rows";
  /** In words, for the user and for a run's fingerprint. */
  readonly name: string;
  /** Bytes before the first row. */
  readonly begin: number;
  /** The end of the row that begins there, -1 where the bytes end before. */
  rowEnd(bytes: Uint8Array, begin: number): number;
  /** A row's prompt, empty where it has none; throws for a row that is none of this format. */
  prompt(row: string): string;
}

/** Names that captions have where nobody says another, the likeliest first. */
const captionNames = ["caption", "prompt", "text", "captions", "prompts"];

/** The one of some keys that holds captions; undefined unless it is plain. */
export function guessKey(keys: readonly string[]): string | undefined {
  return captionNames.flatMap((name) => keys.find((key) => key.toLowerCase() === name) ?? []).at(0);
}

/** `there is no "captoin", but a, b, caption; did you mean "caption"?` */
export function absent(key: string | undefined, keys: readonly string[]): string {
  const shown = keys.slice(0, 12).map((name) => JSON.stringify(name.slice(0, 40)));
  const list = `${shown.join(", ") || "nothing"}${keys.length > shown.length ? ", …" : ""}`;
  if (key === undefined) return `name the one that holds the captions with --caption-key; there is ${list}`;
  const like = nearest(key, keys);
  return `there is no "${key}", but ${list}${like === undefined ? "" : `; did you mean --caption-key ${like}?`}`;
}

export function textFormat(begin: number): RowFormat {
  return { kind: "rows", name: "text, a prompt per line", begin, rowEnd: lineEnd, prompt: (row) => row.trim() };
}

export function jsonLinesFormat(begin: number, captionKey: string | undefined, first: unknown): RowFormat {
  const key = captionKey ?? guessKey(Object.keys((first as object | null) ?? {}));
  return {
    kind: "rows",
    name: `JSON lines${key === undefined ? "" : `, key "${key}"`}`,
    begin,
    rowEnd: lineEnd,
    prompt(row) {
      if (row.trim() === "") return "";
      let value: unknown;
      try {
        value = JSON.parse(row);
      } catch (cause) {
        throw new Error(`no JSON (${(cause as Error).message})`, { cause });
      }
      return captionOf(value, key);
    },
  };
}

/** The caption of a parsed row: text itself, or an object's text under the key; null is none. */
export function captionOf(value: unknown, key: string | undefined): string {
  if (typeof value === "string") return value.trim();
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error(`wanted an object with the caption, got ${short(value)}`);
  const caption = key !== undefined && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
  if (caption === null) return "";
  if (caption === undefined) throw new Error(absent(key, Object.keys(value)));
  if (typeof caption !== "string") throw new Error(`"${key}" must be text, got ${short(caption)}`);
  return caption.trim();
}

/** A table whose header is its first row; throws where the header lacks the key. */
export function tableFormat(
  header: string,
  delimiter: string,
  captionKey: string | undefined,
  begin: number,
): RowFormat {
  const names = cellsOf(header, delimiter).map((name) => name.trim());
  const key = captionKey ?? guessKey(names);
  const column = key === undefined ? -1 : names.indexOf(key);
  if (column < 0)
    throw new Error(
      `the first row must name the columns: ${absent(key, names)}. (A text with a prompt per line is named .txt and needs no key.)`,
    );
  if (names.lastIndexOf(key as string) !== column) throw new Error(`two columns are named "${key}"`);
  const byte = delimiter.charCodeAt(0);
  return {
    kind: "rows",
    name: `a table with ${delimiterNames[delimiter]}, column "${key}"`,
    begin,
    rowEnd: (bytes, from) => rowEnd(bytes, from, byte),
    prompt(row) {
      const line = row.replace(/[\r\n]$/, "");
      if (line.trim() === "") return "";
      const cells = cellsOf(line, delimiter);
      if (cells.length !== names.length)
        throw new Error(
          `${cells.length} cells where the header has ${names.length}; a cell that holds the delimiter stands in quotes` +
            (delimiter === "\t" ? " (a text with a prompt per line has no tabs)" : ""),
        );
      return (cells[column] as string).trim();
    },
  };
}

/** What may lie between the cells of a table. */
export const delimiterNames: Readonly<Record<string, string>> = {
  ",": "commas",
  "\t": "tabs",
  ";": "semicolons",
  "|": "bars",
};

function short(value: unknown): string {
  const text = JSON.stringify(pruned(value, 3)) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** The beginning of a value, however deep or long it is. */
function pruned(value: unknown, depth: number): unknown {
  if (typeof value === "string") return value.slice(0, 60);
  if (typeof value !== "object" || value === null) return value;
  if (depth === 0) return "...";
  if (Array.isArray(value)) return value.slice(0, 20).map((item) => pruned(item, depth - 1));
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, 20)
      .map(([key, item]) => [key, pruned(item, depth - 1)]),
  );
}
