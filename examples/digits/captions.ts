import type { RandomStream } from "sid-lsg";
import { pick, wordsOf } from "../text-to-image/words";

/** The colours, red, green and blue in `[0, 1]`. */
export const palette = {
  red: [1, 0.1, 0.1],
  orange: [1, 0.5, 0],
  yellow: [1, 0.95, 0.1],
  green: [0.1, 0.8, 0.2],
  cyan: [0.1, 0.85, 0.9],
  blue: [0.2, 0.3, 1],
  purple: [0.65, 0.2, 0.9],
  white: [1, 1, 1],
} as const;
export type Colour = keyof typeof palette;
export const colours = Object.keys(palette) as Colour[];

/** The digits. */
export const digits = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] as const;
export type Digit = (typeof digits)[number];

/** What a caption speaks of. */
export type Pair = { readonly digit: Digit; readonly colour: Colour };

const colourWords: Readonly<Record<Colour, readonly string[]>> = {
  red: ["red", "crimson", "scarlet"],
  orange: ["orange", "tangerine"],
  yellow: ["yellow", "lemon"],
  green: ["green", "emerald"],
  cyan: ["cyan", "turquoise"],
  blue: ["blue", "cobalt"],
  purple: ["purple", "violet"],
  white: ["white", "ivory"],
};
const digitWords = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
const templates = [
  "COLOUR DIGIT",
  "a COLOUR DIGIT",
  "a COLOUR digit DIGIT",
  "the digit DIGIT in COLOUR",
  "the number DIGIT in COLOUR",
  "DIGIT in COLOUR",
];

/** All 80 pairs of a digit and a colour. */
export const allPairs: readonly Pair[] = digits.flatMap((digit) => colours.map((colour) => ({ digit, colour })));

/** One pair per digit that no training ever sees: does the text compose? */
export const heldOutPairs: readonly Pair[] = digits.map((digit, i) => ({
  digit,
  colour: colours[(3 * i + 1) % colours.length] as Colour,
}));

/** The 70 pairs to train on. */
export const trainedPairs: readonly Pair[] = allPairs.filter((pair) => !isHeldOut(pair));

export function isHeldOut({ digit, colour }: Pair): boolean {
  return heldOutPairs.some((held) => held.digit === digit && held.colour === colour);
}

/** `count` pairs at random, with repetitions. */
export function drawPairs(pairs: readonly Pair[], count: number, stream: RandomStream): Pair[] {
  return stream.integers(count, 0, pairs.length).map((i) => pairs[i] as Pair);
}

/** A caption of the pair in random words: "a red seven", "the digit 7 in crimson", … */
export function caption(pair: Pair, stream: RandomStream): string {
  const [template = 0, colour = 0, digit = 0] = stream.uniform(3);
  const colourWord = pick(colourWords[pair.colour], colour);
  const digitWord = pick([digitWords[Number(pair.digit)] as string, pair.digit], digit);
  return pick(templates, template)
    .replace("a COLOUR", /^[aeiou]/.test(colourWord) ? "an COLOUR" : "a COLOUR")
    .replace("COLOUR", colourWord)
    .replace("DIGIT", digitWord);
}

/** Every word of a caption, in alphabetical order. */
export const captionWords: readonly string[] = [
  ...new Set([
    ...Object.values(colourWords).flat(),
    ...digitWords.flatMap((word, digit) => [word, String(digit)]),
    ...["a", "an", "the", "digit", "number", "in"],
  ]),
].sort();

/** What a text asks for: the first digit and the first colour named in it; undefined without both. */
export function sceneOf(text: string): Pair | undefined {
  const words = wordsOf(text);
  const [digit] = words.flatMap((word) => digits.find((d) => word === d || word === digitWords[Number(d)]) ?? []);
  const [colour] = words.flatMap((word) => colours.find((name) => colourWords[name].includes(word)) ?? []);
  return digit && colour && { digit, colour };
}
