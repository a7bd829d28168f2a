import type { RandomStream } from "sid-lsg";
import { pick, wordsOf } from "../text-to-image/words";

/** The tints, red, green and blue in `[0, 1]`. */
export const palette = {
  red: [0.93, 0.11, 0.14],
  orange: [1, 0.5, 0.05],
  yellow: [1, 0.87, 0.1],
  green: [0.13, 0.72, 0.2],
  blue: [0.14, 0.4, 1],
  purple: [0.6, 0.2, 0.9],
  pink: [1, 0.42, 0.68],
} as const;
export type Tint = keyof typeof palette;
export const tints = Object.keys(palette) as Tint[];
/** `own`: the colours that an emoji has by itself; the caption names none then. */
export type Colour = "own" | Tint;
export const colours: readonly Colour[] = ["own", ...tints];

export const sizes = ["big", "small"] as const;
export type Size = (typeof sizes)[number];

/** The objects: what captions call each. */
const objectWords = {
  cat: ["cat", "kitty"],
  fox: ["fox", "vixen"],
  panda: ["panda", "panda bear"],
  frog: ["frog", "toad"],
  unicorn: ["unicorn", "magic horse"],
  octopus: ["octopus", "kraken"],
  fish: ["fish", "angelfish"],
  whale: ["whale", "orca"],
  apple: ["apple"],
  mushroom: ["mushroom", "toadstool"],
  flower: ["flower", "blossom"],
  tree: ["tree", "fir tree"],
  cactus: ["cactus"],
  moon: ["moon", "crescent"],
  heart: ["heart", "love heart"],
  star: ["star"],
  crown: ["crown", "tiara"],
  bell: ["bell"],
  car: ["car", "automobile"],
  boat: ["boat", "sailboat"],
  umbrella: ["umbrella", "parasol"],
  smile: ["smile", "happy face"],
  ghost: ["ghost", "spook"],
  robot: ["robot", "droid"],
} as const;
export type EmojiObject = keyof typeof objectWords;
export const objects = Object.keys(objectWords) as EmojiObject[];

const colourWords: Readonly<Record<Tint, readonly string[]>> = {
  red: ["red", "crimson"],
  orange: ["orange", "tangerine"],
  yellow: ["yellow", "golden"],
  green: ["green", "emerald"],
  blue: ["blue", "azure"],
  purple: ["purple", "violet"],
  pink: ["pink", "rosy"],
};
/** A picture is big unless its caption says otherwise. */
const sizeWords: Readonly<Record<Size, readonly string[]>> = {
  big: ["", "", "", "big", "large"],
  small: ["small", "tiny", "little"],
};
const smallShare = 0.3;
const openings = ["", "a", "a", "picture of a"];

/** What training sees together, or never does. */
export type Pair = { readonly object: EmojiObject; readonly colour: Colour };

/** All that a picture shows, but its place. */
export type EmojiScene = Pair & { readonly size: Size };

/** All 192 pairs of an object and a colour. */
export const allPairs: readonly Pair[] = objects.flatMap((object) => colours.map((colour) => ({ object, colour })));

/** One pair per object that no training ever sees: does the text compose? */
export const heldOutPairs: readonly Pair[] = objects.map((object, i) => ({
  object,
  colour: tints[(3 * i + 3) % tints.length] as Tint,
}));

/** The 168 pairs to train on. */
export const trainedPairs: readonly Pair[] = allPairs.filter((pair) => !isHeldOut(pair));

export function isHeldOut({ object, colour }: Pair): boolean {
  return heldOutPairs.some((held) => held.object === object && held.colour === colour);
}

/** `count` pairs at random, with repetitions, each in one of the sizes. */
export function drawScenes(pairs: readonly Pair[], count: number, stream: RandomStream): EmojiScene[] {
  const which = stream.integers(count, 0, pairs.length);
  const size = stream.uniform(count);
  return which.map((i, n) => ({ ...(pairs[i] as Pair), size: (size[n] as number) < smallShare ? "small" : "big" }));
}

/** A caption of the scene in random words: "a blue cat", "picture of a tiny crimson love heart", … */
export function caption({ object, colour, size }: EmojiScene, stream: RandomStream): string {
  const [opening = 0, ...fractions] = stream.uniform(4);
  const choices = [sizeWords[size], colour === "own" ? [""] : colourWords[colour], objectWords[object]];
  const words = choices.map((all, i) => pick(all, fractions[i] as number)).filter((word) => word !== "");
  const before = pick(openings, opening).replace(/a$/, /^[aeiou]/.test(words[0] as string) ? "an" : "a");
  return [before, ...words].join(" ").trim();
}

/** Every word of a caption, in alphabetical order. */
export const captionWords: readonly string[] = [
  ...new Set(
    [objectWords, colourWords, sizeWords]
      .flatMap((words) => Object.values(words).flat())
      .concat(openings, "an")
      .flatMap((words) => words.split(" "))
      .filter((word) => word !== ""),
  ),
].sort();

/** What a text asks for: the first object, colour and size named in it; undefined without an object. */
export function sceneOf(text: string): EmojiScene | undefined {
  const spaced = ` ${wordsOf(text).join(" ")} `;
  const first = <T extends string>(words: Readonly<Record<T, readonly string[]>>): T | undefined => {
    const places = (Object.keys(words) as T[]).flatMap((name) =>
      words[name].map((word) => ({ name, at: word === "" ? -1 : spaced.indexOf(` ${word} `) })),
    );
    return places.filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at)[0]?.name;
  };
  const object = first<EmojiObject>(objectWords);
  return object && { object, colour: first(colourWords) ?? "own", size: first(sizeWords) ?? "big" };
}
