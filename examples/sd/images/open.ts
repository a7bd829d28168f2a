import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { shown } from "../../common/paths";
import { listen } from "../../common/program";
import { startProgress } from "../../common/progress";
import { printable } from "../../common/terminal";
import type { Picture } from "../grid";
import { readCaptions } from "./captions";
import { keyOf } from "./metadata";
import { openPicture } from "./picture";
import { scanFolder } from "./scan";

/** An open folder of pictures with captions. Memory holds their names and captions, never their pixels. */
export interface ImageFolder {
  /** How many there are. */
  readonly length: number;
  /** In words: where they come from. */
  readonly description: string;
  /** Names the content: the bytes of every picture and its caption. */
  readonly fingerprint: string;
  /** The path of picture `index` in `[0, length)`, from the folder. */
  path(index: number): string;
  /** Its caption, `""` where it has none. */
  caption(index: number): string;
  /** Reads and decodes it: upright, in its own size. Throws where its file is another one by now, or damaged. */
  picture(index: number): Picture;
}

/** Options of {@link openImageFolder}. */
export interface OpenImageFolderOptions {
  /** The key or column of the metadata that holds the captions; `text`, `caption` or `prompt` where absent. */
  readonly captionKey?: string | undefined;
  /** Who is told of pictures without a caption and of files that are passed over; `console.warn` where absent. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** So many broken pictures are named, of the others only the number. */
const named = 8;
/** What to do with files that are not read. */
const remedy = "convert pictures to PNG or JPEG, unpack archives";
/** More pictures than this are read with a progress line. */
const many = 500;

/**
 * Opens a folder of PNG and JPEG pictures, those below it included. Captions come from `metadata.jsonl` or
 * `metadata.csv` (columns `file_name` and `text`, as Hugging Face's imagefolder has them), else from `NAME.txt` beside
 * `NAME.png`, else they are empty. Every file is read once now and its structure checked; pixels are decoded when they
 * are drawn.
 *
 * Throws an error that names what cannot be used and what to do.
 */
export async function openImageFolder(folder: string, options: OpenImageFolderOptions = {}): Promise<ImageFolder> {
  const { captionKey, onWarning = console.warn } = options;
  try {
    return await open(folder, captionKey, (message) => onWarning(printable(`--images: ${message}`)));
  } catch (cause) {
    const { message } = cause as Error;
    throw new Error(`--images: ${shown(folder)}: ${message}${/[.?)]$/.test(message) ? "" : "."}`, { cause });
  }
}

async function open(folder: string, captionKey: string | undefined, warn: (message: string) => void) {
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (stat === undefined) throw new Error("is not there");
  if (!stat.isDirectory()) throw new Error("is a file; wanted a folder of pictures");
  const found = scanFolder(folder);
  const others = [...found.others].map(([ending, count]) => `${count} ${ending}`).join(", ");
  if (found.pictures.length === 0)
    throw new Error(`there is no PNG or JPEG in it${others === "" ? "" : `, but ${others}; ${remedy}`}`);
  const captions = readCaptions(folder, found, captionKey, warn);
  const hashes = await check(folder, found.pictures);
  if (others !== "") warn(`other files are passed over (${others}); ${remedy}.`);
  const { pictures } = found;
  const bare = pictures.filter((_, i) => captions[i] === "");
  if (bare.length > 0)
    warn(`${bare.length} of ${pictures.length} pictures have no caption and get the empty one, such as ${bare[0]}.`);
  return openFolder(folder, pictures, captions, hashes);
}

function openFolder(
  folder: string,
  pictures: readonly string[],
  captions: readonly string[],
  hashes: BigUint64Array,
): ImageFolder {
  const hash = createHash("sha256");
  for (const [i, path] of pictures.entries())
    hash.update(JSON.stringify([keyOf(path), String(hashes[i]), captions[i]]));
  const length = pictures.length;
  const count = `${length.toLocaleString("en")} ${length === 1 ? "picture" : "pictures"}`;
  return {
    length,
    description: `${shown(folder)}: ${count}`,
    fingerprint: hash.digest("hex").slice(0, 16),
    path: (i) => pictures[i] as string,
    caption: (i) => captions[i] as string,
    picture(i) {
      const path = pictures[i] as string;
      try {
        const bytes = readFileSync(join(folder, path));
        if (hashOf(bytes) !== hashes[i]) throw new Error("was changed while it was in use; keep it as it is");
        return openPicture(bytes).decode();
      } catch (cause) {
        throw new Error(printable(`--images: ${path} ${reasonOf(cause)}.`), { cause });
      }
    },
  };
}

/** A decoder's own message follows after what it means. */
function reasonOf(cause: unknown): string {
  const { message, code } = cause as NodeJS.ErrnoException;
  if (code !== undefined) return `cannot be read (${message})`;
  return /^(is|has|was|names) /.test(message) ? message : `is damaged: ${message}; delete it or save it anew`;
}

/** Reads every picture once. Throws naming those that cannot be used; else the beginning of each one's hash. */
async function check(folder: string, pictures: readonly string[]): Promise<BigUint64Array> {
  const hashes = new BigUint64Array(pictures.length);
  const wrong: string[] = [];
  const progress = pictures.length > many ? startProgress("reading pictures", pictures.length) : undefined;
  for (const [i, path] of pictures.entries()) {
    try {
      const bytes = await readFile(join(folder, path));
      openPicture(bytes);
      hashes[i] = hashOf(bytes);
    } catch (cause) {
      wrong.push(printable(`${path} ${reasonOf(cause)}`));
    }
    progress?.update(i + 1);
    if (i % 100 === 0) await listen();
  }
  progress?.finish();
  if (wrong.length === 0) return hashes;
  const list = wrong.slice(0, named).map((line) => `\n  ${line}`);
  const more = wrong.length > named ? `\n  and ${wrong.length - named} more` : "";
  throw new Error(
    `${wrong.length} of ${pictures.length} pictures cannot be used; mend them or take them out:${list.join("")}${more}`,
  );
}

function hashOf(bytes: Uint8Array): bigint {
  return createHash("sha256").update(bytes).digest().readBigUInt64BE(0);
}
