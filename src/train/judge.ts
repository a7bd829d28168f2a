import { add, mul, type Scalar, sum, type Tensor, type Tensor1D } from "@tensorflow/tfjs-core";
import { checkObject, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import { checkSameShape, checkTensor } from "../core/tensor-checks";
import { finiteSamples } from "../losses/nan-policy";
import { onlyValid } from "../losses/reduce";
import type { Circumstances, GeneratorUpdate } from "../methods/types";
import type { Pass } from "./ask";
import { inputsOf, type Placed, type TrainBatch } from "./batch";
import { type Compared, gaugeFigures } from "./gauge/samples";
import type { Checked } from "./objective";
import { summed } from "./ranks/sums";

/** A checked batch, and the passes through networks that it takes. */
export interface Step {
  readonly objective: Checked;
  readonly update: GeneratorUpdate;
  readonly batch: TrainBatch;
  /** The batch as the networks see it. */
  readonly given: TrainBatch;
  readonly placed: Placed;
  readonly passes: readonly Pass[];
  /** What the gauge compares, if the method asks it. */
  readonly compared: Compared | undefined;
}

/**
 * Which samples count, with all that is made of them finite, the method's gradient there (`∂L/∂x_g` as `generated`, then
 * one by each answer's name), and what they tell the gauge. `outputs` are the answers and the parts at κ = 1.
 */
export function judge(step: Step, generated: Tensor, outputs: Readonly<Record<string, Tensor>>) {
  const { objective, update, batch, placed, compared } = step;
  const answers = answersIn(step, outputs);
  const valid = finiteSamples(...inputsOf(batch), generated, ...Object.values(answers));
  const circumstances: Circumstances = {
    level: placed.level,
    t: batch.t,
    moment: placed.moment,
    valid,
    cond: batch.cond,
    sumOverRanks: summed(objective),
  };
  const from = `${objective.method.name}.cotangents`;
  const returned = checkObject(from, "what it returned", update.cotangents({ generated, ...answers }, circumstances));
  const { loss, ...cotangents } = returned;
  const tensors: Readonly<Record<string, Tensor>> = { generated, ...answers };
  const given: Record<string, Tensor> = {};
  for (const [name, cotangent] of Object.entries(cotangents)) {
    if (cotangent === undefined) continue;
    checkTensor(from, name, cotangent);
    if (name !== "generated" && !update.asks[name]?.gradient)
      throw new SidError(
        "invalid-argument",
        `${from}: returned a gradient for ${JSON.stringify(name)}, which is no question with gradient: true.`,
      );
    checkSameShape(from, { [name]: tensors[name] as Tensor, "its gradient": cotangent });
    given[name] = cotangent;
  }
  checkTensor(from, "loss", loss);
  if (loss.rank !== 0)
    throw new SidError(
      "shape-mismatch",
      `${from}: loss must be a scalar, a mean over the batch, got ${showShape(loss)}.`,
    );
  const level = compared?.at === "other" ? (placed.other ?? placed.level) : placed.level;
  const gauge = compared && gaugeFigures(compared, outputs, { generated, level, valid });
  if (Object.keys(given).length === 0) return { valid, loss, gauge, cotangents: given };
  // What a method makes of finite answers need not be finite: a weight of one's own, a ratio of densities.
  const counted = mul(valid, finiteSamples(...Object.values(given))) as Tensor1D;
  const kept = Object.entries(given).map(([name, cotangent]) => [name, onlyValid(cotangent, counted)]);
  return { valid: counted, loss, gauge, cotangents: Object.fromEntries(kept) as Record<string, Tensor> };
}

/** The answers to the method's questions among what the passes return. */
export function answersIn({ update }: Step, outputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(outputs).filter(([name]) => name in update.asks));
}

/** Σ of each output by its cotangent: its gradient is the pass's pullback. */
export function weighted(outputs: readonly Tensor[], cotangents: readonly (Tensor | undefined)[]): Scalar {
  const terms = outputs.flatMap((x, i) => {
    const cotangent = cotangents[i];
    return cotangent ? [sum(mul(x, cotangent))] : [];
  });
  return (terms.length === 0 ? mul(sum(outputs[0] as Tensor), 0) : terms.reduce((a, b) => add(a, b))) as Scalar;
}

/** Tensors by their names. */
export function named(names: readonly string[], tensors: readonly Tensor[]): Record<string, Tensor> {
  return Object.fromEntries(names.map((name, i) => [name, tensors[i] as Tensor]));
}

/** `x` times a factor. */
export const scaled = <T extends Tensor>(x: T, factor: number): T => (factor === 1 ? x : (mul(x, factor) as T));
