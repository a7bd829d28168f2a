import { clone, dispose, keep, type Tensor } from "@tensorflow/tfjs-core";

/** What {@link carryOut} returns: the result, and what was carried out, in order. */
export interface CarriedOut<T> {
  readonly result: T;
  readonly carried: Tensor[];
}

/** Lets tensors leave a gradient closure, whose own tidy would dispose of them. */
export function carryOut<T>(run: (carry: (...tensors: Tensor[]) => void) => T): CarriedOut<T> {
  const held: Tensor[] = [];
  try {
    const result = run((...tensors) => {
      held.push(...tensors.map((x) => keep(clone(x))));
    });
    return { result, carried: held.map((x) => clone(x)) };
  } finally {
    dispose(held);
  }
}
