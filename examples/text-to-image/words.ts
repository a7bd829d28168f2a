import { byLikeness } from "../common/nearest";

/** The words of a prompt. Refuses those that the text encoder never learned, and names those that it knows, the likest first. */
export function knownWords(prompt: string, known: readonly string[]): string[] {
  const words = prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  if (words.length === 0) throw new Error(`The prompt is empty. It may be made of: ${[...known].join(" ")}.`);
  const unknown = [...new Set(words.filter((word) => !known.includes(word)))];
  const [first] = unknown;
  if (first === undefined) return words;
  const named = unknown.map((word) => `"${word}"`).join(", ");
  throw new Error(
    `The generator does not know ${named}. It knows, the likest first: ${byLikeness(first, known).join(" ")}.`,
  );
}
