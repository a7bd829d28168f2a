import { checkArray, checkInteger, checkObject, checkOneOf, describe } from "../../core/checks";
import { SidError } from "../../core/errors";

/** Prompts to token ids, all sequences of one length. */
export type Tokenizer = (prompts: readonly string[]) => number[][];

/** Options of {@link wordTokenizer}. */
export interface WordTokenizerOptions {
  /** Tokens of every sequence, start and end included; from 3 to a million. */
  readonly maxLength: number;
  /**
   * What happens to a word that is not in the vocabulary: an error, or the id of `<unknown>`.
   * @defaultValue `"error"`
   */
  readonly unknown?: "error" | "token" | undefined;
}

/** A {@link Tokenizer} of whole words. */
export interface WordTokenizer {
  /** Prompts to token ids. */
  (prompts: readonly string[]): number[][];
  /** Number of ids, the special ones included: the text encoder's `vocab_size`. */
  readonly vocabularySize: number;
}

/** Ids 0 to 3; the words follow. */
const special = { pad: 0, start: 1, end: 2, unknown: 3 };
const firstWord = Object.keys(special).length;

const where = "wordTokenizer";

/**
 * A tokenizer for a small, closed vocabulary: one id per word, in the order given, after the four
 * special ids `<pad>` 0, `<start>` 1, `<end>` 2, `<unknown>` 3. Capitals and punctuation do not count.
 *
 *     "A red seven!" → <start> a red seven <end> <pad> …
 *
 * @param words - lower-case words of letters and digits, each once. Their order is part of a trained
 *   text encoder: append, never reorder.
 * @param options - length of the sequences, and what to do with other words.
 * @returns a tokenizer, which throws SidError `invalid-argument` naming an unknown word, and
 *   `out-of-range` for a prompt with more words than fit.
 * @throws SidError `invalid-argument` for words that are not lower-case words or come twice.
 *
 * @example
 * ```ts
 * import { wordTokenizer } from "sid-lsg/models";
 *
 * const tokenizer = wordTokenizer(["a", "red", "green", "seven"], { maxLength: 6 });
 * console.log(tokenizer(["A red seven.", ""])); // [[1, 4, 5, 7, 2, 0], [1, 2, 0, 0, 0, 0]]
 * ```
 */
export function wordTokenizer(words: readonly string[], options: WordTokenizerOptions): WordTokenizer {
  const { maxLength, unknown = "error" } = checkObject(where, "options", options, { maxLength: 1, unknown: 1 });
  checkInteger(where, "maxLength", maxLength, 3, 1_000_000);
  checkOneOf(where, "unknown", unknown, ["error", "token"]);
  checkArray(where, "words", words);
  const ids = new Map<string, number>();
  for (const word of words) {
    if (typeof word !== "string" || wordsOf(word)[0] !== word)
      throw new SidError("invalid-argument", `${where}: wanted lower-case words, got ${describe(word)}.`);
    if (ids.has(word)) throw new SidError("invalid-argument", `${where}: the word "${word}" comes twice.`);
    ids.set(word, firstWord + ids.size);
  }
  const idOf = (word: string, prompt: string): number => {
    const id = ids.get(word);
    if (id !== undefined) return id;
    if (unknown === "token") return special.unknown;
    throw new SidError(
      "invalid-argument",
      `${where}: the word "${word}" in the prompt ${describe(prompt)} is not in the vocabulary of ${ids.size} words.`,
    );
  };
  const encode = (prompt: string): number[] => {
    if (typeof prompt !== "string")
      throw new SidError("invalid-argument", `${where}: a prompt must be a string, got ${describe(prompt)}.`);
    const found = wordsOf(prompt);
    if (found.length > maxLength - 2)
      throw new SidError(
        "out-of-range",
        `${where}: the prompt ${describe(prompt)} has ${found.length} words, room is for ${maxLength - 2}.`,
      );
    const tokens = [special.start, ...found.map((word) => idOf(word, prompt)), special.end];
    return [...tokens, ...Array<number>(maxLength - tokens.length).fill(special.pad)];
  };
  const tokenizer = (prompts: readonly string[]): number[][] =>
    Array.from(checkArray(where, "prompts", prompts), encode);
  return Object.assign(tokenizer, { vocabularySize: firstWord + ids.size });
}

/** The words of a text: runs of letters and digits, in lower case. */
function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
