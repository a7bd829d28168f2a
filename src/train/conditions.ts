import type { Tensor } from "@tensorflow/tfjs-core";
import { checkInteger, checkMethods, checkObject, checkText, describe } from "../core/checks";
import { SidError } from "../core/errors";
import { checkRows, checkStream, type RandomStream, type RowRange } from "../core/random";
import type { TextConditioner } from "../models/types";
import { digest, digestParts } from "./digest";
import { probeStream } from "./probe-stream";

/** Where {@link distill} takes its conditions from. Keeps nothing: all randomness is the stream's. */
export interface ConditionSource {
  /**
   * Names the source in checkpoints, so that a run is not resumed with other conditions. A checkpoint compares the
   * empty condition as well.
   * @defaultValue `""`
   */
  readonly name?: string | undefined;
  /** Conditions of `count` samples, `[count, ...]`; the caller owns them. */
  sample(stream: RandomStream, count: number): Tensor;
  /**
   * Some rows of what `sample` would give, for one rank's share of a batch; must draw the same of the stream as `sample`.
   * Without it each rank asks for all and takes its rows.
   */
  sampleRows?(stream: RandomStream, count: number, rows: RowRange): Tensor;
  /** The empty condition, `[1, ...]`; the caller owns it. Asked once per run. */
  unconditional(): Tensor;
}

/** Captions that are read when they are drawn: a file or a table of millions, of which memory holds the places. */
export interface PromptSource {
  /** How many there are. */
  readonly length: number;
  /** Caption `index` in `[0, length)`, the same each time. */
  get(index: number): string;
  /** Names the content in checkpoints, such as by a file's hash: captions that changed must have another one. */
  readonly fingerprint: string;
}

/** Options of {@link promptConditions}. */
export interface PromptConditionsOptions {
  /**
   * The captions, drawn uniformly: a list, or a source that reads each when it is drawn, which draws the same as the
   * list of its captions; or a function that draws `count` of them, all randomness from the stream.
   */
  readonly prompts: readonly string[] | PromptSource | ((stream: RandomStream, count: number) => readonly string[]);
  /** Turns them into tensors. */
  readonly conditioner: TextConditioner;
}

/**
 * Text conditions: prompts drawn from a list or a source (with replacement) or by a function, encoded once per batch.
 * The empty prompt `""` is the unconditional text.
 *
 * @param options - prompts and the text encoder, which the caller keeps.
 * @returns a source for {@link distill}; nothing to dispose.
 * @throws SidError `invalid-argument` for an empty list or source, or for something that is not text.
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
  const { prompts, conditioner } = checkObject(where, "options", options, { prompts: 1, conditioner: 1 });
  if (typeof conditioner?.encode !== "function")
    throw new SidError(
      "invalid-argument",
      `${where}: conditioner must be a text conditioner, got ${describe(conditioner)}.`,
    );
  const { name, draw } = drawing(where, prompts);
  const sampleRows = (stream: RandomStream, count: number, rows: RowRange): Tensor => {
    checkStream(where, "stream", stream);
    checkInteger(where, "count", count, 1);
    const drawn = draw(stream, count, checkRows(where, rows, count));
    checkTexts(where, drawn);
    return conditioner.encode(drawn);
  };
  return {
    name,
    sample: (stream, count) => sampleRows(stream, count, { from: 0, to: count }),
    sampleRows,
    unconditional: () => conditioner.encode([""]),
  };
}

/** How captions are drawn, and what names them. */
function drawing(where: string, prompts: PromptConditionsOptions["prompts"]) {
  if (typeof prompts === "function")
    return {
      // A function is known by what it draws.
      name: `drawn prompts ${digest(JSON.stringify(prompts(probeStream(), 16)))}`,
      draw(stream: RandomStream, count: number, { from, to }: RowRange) {
        const drawn = prompts(stream, count);
        checkTexts(where, drawn);
        if (drawn.length !== count)
          throw new SidError("shape-mismatch", `${where}: wanted ${count} prompts, the function drew ${drawn.length}.`);
        return drawn.slice(from, to);
      },
    };
  if (prompts?.length === 0) throw new SidError("invalid-argument", `${where}: there are no prompts.`);
  const source = Array.isArray(prompts) ? listSource(where, prompts) : checkSource(where, prompts as PromptSource);
  return {
    name: `${source.length} prompts ${source.fingerprint}`,
    draw: (stream: RandomStream, count: number, { from, to }: RowRange) =>
      stream
        .integers(count, 0, source.length)
        .slice(from, to)
        .map((index) => source.get(index)),
  };
}

function listSource(where: string, prompts: readonly string[]): PromptSource {
  checkTexts(where, prompts);
  return {
    length: prompts.length,
    get: (index) => prompts[index] as string,
    fingerprint: digestParts(jsonParts(prompts)),
  };
}

/** The list's JSON in pieces: of millions of prompts it is longer than a string may be. */
function* jsonParts(prompts: readonly string[]): Generator<string> {
  for (const [i, prompt] of prompts.entries()) yield `${i === 0 ? "[" : ","}${JSON.stringify(prompt)}`;
  yield "]";
}

function checkSource(where: string, source: PromptSource): PromptSource {
  checkMethods(where, "prompts", source, "an array of text, a prompt source or a function", ["get"]);
  checkInteger(where, "prompts.length", source.length, 1);
  checkText(where, "prompts.fingerprint", source.fingerprint);
  return source;
}

function checkTexts(where: string, prompts: readonly string[]): void {
  if (!Array.isArray(prompts))
    throw new SidError("invalid-argument", `${where}: prompts must be an array of text, got ${describe(prompts)}.`);
  const odd = prompts.findIndex((prompt) => typeof prompt !== "string");
  if (odd >= 0)
    throw new SidError("invalid-argument", `${where}: prompt ${odd} must be text, got ${describe(prompts[odd])}.`);
}
