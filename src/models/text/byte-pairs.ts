import { checkInteger, describe } from "../../core/checks";
import { SidError } from "../../core/errors";

/** Marks the last character of a word. */
const wordEnd = "</w>";

/** Above this many, or of words longer than this, nothing is remembered. */
const cacheLimits = { words: 50_000, length: 100 };

/**
 * Byte pair encoding as CLIP has it: a word is its UTF-8 bytes, one piece each, the last one marked; of
 * all adjacent pairs that have a merge, the pair of the earliest one is joined, until none is left.
 *
 * Source: Sennrich et al., arXiv:1508.07909; the alphabet of bytes is that of Radford et al., "Language
 * Models are Unsupervised Multitask Learners", 2019.
 *
 * @param vocab - id of each piece; all products are there.
 * @param merges - lines `left right`, the earliest first.
 * @param unknown - the id that stands for a byte which `vocab` lacks; without one all must be there.
 * @returns the ids of a word that is not empty; lone surrogates are encoded as U+FFFD.
 * @throws SidError `corrupt-file` naming the piece or the merge that does not fit.
 */
export function bytePairs(
  where: string,
  vocab: ReadonlyMap<string, number>,
  merges: readonly string[],
  unknown?: number,
): (word: string) => readonly number[] {
  const missing = [...alphabet, ...alphabet.map((c) => c + wordEnd)].find((piece) => !vocab.has(piece));
  if (missing !== undefined && unknown === undefined)
    throw new SidError("corrupt-file", `${where}: vocab must hold all 512 bytes, ${describe(missing)} is missing.`);
  const [inside, last] = ["", wordEnd].map((end) => alphabet.map((c) => vocab.get(c + end) ?? unknown)) as [
    number[],
    number[],
  ];
  const { ranks, products, keyOf } = readMerges(where, vocab, merges, new Set([...inside, ...last]));

  const encode = (word: string): number[] => {
    const bytes = utf8.encode(word);
    let pieces = Array.from(bytes, (byte, i) => (i < bytes.length - 1 ? inside : last)[byte] as number);
    for (;;) {
      let rank = Number.POSITIVE_INFINITY;
      for (let i = 1; i < pieces.length; i++)
        rank = Math.min(rank, ranks.get(keyOf(pieces[i - 1] as number, pieces[i] as number)) ?? rank);
      if (rank === Number.POSITIVE_INFINITY) return pieces;
      const joined: number[] = [];
      for (let i = 0; i < pieces.length; i++) {
        const [left, right] = [pieces[i] as number, pieces[i + 1]];
        const joins = right !== undefined && ranks.get(keyOf(left, right)) === rank;
        joined.push(joins ? (products[rank] as number) : left);
        if (joins) i++;
      }
      pieces = joined;
    }
  };

  const cache = new Map<string, readonly number[]>();
  return (word) => {
    const known = cache.get(word);
    if (known) return known;
    const ids = encode(word);
    if (cache.size >= cacheLimits.words) cache.clear();
    if (word.length <= cacheLimits.length) cache.set(word, ids);
    return ids;
  };
}

const utf8 = new TextEncoder();

/** GPT-2's character of each byte: itself where it prints, otherwise the next one from U+0100 on. */
const alphabet: readonly string[] = (() => {
  let hidden = 0x100;
  const prints = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(prints(byte) ? byte : hidden++));
})();

/**
 * The rank of each pair of ids and the id that it becomes. Merges come in the order in which they were
 * learned, so the pieces of one are bytes or products of earlier ones.
 */
function readMerges(
  where: string,
  vocab: ReadonlyMap<string, number>,
  merges: readonly string[],
  bytes: ReadonlySet<number>,
) {
  const ranks = new Map<number, number>();
  const products: number[] = [];
  const made = new Set(bytes);
  const keyOf = (left: number, right: number) => left * 2 ** 26 + right;
  for (const [rank, line] of merges.entries()) {
    const fail = (problem: string) =>
      new SidError("corrupt-file", `${where}: merge ${rank + 1} of ${merges.length}, ${describe(line)}: ${problem}.`);
    const parts = line.split(" ");
    if (parts.length !== 2) throw fail("wanted two pieces with a space between");
    const [left, right] = parts.map((part) => vocab.get(part)) as [number | undefined, number | undefined];
    if (left === undefined || right === undefined || !made.has(left) || !made.has(right))
      throw fail("its pieces must be bytes or products of earlier merges");
    const product = vocab.get(parts.join(""));
    if (product === undefined) throw fail("vocab lacks its product");
    if (made.has(product)) throw fail("an earlier merge has its product");
    made.add(product);
    ranks.set(keyOf(left, right), rank);
    products.push(product);
  }
  return { ranks, products, keyOf };
}

/** The ids of a vocabulary; throws unless they are distinct indices. */
export function readVocabulary(where: string, vocab: Readonly<Record<string, unknown>>): Map<string, number> {
  const ids = new Map<string, number>();
  const pieces = new Map<number, string>();
  for (const [piece, value] of Object.entries(vocab)) {
    const id = checkInteger(where, `vocab[${describe(piece)}]`, value as number, 0, 2 ** 26 - 1);
    const twin = pieces.get(id);
    if (twin !== undefined)
      throw new SidError(
        "corrupt-file",
        `${where}: vocab gives ${describe(twin)} and ${describe(piece)} one id, ${id}.`,
      );
    ids.set(piece, id);
    pieces.set(id, piece);
  }
  return ids;
}
