import { createHash, type Hash } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, readSync, type Stats } from "node:fs";
import type { PromptSource } from "sid-lsg/train";
import { shown } from "../../common/paths";
import { startProgress } from "../../common/progress";
import { checkDocumentSize, documentPrompts } from "./document";
import type { RowFormat } from "./formats";
import { indexRows, type RowIndex, stride } from "./row-index";
import { headSize, sniff } from "./sniff";

/** An open file of prompts. */
export interface Prompts extends PromptSource {
  /** In words: where they come from. */
  readonly description: string;
  close(): void;
}

/** A file of more bytes is read with a progress line. */
const soon = 1e8;

/**
 * Opens a file of prompts: text with one per line, JSON lines, a table with a header, COCO's captions, by its content.
 * All rows are checked now; of rows only the places are kept, and they are read when they are drawn. The file stays open.
 *
 * Throws an error that names the file, what it is, and what to do.
 */
export async function openPrompts(path: string, captionKey?: string): Promise<Prompts> {
  const fd = opened(path);
  try {
    return await read(fd, path, captionKey);
  } catch (cause) {
    closeSync(fd);
    throw new Error(`--prompts: ${shown(path)}${joint(cause as Error)}`, { cause });
  }
}

function opened(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    throw new Error(`--prompts: ${(cause as Error).message}.`, { cause });
  }
}

/** A reason that begins with its own subject stands after a colon, another after the file's name. */
function joint({ message }: Error): string {
  const verb = /^(is|begins|looks|holds|was) /.test(message);
  return `${verb ? " " : ": "}${message}${/[.?)]$/.test(message) ? "" : "."}`;
}

async function read(fd: number, path: string, captionKey: string | undefined): Promise<Prompts> {
  const stat = fstatSync(fd);
  if (stat.isDirectory()) throw new Error("is a folder; wanted a file of prompts");
  if (!stat.isFile())
    throw new Error("is no file on a disk; prompts are read from their places again and again, so write them to one");
  const head = Buffer.alloc(Math.min(headSize, stat.size));
  readSync(fd, head, 0, head.length, 0);
  const format = sniff(head, path, captionKey);
  const hash = createHash("sha256");
  const prompts =
    format.kind === "document" ? readDocument(fd, stat.size, captionKey, hash) : await readRows(fd, stat, format, hash);
  if (prompts.length === 0) throw new Error(`holds no prompts (${prompts.name}); wanted at least one`);
  const count = `${prompts.length.toLocaleString("en")} ${prompts.length === 1 ? "prompt" : "prompts"}`;
  const empty = prompts.empty > 0 ? `; ${prompts.empty.toLocaleString("en")} rows without one do not count` : "";
  return {
    length: prompts.length,
    get: prompts.get,
    fingerprint: `${prompts.name}, ${hash.digest("hex").slice(0, 16)}`,
    description: `${shown(path)}: ${count}, read as ${prompts.name}${empty}`,
    close: () => closeSync(fd),
  };
}

interface Content extends Omit<PromptSource, "fingerprint"> {
  readonly name: string;
  readonly empty: number;
}

function readDocument(fd: number, size: number, captionKey: string | undefined, hash: Hash): Content {
  checkDocumentSize(size);
  const bytes = readFileSync(fd);
  hash.update(bytes);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Error("is no UTF-8, as JSON must be", { cause });
  }
  const { name, prompts, empty } = documentPrompts(text, captionKey);
  return { name, empty, length: prompts.length, get: (i) => prompts[i] as string };
}

async function readRows(
  fd: number,
  { size, mtimeMs }: Pick<Stats, "size" | "mtimeMs">,
  format: RowFormat,
  hash: Hash,
): Promise<Content> {
  const megabytes = (bytes: number) => Math.ceil(bytes / 1e6);
  const progress = size > soon ? startProgress("reading prompts, MB", megabytes(size)) : undefined;
  const index = await indexRows(fd, size, format, (bytes, done) => {
    hash.update(bytes);
    if (bytes.length > 0) progress?.update(megabytes(done));
  });
  progress?.finish();
  const unchanged = () => {
    const now = fstatSync(fd);
    return now.size === size && now.mtimeMs === mtimeMs;
  };
  return {
    name: format.name,
    length: index.length,
    empty: index.empty,
    get(i) {
      if (!unchanged()) throw new Error("--prompts: the file was changed while it was in use; keep it as it is.");
      return promptAt(fd, index, format, i);
    },
  };
}

/** Reads the rows from the last known place on. */
function promptAt(fd: number, { starts }: RowIndex, format: RowFormat, i: number): string {
  const block = Math.floor(i / stride);
  const [begin = 0, end = 0] = starts.subarray(block, block + 2);
  const bytes = Buffer.alloc(end - begin);
  readSync(fd, bytes, 0, bytes.length, begin);
  let left = i % stride;
  for (let at = 0; at < bytes.length; ) {
    const next = format.rowEnd(bytes, at);
    const stop = next < 0 ? bytes.length : next;
    const prompt = format.prompt(bytes.toString("utf8", at, stop));
    if (prompt !== "" && left-- === 0) return prompt;
    at = stop;
  }
  throw new Error(`there is no prompt ${i}`);
}
