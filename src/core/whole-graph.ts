import { getBackend, type Tensor, type Variable } from "@tensorflow/tfjs-core";

/**
 * Runs a function of tensors and weights as one piece, and so its backward pass; undefined where it cannot.
 *
 * @param key - says all that `f` depends on but its inputs, the weights' values and the shapes of both.
 * @param f - computes one tensor from float32 tensors and from the weights, the same whenever it is called.
 * @param inputs - its tensors; borrowed.
 * @param weights - the variables in it.
 */
export type GraphRunner = (
  key: string,
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  weights: readonly Variable[],
) => Tensor | undefined;

const runners = new Map<string, GraphRunner>();

/** Gives a backend, by TensorFlow.js's name, what runs whole networks, or takes it away. */
export function setGraphRunner(backendName: string, runner: GraphRunner | undefined): void {
  if (runner) runners.set(backendName, runner);
  else runners.delete(backendName);
}

/** `f(...inputs)`, as one piece where the current backend can; for the parameters see {@link GraphRunner}. */
export const asWholeGraph: (...call: Parameters<GraphRunner>) => Tensor = (key, f, inputs, weights) =>
  runners.get(getBackend())?.(key, f, inputs, weights) ?? f(...inputs);
