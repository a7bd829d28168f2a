import type { Tensor } from "@tensorflow/tfjs-core";
import { checkInteger, checkObject, describe } from "../core/checks";
import { SidError } from "../core/errors";
import type { RandomStream } from "../core/random";
import { checkStream } from "../core/random";
import type { TextConditioner } from "../models/types";
import { digest } from "./digest";
import { probeStream } from "./probe-stream";

/** Where {@link distill} takes its conditions from. Keeps nothing: all randomness is the stream's. */
export interface ConditionSource {
  /**
   * Names the source in checkpoints, so that a run is not resumed with other conditions. A checkpoint compares the
   * empty condition as well.
   * @defaultValue `""`
   */
  readonly name?: string;
  /** Conditions of `count` samples, `[count, ...]`; the caller owns them. */
  sample(stream: RandomStream, count: number): Tensor;
  /** The empty condition, `[1, ...]`; the caller owns it. Asked once per run. */
  unconditional(): Tensor;
}

/** Options of {@link promptConditions}. */
export interface PromptConditionsOptions {
  /** The captions, drawn uniformly; or a function that draws `count` of them, all randomness from the stream. */
  readonly prompts: readonly string[] | ((stream: RandomStream, count: number) => readonly string[]);
  /** Turns them into tensors. */
  readonly conditioner: TextConditioner;
}

/**
 * Text conditions: prompts drawn from a list (with replacement) or by a function, encoded once per batch.
 * The empty prompt `""` is the unconditional text.
 *
 * @param options - prompts and the text encoder, which the caller keeps.
 * @returns a source for {@link distill}; nothing to dispose.
 * @throws SidError `invalid-argument` for an empty list or for something that is not text.
 *
 * @example
 * ```ts
 * import { promptConditions } from "sid-lsg/train";
 * import { randomStream } from "sid-lsg";
 * import { tensor3d } from "@tensorflow/tfjs-core";
 *
 * const lengths = { encode: (prompts: readonly string[]) => tensor3d(prompts.map((p) => [[p.length]])) };
 * const conditions = promptConditions({ prompts: ["a red seven", "a green four"], conditioner: lengths });
 * console.log(conditions.sample(randomStream(1), 4).shape); // [4, 1, 1]
 * ```
 */
export function promptConditions(options: PromptConditionsOptions): ConditionSource {
  const where = "promptConditions";
  const { prompts, conditioner } = checkObject(where, "options", options);
  if (typeof conditioner?.encode !== "function")
    throw new SidError(
      "invalid-argument",
      `${where}: conditioner must be a text conditioner, got ${describe(conditioner)}.`,
    );
  const drawn = typeof prompts === "function";
  const draw = drawn ? prompts : uniform(where, prompts);
  return {
    // A function is known by what it draws.
    name: `${drawn ? "drawn" : prompts.length} prompts ${digest(JSON.stringify(drawn ? draw(probeStream(), 16) : prompts))}`,
    sample(stream, count) {
      checkStream(where, "stream", stream);
      checkInteger(where, "count", count, 1);
      const drawn = draw(stream, count);
      checkText(where, drawn);
      if (drawn.length !== count)
        throw new SidError("shape-mismatch", `${where}: wanted ${count} prompts, the function drew ${drawn.length}.`);
      return conditioner.encode(drawn);
    },
    unconditional: () => conditioner.encode([""]),
  };
}

function uniform(where: string, prompts: readonly string[]) {
  checkText(where, prompts);
  if (prompts.length === 0) throw new SidError("invalid-argument", `${where}: there are no prompts.`);
  return (stream: RandomStream, count: number) =>
    stream.integers(count, 0, prompts.length).map((i) => prompts[i] as string);
}

function checkText(where: string, prompts: readonly string[]): void {
  if (!Array.isArray(prompts))
    throw new SidError("invalid-argument", `${where}: prompts must be an array of text, got ${describe(prompts)}.`);
  const odd = prompts.findIndex((prompt) => typeof prompt !== "string");
  if (odd >= 0)
    throw new SidError("invalid-argument", `${where}: prompt ${odd} must be text, got ${describe(prompts[odd])}.`);
}
