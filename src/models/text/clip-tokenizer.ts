import {
  checkArray,
  checkFunction,
  checkInteger,
  checkObject,
  describe,
  isObject,
  type KeysOf,
} from "../../core/checks";
import { SidError } from "../../core/errors";
import { bytePairs, readVocabulary } from "./byte-pairs";
import {
  addedTokens,
  readSpecialTokens,
  type SpecialToken,
  specialTokenSplitter,
  tokensBeyond,
} from "./special-tokens";
import { checkRows, readTokenizerJson } from "./tokenizer-json";

/** The files of a tokenizer folder, as texts or parsed: `vocab` and `merges`, or `tokenizerJson`. */
export interface ClipTokenizerFiles {
  /**
   * `vocab.json`: the id of each piece.
   * @defaultValue that of `tokenizerJson`
   */
  readonly vocab?: string | Readonly<Record<string, unknown>> | undefined;
  /**
   * The text of `merges.txt`: a line `#version: …`, then a merge per line.
   * @defaultValue those of `tokenizerJson`
   */
  readonly merges?: string | undefined;
  /**
   * `tokenizer.json`: vocabulary, merges and added tokens in one; all that transformers 5 writes beside the configuration.
   * @defaultValue none
   */
  readonly tokenizerJson?: string | Readonly<Record<string, unknown>> | undefined;
  /**
   * `added_tokens.json`: the ids of words that were added to the vocabulary, as by a textual inversion.
   * @defaultValue those of `tokenizerJson` and of `tokenizerConfig`
   */
  readonly addedTokens?: string | Readonly<Record<string, unknown>> | undefined;
  /**
   * `tokenizer_config.json`: `model_max_length` and the special tokens.
   * @defaultValue `<|startoftext|>` before and `<|endoftext|>` after the tokens and as padding
   */
  readonly tokenizerConfig?: string | Readonly<Record<string, unknown>> | undefined;
  /**
   * `special_tokens_map.json`, which overrides the tokens of `tokenizerConfig`: Stable Diffusion 2.1 pads with `!`,
   * and says so only here.
   * @defaultValue the tokens of `tokenizerConfig`
   */
  readonly specialTokensMap?: string | Readonly<Record<string, unknown>> | undefined;
}

/** Options of {@link clipTokenizer}. */
export interface ClipTokenizerOptions {
  /**
   * The positions of the text encoder, its `max_position_embeddings`. They decide where the files give no length, or one
   * of transformers' values for none, such as 1e30.
   * @defaultValue `77`
   */
  readonly maxLength?: number | undefined;
  /**
   * Is told once of each prompt that is cut, with its beginning and both lengths.
   * @defaultValue `console.warn`
   */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/** A {@link Tokenizer} of CLIP's text encoders. */
export interface ClipTokenizer {
  /** Prompts to token ids: start, text, end, padding. */
  (prompts: readonly string[]): number[][];
  /** One more than the highest id: the least `vocab_size` of a text encoder. */
  readonly vocabularySize: number;
  /** Tokens of every sequence, start and end included. */
  readonly maxLength: number;
}

const where = "clipTokenizer";

const known: KeysOf<ClipTokenizerFiles> = {
  ...{ vocab: 1, merges: 1, tokenizerJson: 1, addedTokens: 1, tokenizerConfig: 1, specialTokensMap: 1 },
};

/** Longer sequences mean that there is no limit. */
const longest = 1_000_000;

/** Of more cut prompts than this, the first are warned of again. */
const maxRemembered = 10_000;

/** Words, single digits, runs of other signs; white space is Unicode's, not JavaScript's `\s`. */
const wordPattern =
  /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;

/**
 * The tokenizer of Stable Diffusion's text encoder: what transformers 5 makes of a folder `tokenizer/` by
 * `CLIPTokenizer.from_pretrained`, called with `padding="max_length", truncation=True`.
 *
 *     prompt → NFC, white space to one blank each run, lower case → words → bytes → pieces → <start> ids <end> <pad> …
 *
 * A prompt that is too long is cut, so that `<end>` is the last token, and `onWarning` is told.
 *
 * This is transformers' fast tokenizer, the only one since version 5. The official run of SiD-LSG took the slow one of
 * version 4 with the Python package `ftfy`, which first repairs a text: HTML entities become characters (`&amp;` → `&`),
 * curly quotes straight ones, and control characters go. Here `&amp;` stays three words, `&`, `amp`, `;`: unescape
 * first where that matters. For ASCII that prints and has neither `&` nor `<|` both give the same ids. (The slow one
 * without `ftfy` leaves entities alone, but makes each Chinese character a word.) Characters that are newer than the
 * engine's Unicode count as signs, not letters.
 *
 * The special tokens of the configuration files, and words that were added to the vocabulary, are found inside prompts as
 * well. So with Stable Diffusion 2.1's files each `!` of a prompt is the id 0 of the padding, not the 256 of the word `!`.
 *
 * Source: transformers 5.24 models/clip/tokenization_clip.py, CLIPTokenizer; Radford et al., arXiv:2103.00020.
 *
 * @param files - the folder's files; nothing else is read.
 * @param options - who is warned.
 * @returns a tokenizer, which throws SidError `invalid-argument` for what is no list of strings.
 * @throws SidError `corrupt-file` for a text that is no JSON, a vocabulary without one of the 512 bytes or a
 *   special token or with an id twice, a merge whose pieces or product are unknown; `invalid-argument`,
 *   `out-of-range` or `not-finite` for values of the wrong kind; `unsupported` for special tokens with `lstrip`,
 *   `rstrip` or `single_word`, for `padding_side` and `truncation_side` other than `right`, and for a `tokenizer.json`
 *   that is not CLIP's.
 *
 * @example
 * ```ts no-run
 * import { readFileSync } from "node:fs";
 * import { clipTokenizer } from "sid-lsg/models";
 *
 * const read = (name: string) => readFileSync(`stable-diffusion-v1-5/tokenizer/${name}`, "utf8");
 * const tokenizer = clipTokenizer({
 *   vocab: read("vocab.json"),
 *   merges: read("merges.txt"),
 *   tokenizerConfig: read("tokenizer_config.json"),
 *   specialTokensMap: read("special_tokens_map.json"),
 * });
 * const [ids = []] = tokenizer(["a photo of a cat"]);
 * console.log(ids.length, ids.slice(0, 8)); // 77 [49406, 320, 1125, 539, 320, 2368, 49407, 49407]
 * ```
 */
export function clipTokenizer(files: ClipTokenizerFiles, options: ClipTokenizerOptions = {}): ClipTokenizer {
  const { vocab, merges, tokenizerJson, addedTokens: names = {} } = checkObject(where, "files", files, known);
  const { tokenizerConfig = {}, specialTokensMap = {} } = files;
  const { onWarning = console.warn, maxLength: positions = 77 } = checkObject(where, "options", options, {
    onWarning: 1,
    maxLength: 1,
  });
  checkFunction(where, "onWarning", onWarning);
  checkInteger(where, "maxLength", positions, 2, longest);
  if (typeof merges !== "string" && !(merges === undefined && tokenizerJson !== undefined))
    throw new SidError(
      "invalid-argument",
      `${where}: merges must be the text of merges.txt, or tokenizerJson be there, got ${describe(merges)}.`,
    );
  const json = tokenizerJson === undefined ? undefined : parse("tokenizerJson", tokenizerJson);
  const whole = json && readTokenizerJson(where, json);
  const ids = readVocabulary(where, parse("vocab", vocab ?? whole?.vocab));
  const lines = merges === undefined ? (whole?.merges ?? []) : mergeLines(merges);
  const encodeWord = bytePairs(where, ids, lines, ids.get(whole?.unknown as string));
  const config = parse("tokenizerConfig", tokenizerConfig);
  checkRows(where, config, json ?? {});
  const table = addedTokens(whole?.addedTokens ?? [], config, parse("addedTokens", names));
  const special = readSpecialTokens(where, config, parse("specialTokensMap", specialTokensMap), table);
  const beyond = tokensBeyond(where, ids, table);
  for (const { content, id } of beyond) ids.set(content, id);
  const maxLength = lengthOf(config["model_max_length"], positions);
  const idOf = ({ content }: SpecialToken): number => {
    const id = ids.get(content);
    if (id === undefined)
      throw new SidError("corrupt-file", `${where}: the special token ${describe(content)} is not in vocab.`);
    return id;
  };
  const split = specialTokenSplitter([...beyond, ...Object.values(special)], idOf, normalize);
  const [start, end, pad] = [idOf(special.bos_token), idOf(special.eos_token), idOf(special.pad_token)];
  const warn = warnOnce(maxLength, onWarning);

  const encode = (prompt: unknown): number[] => {
    if (typeof prompt !== "string")
      throw new SidError("invalid-argument", `${where}: a prompt must be a string, got ${describe(prompt)}.`);
    const tokens = split(prompt).flatMap((part) =>
      typeof part === "number" ? part : wordsOf(part).flatMap((word) => encodeWord(word)),
    );
    if (tokens.length > maxLength - 2) warn(prompt, tokens.length + 2);
    const row = [start, ...tokens.slice(0, maxLength - 2), end];
    return [...row, ...Array<number>(maxLength - row.length).fill(pad)];
  };
  const tokenizer = (prompts: readonly string[]): number[][] =>
    Array.from(checkArray(where, "prompts", prompts), encode);
  const vocabularySize = [...ids.values()].reduce((most, id) => Math.max(most, id), 0) + 1;
  return Object.assign(tokenizer, { vocabularySize, maxLength });
}

/** The files of a tokenizer folder by their names there, as {@link clipTokenizer} takes them. */
export function tokenizerFiles(
  texts: Readonly<Record<string, string>>,
  tokenizerConfig: Readonly<Record<string, unknown>>,
): ClipTokenizerFiles {
  return {
    vocab: texts["vocab.json"],
    merges: texts["merges.txt"],
    tokenizerJson: texts["tokenizer.json"],
    addedTokens: texts["added_tokens.json"],
    specialTokensMap: texts["special_tokens_map.json"],
    tokenizerConfig,
  };
}

/** Tokens of a sequence: what the files say, else the positions that the text encoder has. */
function lengthOf(given: unknown, positions: number): number {
  if (given === undefined || given === null) return positions;
  if (typeof given === "number" && given > longest) return positions;
  return checkInteger(where, "model_max_length", given as number, 2);
}

/** Canonical composition, one blank for each run of white space, lower case; a final sigma is an ordinary one. */
function normalize(text: string): string {
  return text
    .normalize("NFC")
    .replace(/\p{White_Space}+/gu, " ")
    .replaceAll("Σ", "σ")
    .toLowerCase();
}

/** The words of a normalised text. The name of a special token that is none here falls into three. */
function wordsOf(text: string): string[] {
  const words = text.match(wordPattern) ?? [];
  return words.flatMap((word) => (/^<\|[a-z]+\|>$/.test(word) ? ["<|", word.slice(2, -2), "|>"] : word));
}

/** Warns of each prompt once, as far as they can be remembered. */
function warnOnce(maxLength: number, onWarning: (warning: string) => void): (prompt: string, length: number) => void {
  const known = new Set<string>();
  return (prompt, length) => {
    if (known.has(prompt)) return;
    if (known.size >= maxRemembered) known.clear();
    known.add(prompt);
    onWarning(`${where}: the prompt ${describe(prompt)} has ${length} tokens and is cut to ${maxLength}.`);
  };
}

function mergeLines(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines[0]?.startsWith("#version")) lines.shift();
  while (lines.at(-1) === "") lines.pop();
  return lines;
}

function parse(name: string, json: unknown): Readonly<Record<string, unknown>> {
  let value: unknown = json;
  if (typeof json === "string")
    try {
      value = JSON.parse(json);
    } catch (cause) {
      throw new SidError("corrupt-file", `${where}: ${name} is no JSON: ${(cause as Error).message}`, { cause });
    }
  if (!isObject(value))
    throw new SidError("invalid-argument", `${where}: ${name} must be an object or its JSON, got ${describe(value)}.`);
  return value;
}
