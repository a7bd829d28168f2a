import { createHash } from "node:crypto";
import type { PromptSource } from "sid-lsg/train";
import { firstSeeds, type Seeds } from "./seeds";

/** Which pictures to draw, each when it is asked for. */
export interface Pictures {
  readonly count: number;
  /** Pictures of one prompt. */
  readonly perPrompt: number;
  at(i: number): PictureOrder;
}

export interface PictureOrder {
  readonly prompt: string;
  readonly seed: number;
  /** The file's name, of no other picture of the same prompts. */
  readonly name: string;
}

/** Prompts, maybe the first `of` more. */
export interface FirstPrompts extends PromptSource {
  readonly of?: number;
}

/** More in one go is a slip. */
const most = 1e7;

/** Every prompt with every seed, or a seed of its own for each prompt; throws where their numbers do not fit. */
export function planPictures(
  prompts: FirstPrompts,
  { seeds: asked, seedPerPrompt }: { readonly seeds: Seeds | undefined; readonly seedPerPrompt: boolean },
): Pictures {
  const seeds = asked ?? firstSeeds(seedPerPrompt ? prompts.length : 1);
  if (seedPerPrompt && seeds.count !== prompts.length)
    throw new Error(
      `--seed-per-prompt takes as many seeds as prompts, got ${seeds.count} seeds and ${prompts.length} prompts` +
        (seeds.count < prompts.length ? `; --first ${seeds.count} takes so many of the prompts.` : "."),
    );
  if (!seedPerPrompt && seeds.twice !== undefined)
    throw new Error(
      `--seeds names ${seeds.twice} twice, which would be the same picture twice; only --seed-per-prompt takes that.`,
    );
  const perPrompt = seedPerPrompt ? 1 : seeds.count;
  const count = prompts.length * perPrompt;
  if (count > most)
    throw new Error(
      `${prompts.length} prompts with ${perPrompt} seeds each are ${count} pictures; at most ${most} go at once.`,
    );
  const digits = Math.max(4, String(prompts.of ?? prompts.length).length);
  return {
    count,
    perPrompt,
    at(i) {
      const index = Math.floor(i / perPrompt);
      const prompt = prompts.get(index);
      const seed = seeds.at(seedPerPrompt ? index : i % perPrompt);
      return { prompt, seed, name: `${String(index + 1).padStart(digits, "0")}-seed${seed}-${slug(prompt)}.png` };
    },
  };
}

/** The prompts of the command line as a source. */
export function listedPrompts(prompts: readonly string[]): PromptSource {
  return {
    length: prompts.length,
    get: (i) => prompts[i] as string,
    fingerprint: createHash("sha256").update(JSON.stringify(prompts)).digest("hex").slice(0, 16),
  };
}

/** The first prompts of a source. */
export function firstPrompts(prompts: PromptSource, count: number | undefined): FirstPrompts {
  if (count === undefined) return prompts;
  if (count > prompts.length) throw new Error(`--first: there are ${prompts.length} prompts, got ${count}.`);
  return { length: count, of: prompts.length, get: prompts.get, fingerprint: prompts.fingerprint };
}

/** A prompt's beginning as part of a file's name, of at most 60 letters and 90 bytes. */
export function slug(prompt: string): string {
  const words =
    prompt
      .slice(0, 200)
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  let text = "";
  for (const letter of [...words.join("-")].slice(0, 60)) {
    if (Buffer.byteLength(text + letter) > 90) break;
    text += letter;
  }
  return text || "empty";
}
