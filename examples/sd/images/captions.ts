import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { nearest } from "../../common/nearest";
import { keyOf, readMetadata } from "./metadata";
import { captionFile, type Found } from "./scan";

/** No caption is longer; a text file of other things may be gigabytes. */
const longestCaption = 1 << 20;

/**
 * The caption of each picture, `""` where nothing says one: the row of a metadata file, else the text file beside it.
 * Throws naming the file that is wrong.
 */
export function readCaptions(
  folder: string,
  { pictures, metadata, texts }: Found,
  captionKey: string | undefined,
  warn: (message: string) => void,
): string[] {
  const rows = new Map<string, string>();
  for (const path of metadata)
    for (const [picture, caption] of readMetadata(folder, path, captionKey)) {
      if (rows.has(picture)) throw new Error(`${path} names ${picture}, which another metadata file names too`);
      rows.set(picture, caption);
    }
  const all = rows.size;
  const captions = pictures.map((picture) => {
    const row = rows.get(keyOf(picture));
    rows.delete(keyOf(picture));
    const beside = row ? undefined : captionFile(picture, texts);
    return row || (beside === undefined ? "" : readCaption(folder, beside));
  });
  if (rows.size > 0) tellLeft([...rows.keys()], all, { metadata, pictures, warn });
  return captions;
}

interface Where {
  readonly metadata: readonly string[];
  readonly pictures: readonly string[];
  readonly warn: (message: string) => void;
}

/** Rows without a picture: a few are those of pictures that were taken out, all are a mistake. */
function tellLeft(left: readonly string[], all: number, { metadata, pictures, warn }: Where): void {
  const [first = ""] = left;
  const files = metadata.join(", ");
  if (left.length < all) {
    warn(`${left.length} of ${all} rows of ${files} name no picture that is here, such as ${first}.`);
    return;
  }
  const like = nearest(first, pictures) ?? pictures[0];
  throw new Error(
    `no row of ${files} names a picture that is here: the first is ${first}, and there is ${like}; ` +
      "paths begin where the metadata file lies",
  );
}

/** A text file's caption on one line. */
function readCaption(folder: string, path: string): string {
  const place = join(folder, path);
  if (statSync(place).size > longestCaption) throw new Error(`${path} is too long for a caption`);
  const bytes = readFileSync(place);
  if (bytes.includes(0)) throw new Error(`${path} holds NUL bytes, so it is no caption in UTF-8`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\s+/g, " ").trim();
  } catch (cause) {
    throw new Error(`${path} is no UTF-8; convert it from its encoding`, { cause });
  }
}
