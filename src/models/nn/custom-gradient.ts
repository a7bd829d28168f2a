import { customGrad, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** What a hand-written operation gives: its value, what the backward pass needs, and that pass. */
export interface Operation<T extends Tensor> {
  readonly value: T;
  /** Kept until the backward pass; nothing when no tape records. */
  readonly saved: readonly Tensor[];
  /** `∂L/∂value` and the saved tensors to one gradient per input, of the input's shape. */
  readonly backward: (dy: T, saved: Tensor[]) => Tensor[];
}

/**
 * Runs an operation with a closed-form gradient. Everything differentiable must be an input:
 * what the closure captures gets no gradient.
 */
export function operation<T extends Tensor>(
  inputs: readonly Tensor[],
  forward: (...inputs: Tensor[]) => Operation<T>,
): T {
  return customGrad<T>((...args) => {
    const save = args.pop() as (tensors: Tensor[]) => void;
    const { value, saved, backward } = forward(...(args as Tensor[]));
    save([...saved]);
    return { value, gradFunc: (dy, kept) => tidy(() => backward(dy, kept)) };
  })(...inputs);
}
