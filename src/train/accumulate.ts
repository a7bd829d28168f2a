import {
  add,
  dispose,
  keep,
  mul,
  reshape,
  type Scalar,
  scalar,
  stack,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  tensor1d,
  tidy,
} from "@tensorflow/tfjs-core";
import { describe } from "../core/checks";
import { SidError } from "../core/errors";
import type { TrainBatch } from "./batch";
import { breathe } from "./breathe";

/** What the two gradient functions have in common. */
interface Round {
  readonly loss: Scalar;
  readonly gradients: Tensor[];
  readonly valid: Tensor1D;
  readonly deltaSquared?: Scalar | undefined;
  readonly gauge?: Tensor | undefined;
}

/** What the rounds of a step gave. */
export interface Accumulated {
  /** `[loss, ‖δ‖², dropped samples]`, then the gradients: means over the batches, of the dropped samples the sum. */
  readonly means: Tensor[];
  /** What each batch tells the gauge. */
  readonly gauges: Tensor[];
}

/** Runs each batch when it is its turn, and adds up. */
export async function accumulate(
  where: string,
  batches: Iterable<TrainBatch>,
  run: (batch: TrainBatch) => Round,
): Promise<Accumulated> {
  const gauges: Tensor[] = [];
  if (typeof batches?.[Symbol.iterator] !== "function")
    throw new SidError("invalid-argument", `${where}: batches must be a list of them, got ${describe(batches)}.`);
  let sums: Tensor[] = [];
  let count = 0;
  let size: number | undefined;
  try {
    for (const batch of batches) {
      const before = sums;
      sums = tidy(() => {
        const { loss, deltaSquared = scalar(0), valid, gradients, gauge } = run(batch);
        size ??= valid.size;
        if (valid.size !== size)
          throw new SidError(
            "shape-mismatch",
            `${where}: all batches must have one size, the first has ${size} samples, another ${valid.size}.`,
          );
        if (gauge) gauges.push(keep(reshape(gauge, [-1])));
        const round = [stack([loss, deltaSquared, sub(valid.size, sum(valid))]), ...gradients];
        return count === 0 ? round : round.map((x, i) => add(x, before[i] as Tensor));
      });
      dispose(before);
      count++;
      await breathe();
    }
    if (count === 0) throw new SidError("invalid-argument", `${where}: wanted at least one batch, got none.`);
    if (count === 1) return { means: sums, gauges };
    const perRound = tensor1d([1 / count, 1 / count, 1]);
    const means = tidy(() => sums.map((x, i) => mul(x, i === 0 ? perRound : 1 / count)));
    dispose([perRound, ...sums]);
    return { means, gauges };
  } catch (error) {
    dispose([...sums, ...gauges]);
    throw error;
  }
}
