import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { absent, captionOf, guessKey } from "../prompts/formats";
import { cellsOf, lineEnd, rowEnd } from "../prompts/rows";

/** Files that hold a folder's captions, as Hugging Face's imagefolder reads them: a row per picture. */
export const metadataFiles = ["metadata.jsonl", "metadata.csv"];

/** The column that names the picture, from where the file lies. */
const fileKey = "file_name";

/** A caption of each picture that the file names, by the picture's path in the opened folder. */
export type Captions = ReadonlyMap<string, string>;

/** Reads one such file, at `path` in the folder. Throws naming it and the line. */
export function readMetadata(folder: string, path: string, captionKey: string | undefined): Captions {
  const bytes = readFileSync(join(folder, path));
  if (bytes.includes(0)) throw new Error(`${path}: holds NUL bytes, so it is no text`);
  const captions = new Map<string, string>();
  const read = path.endsWith(".csv") ? csvRow : jsonRow;
  const row = read(captionKey);
  const end = path.endsWith(".csv") ? (from: number) => rowEnd(bytes, from, ",".charCodeAt(0)) : lineEndOf(bytes);
  for (let at = 0, line = 1; at < bytes.length; ) {
    const next = end(at);
    const stop = next < 0 ? bytes.length : next;
    const text = textOf(path, line, bytes.subarray(at, stop));
    try {
      const found = text.trim() === "" ? undefined : row(text.replace(/[\r\n]+$/, ""));
      if (found !== undefined) {
        const picture = keyOf(posix.join(posix.dirname(path), found.file));
        if (captions.has(picture)) throw new Error(`${found.file} has a caption already; keep one row per picture`);
        captions.set(picture, found.caption);
      }
    } catch (cause) {
      throw new Error(`${path}, line ${line}: ${(cause as Error).message}`, { cause });
    }
    line += text.split("\n").length - 1;
    at = stop;
  }
  return captions;
}

/** The path that names are compared by: some systems write é as one letter, some as two. */
export function keyOf(path: string): string {
  return path.normalize("NFC");
}

function lineEndOf(bytes: Uint8Array) {
  return (from: number) => lineEnd(bytes, from);
}

function textOf(path: string, line: number, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Error(`${path}, line ${line}: no UTF-8; convert the file to it`, { cause });
  }
}

interface Row {
  readonly file: string;
  readonly caption: string;
}

function jsonRow(captionKey: string | undefined) {
  let key = captionKey;
  return (text: string): Row => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw new Error(`no JSON (${(cause as Error).message})`, { cause });
    }
    const { [fileKey]: file, ...others } = Object(value) as Record<string, unknown>;
    if (typeof file !== "string" || file === "")
      throw new Error(
        `wanted the picture's path under "${fileKey}"; there is ${Object.keys(others).join(", ") || "nothing"}`,
      );
    key ??= guessKey(Object.keys(others));
    return { file: slashed(file), caption: captionOf(others, key) };
  };
}

function csvRow(captionKey: string | undefined) {
  let columns: { readonly file: number; readonly caption: number; readonly count: number } | undefined;
  return (text: string): Row | undefined => {
    const cells = cellsOf(text, ",");
    if (columns === undefined) {
      const names = cells.map((name) => name.trim());
      const key = captionKey ?? guessKey(names);
      columns = {
        file: names.indexOf(fileKey),
        caption: key === undefined ? -1 : names.indexOf(key),
        count: names.length,
      };
      if (columns.file < 0) throw new Error(`wanted a column "${fileKey}"; there is ${names.join(", ")}`);
      if (columns.caption < 0)
        throw new Error(
          absent(
            key,
            names.filter((name) => name !== fileKey),
          ),
        );
      return undefined;
    }
    if (cells.length !== columns.count)
      throw new Error(
        `${cells.length} cells where the header has ${columns.count}; a cell with a comma stands in quotes`,
      );
    return { file: slashed(cells[columns.file] as string), caption: (cells[columns.caption] as string).trim() };
  };
}

function slashed(path: string): string {
  return path.trim().replaceAll("\\", "/");
}
