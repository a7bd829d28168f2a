import { describe, isObject } from "../../core/checks";
import { SidError } from "../../core/errors";

type Json = Readonly<Record<string, unknown>>;

/** What a `tokenizer.json` says beyond its settings, all of which are CLIP's. */
export interface TokenizerJson {
  /** The id of each piece. */
  readonly vocab: Json;
  /** A merge per line, `left right`. */
  readonly merges: readonly string[];
  /** The piece that stands for bytes which the vocabulary lacks. */
  readonly unknown: unknown;
  /** The tokens that stand for themselves, as they are in the file. */
  readonly addedTokens: readonly Json[];
}

/** The settings of CLIP's tokenizer; a file in which one of them is missing has the first value. */
const model: Readonly<Record<string, readonly unknown[]>> = {
  type: ["BPE"],
  end_of_word_suffix: ["</w>"],
  continuing_subword_prefix: ["", null, undefined],
  dropout: [null, undefined, 0],
  byte_fallback: [false, undefined],
  ignore_merges: [false, undefined],
};

const contractions = "'s|'t|'re|'ve|'m|'ll|'d";
const words = `${contractions}|\\p{L}+|\\p{N}|[^\\s\\p{L}\\p{N}]+`;

/** What CLIP does to a prompt before it looks for pieces: the steps in order, with the settings that matter. */
const steps: Readonly<Record<string, readonly Readonly<Record<string, readonly unknown[]>>[]>> = {
  normalizer: [{ type: ["NFC"] }, { type: ["Replace"], pattern: ["\\s+"], content: [" "] }, { type: ["Lowercase"] }],
  pre_tokenizer: [
    // Version 4 of transformers leaves the names of the special tokens out.
    {
      type: ["Split"],
      pattern: [words, `<\\|startoftext\\|>|<\\|endoftext\\|>|${words}`],
      behavior: ["Removed"],
      invert: [true],
    },
    { type: ["ByteLevel"], add_prefix_space: [false] },
  ],
};

/**
 * Reads the one file in which transformers 5, and the fast tokenizers of version 4, keep vocabulary and merges.
 *
 * @throws SidError `unsupported` naming the setting of a tokenizer that is not CLIP's; `corrupt-file` for lists of the
 *   wrong kind.
 */
export function readTokenizerJson(where: string, json: Json): TokenizerJson {
  const settings = json["model"];
  if (!isObject(settings)) throw corrupt(where, "model must be an object", settings);
  for (const [key, allowed] of Object.entries(model))
    if (!allowed.includes(settings[key])) throw foreign(where, `model.${key}`, settings[key]);
  for (const [key, wanted] of Object.entries(steps)) {
    const given = stepsOf(json[key]);
    const types = given.map(({ type }) => type ?? "none");
    if (types.join() !== wanted.map(({ type }) => type).join()) throw foreign(where, key, types.join(", "));
    for (const [i, settings] of wanted.entries())
      for (const [name, allowed] of Object.entries(settings)) {
        const value = name === "pattern" ? patternOf(given[i]?.[name]) : given[i]?.[name];
        if (!allowed.includes(value)) throw foreign(where, `${key}'s ${types[i]}.${name}`, value);
      }
  }
  const { vocab, merges } = settings;
  const { added_tokens: added = [] } = json;
  if (!isObject(vocab)) throw corrupt(where, "model.vocab must be an object", vocab);
  if (!Array.isArray(merges)) throw corrupt(where, "model.merges must be a list", merges);
  if (!Array.isArray(added) || !added.every(isObject))
    throw corrupt(where, "added_tokens must be a list of tokens", added);
  return {
    vocab,
    merges: merges.map((merge) => lineOf(where, merge)),
    unknown: settings["unk_token"],
    addedTokens: added,
  };
}

/** A merge as a line: older files hold lines, newer ones pairs. */
function lineOf(where: string, merge: unknown): string {
  if (typeof merge === "string") return merge;
  if (Array.isArray(merge) && merge.length === 2 && merge.every((piece) => typeof piece === "string"))
    return merge.join(" ");
  throw corrupt(where, 'a merge of model.merges must be a pair of pieces or "left right"', merge);
}

/** A step, or the steps of a sequence. */
function stepsOf(step: unknown): Json[] {
  if (!isObject(step)) return [{ type: step }];
  const inner = step["normalizers"] ?? step["pretokenizers"];
  return Array.isArray(inner) ? inner.flatMap(stepsOf) : [step];
}

/** A regular expression, without the brackets around a class of its own. */
function patternOf(pattern: unknown): unknown {
  const regex = isObject(pattern) && pattern["Regex"];
  return typeof regex === "string" ? regex.replace(/\[(\\(?:s|p\{\w\}))\]/g, "$1") : describe(pattern);
}

/**
 * Throws `unsupported` where a tokenizer's configuration, or else its `tokenizer.json`, cuts or pads rows at their
 * beginning, or reads the names of special tokens in prompts as words.
 */
export function checkRows(where: string, config: Json, json: Json): void {
  for (const kind of ["truncation", "padding"]) {
    const section = json[kind];
    const side = config[`${kind}_side`] ?? (isObject(section) ? section["direction"] : undefined) ?? "right";
    if (side !== "right" && side !== "Right")
      throw new SidError("unsupported", `${where}: ${kind}_side ${describe(side)} is not supported; wanted "right".`);
  }
  if (config["split_special_tokens"])
    throw new SidError("unsupported", `${where}: split_special_tokens is not supported.`);
}

function foreign(where: string, key: string, value: unknown): SidError {
  return new SidError(
    "unsupported",
    `${where}: tokenizer.json is not CLIP's: ${key} = ${describe(value)} is not supported.`,
  );
}

function corrupt(where: string, wanted: string, got: unknown): SidError {
  return new SidError("corrupt-file", `${where}: tokenizer.json: ${wanted}, got ${describe(got)}.`);
}
