import { checkMethods, checkText, describe, isObject } from "../core/checks";
import { SidError } from "../core/errors";
import { type ByteSource, blobSource, checkByteSource, take } from "./byte-source";
import { located, openFile } from "./disk";
import { headBytes, identify } from "./first-bytes";
import { snapshotOf, whyNoModel } from "./model-place";
import { corrupt, parseJson } from "./safetensors-header";
import { checkUrl, checkUrlOptions, openUrl, type UrlOptions } from "./url-source";

/** A configuration file as it stands: plain JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A folder of files, wherever it lies; read only. */
export interface FileTree {
  /** For messages. */
  readonly name: string;
  /**
   * Opens a file; undefined where there is none. The caller closes it.
   *
   * @param path - relative, with `/` between its names, none of which is `.` or `..`.
   * @throws SidError `invalid-argument` for any other path, `io` where the file is there and cannot be opened.
   */
  open(path: string): Promise<ByteSource | undefined>;
}

/** What a file read as text may hold: a vocabulary is a megabyte. */
const mostTextBytes = 2 ** 26;

/** What a tree may know of a folder in which a file is missing; the same key in every copy of this package. */
const explain = Symbol.for("sid-lsg.explain-folder");

interface ExplainedTree extends FileTree {
  readonly [explain]?: () => Promise<string | undefined>;
}

/**
 * A folder on the disk. Symbolic links in it are followed. A model of the Hugging Face Hub's cache may be given by its own
 * folder, `models--owner--name`: its files are then those of the branch `main`. Node only.
 *
 * @param path - the folder; that it exists is seen when a file is opened.
 *
 * @example
 * ```ts
 * import { diskFolder, readText, writeFileAtomic } from "sid-lsg/io";
 *
 * await writeFileAtomic("merges.txt", "#version: 0.2\n");
 * console.log(await readText(diskFolder("."), "merges.txt"));
 * ```
 */
export function diskFolder(path: string): FileTree {
  const name = located("diskFolder", path);
  let snapshot: Promise<string | undefined> | undefined;
  const tree: ExplainedTree = {
    name,
    [explain]: () => whyNoModel(path),
    async open(file) {
      checkRelative(name, file);
      const found = await openIfThere(`${path}/${file}`);
      if (found) return found;
      snapshot ??= snapshotOf(path);
      const root = await snapshot;
      return root === undefined ? undefined : openIfThere(`${root}/${file}`);
    },
  };
  return tree;
}

async function openIfThere(path: string): Promise<ByteSource | undefined> {
  try {
    return await openFile("diskFolder", path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(((error as SidError).cause as { code?: string } | undefined)?.code ?? ""))
      return undefined;
    throw error;
  }
}

/** The error for files that a tree lacks, with what is known of the folder. */
export async function missing(caller: string, tree: FileTree, files: string, more = ""): Promise<SidError> {
  const why = more === "" ? await (tree as ExplainedTree)[explain]?.() : undefined;
  return new SidError("io", `${caller}: ${tree.name} lacks ${files}${more}${why === undefined ? "" : `; ${why}`}.`);
}

/**
 * A folder behind an address, as {@link urlSource} reads its files.
 *
 * @param url - the folder; a query in it is sent with every file.
 * @param options - headers, retries.
 * @throws SidError `invalid-argument` for what is no address; opening a file throws as {@link urlSource} does.
 *
 * @example
 * ```ts no-run
 * import { openComponent, urlFolder } from "sid-lsg/io";
 *
 * const commit = "0123456789abcdef0123456789abcdef01234567";
 * const folder = urlFolder(`https://huggingface.co/owner/model/resolve/${commit}`);
 * const { config, weights } = await openComponent(folder, "unet", { variant: "fp16" });
 * console.log(config["_class_name"], weights.entries.size);
 * ```
 */
export function urlFolder(url: string | URL, options: UrlOptions = {}): FileTree {
  const base = checkUrl("urlFolder", url);
  const checked = checkUrlOptions("urlFolder", options);
  const name = `urlFolder ${JSON.stringify(base.origin + base.pathname)}`;
  return {
    name,
    async open(path) {
      const file = new URL(base);
      const names = checkRelative(name, path).split("/").map(encodeURIComponent);
      file.pathname = `${base.pathname.replace(/\/+$/, "")}/${names.join("/")}`;
      return openUrl("urlFolder", file, checked);
    },
  };
}

/**
 * Files in memory or chosen by a browser's user, as a folder.
 *
 * @param files - `Blob`s by their relative paths; or the files of `<input type="file" webkitdirectory>`, whose
 *   paths begin with the chosen folder's own name, which is left out.
 * @throws SidError `invalid-argument` for anything else.
 *
 * @example
 * ```ts
 * import { blobFolder, readComponent } from "sid-lsg/io";
 *
 * const files = new Map([["scheduler/scheduler_config.json", new Blob(['{"beta_start": 0.1}'])]]);
 * console.log((await readComponent(blobFolder(files), "scheduler")).config["beta_start"]); // 0.1
 * ```
 */
export function blobFolder(files: ReadonlyMap<string, Blob> | Iterable<File>): FileTree {
  if (typeof (files as Iterable<unknown> | null | undefined)?.[Symbol.iterator] !== "function")
    throw new SidError("invalid-argument", `blobFolder: wanted a Map or a list of files, got ${describe(files)}.`);
  const byPath = new Map<unknown, ByteSource>();
  for (const file of files)
    if (Array.isArray(file)) byPath.set(checkRelative("blobFolder", file[0]), blobSource(file[1], file[0]));
    else {
      const source = blobSource(file as File);
      const { webkitRelativePath: inside, name } = file as File;
      const path = inside ? inside.slice(inside.indexOf("/") + 1) : name;
      byPath.set(path, source);
    }
  return {
    name: "blobFolder",
    async open(path) {
      return byPath.get(checkRelative("blobFolder", path));
    },
  };
}

/**
 * Reads a small file of a folder as UTF-8 text, such as a tokenizer's `merges.txt`.
 *
 * @param folder - the folder; text is a path on the disk.
 * @param path - relative, with `/` between its names.
 * @throws SidError `io` where there is no such file, `corrupt-file` where it is not UTF-8 or larger than 64 MiB;
 *   what the folder throws.
 *
 * @example
 * ```ts
 * import { blobFolder, readText } from "sid-lsg/io";
 *
 * const folder = blobFolder(new Map([["tokenizer/merges.txt", new Blob(["#version: 0.2\n"])]]));
 * console.log(await readText(folder, "tokenizer/merges.txt"));
 * ```
 */
export async function readText(folder: string | FileTree, path: string): Promise<string> {
  const tree = treeOf("readText", folder);
  checkRelative("readText", path);
  const text = await readOptional("readText", tree, path);
  if (text === undefined) throw await missing("readText", tree, `the file ${JSON.stringify(path)}`);
  return text;
}

/**
 * A file's content as text; undefined where there is no such file.
 *
 * @param wanted - what it should be; what is seen to be something else, such as a web page, is then refused by name.
 */
export async function readOptional(
  caller: string,
  tree: FileTree,
  path: string,
  wanted?: "a configuration" | "a text of the tokenizer",
): Promise<string | undefined> {
  const source = await openIn(caller, tree, path);
  if (source === undefined) return undefined;
  const where = `${caller} ${source.name}`;
  try {
    if (source.size > mostTextBytes)
      throw corrupt(where, `wanted a text of at most ${mostTextBytes} bytes, got ${source.size}`);
    const bytes = await take(where, source, 0, source.size);
    const found = wanted && identify(bytes.subarray(0, headBytes), bytes.length, "text");
    if (found !== undefined) throw corrupt(where, `wanted ${wanted}, the file is ${found}`);
    return decodeText(where, bytes);
  } finally {
    await source.close();
  }
}

/** Opens a file of a tree, which may be anybody's. */
export async function openIn(caller: string, tree: FileTree, path: string): Promise<ByteSource | undefined> {
  const source = await tree.open(path);
  return source === undefined ? undefined : checkByteSource(`${caller}: ${JSON.stringify(path)}`, source);
}

/** A JSON file that must be there and hold an object. */
export async function readJson(caller: string, tree: FileTree, path: string): Promise<JsonObject> {
  const text = await readOptional(caller, tree, path, "a configuration");
  if (text === undefined) throw await missing(caller, tree, `the file ${JSON.stringify(path)}`);
  const where = `${caller}: ${JSON.stringify(path)} of ${tree.name}`;
  const value = parseJson(where, "the file", withoutInfinities(text));
  if (!isObject(value)) throw corrupt(where, `wanted a JSON object, got ${describe(value)}`);
  return value;
}

/**
 * Python writes numbers that JSON does not have, as diffusers does `-Infinity` into the file of each DPMSolver: they become
 * ±1e999, which is read as infinite, and null.
 */
function withoutInfinities(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|\bInfinity\b|\bNaN\b/g, (token) =>
    token === "Infinity" ? "1e999" : token === "NaN" ? "null" : token,
  );
}

/** A path on the disk or a tree, as a tree. */
export function treeOf(where: string, folder: string | FileTree): FileTree {
  if (typeof folder === "string" && located(where, folder)) return diskFolder(folder);
  checkMethods(where, "folder", folder as FileTree, "a folder", ["open"]);
  checkText(where, "the folder's name", (folder as FileTree).name);
  return folder as FileTree;
}

/** Throws unless the path stays inside its folder, whatever the file system; returns it. */
export function checkRelative(where: string, path: string): string {
  if (typeof path !== "string" || !path.split("/").every(isPlainName))
    throw new SidError(
      "invalid-argument",
      `${where}: wanted a relative path inside the folder, got ${describe(path)}.`,
    );
  return path;
}

/** Whether a text can name a file of a folder on every system: no separator, drive, control character, `.` or `..`. */
export function isPlainName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\\:\p{Cc}\p{Surrogate}]/u.test(name);
}

function decodeText(where: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw corrupt(where, "not valid UTF-8", cause);
  }
}
