import { byLikeness } from "../common/nearest";

/** The words of a text: runs of letters and digits, in lower case, as the tokenizer takes them. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** The item at a fraction in `[0, 1)` of a list. */
export function pick<T>(items: readonly T[], fraction: number): T {
  return items[Math.floor(fraction * items.length)] as T;
}

/** The words of a prompt. Refuses those that the text encoder never learned, and names those that it knows, the likest first. */
export function knownWords(prompt: string, known: readonly string[]): string[] {
  const words = wordsOf(prompt);
  if (words.length === 0) throw new Error(`The prompt is empty. It may be made of: ${[...known].join(" ")}.`);
  const unknown = [...new Set(words.filter((word) => !known.includes(word)))];
  const [first] = unknown;
  if (first === undefined) return words;
  const named = unknown.map((word) => `"${word}"`).join(", ");
  throw new Error(
    `The generator does not know ${named}. It knows, the likest first: ${byLikeness(first, known).join(" ")}.`,
  );
}
