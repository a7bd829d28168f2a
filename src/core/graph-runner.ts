import type { Tensor, Variable } from "@tensorflow/tfjs-core";
import { sharedState } from "./shared-state";
import type { besideTape, mayNeedGradient, runTape } from "./tape";

/**
 * Runs a function of tensors and weights as one piece, and so its backward pass; undefined where it cannot.
 *
 * @param key - says all that `f` depends on but its inputs, the weights' values and the shapes of both.
 * @param f - computes one tensor from float32 tensors and from the weights, the same whenever it is called; captures
 *   no other tensor, which the graph would hold as a constant.
 * @param inputs - its tensors; borrowed.
 * @param weights - the variables in it.
 * @param tape - the functions of ./tape.ts, handed over: backends do without its gradients otherwise.
 */
export type GraphRunner = (
  key: string,
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  weights: readonly Variable[],
  tape: Tape,
) => Tensor | undefined;

/** How a runner differentiates. */
export interface Tape {
  readonly besideTape: typeof besideTape;
  readonly mayNeedGradient: typeof mayNeedGradient;
  readonly runTape: typeof runTape;
}

const runners = /* @__PURE__ */ sharedState("graph runners", () => new Map<string, GraphRunner>());

/** Gives a backend, by TensorFlow.js's name, what runs whole networks, or takes it away. */
export function setGraphRunner(backendName: string, runner: GraphRunner | undefined): void {
  if (runner) runners.set(backendName, runner);
  else runners.delete(backendName);
}

/** What runs whole networks on a backend, if anything. */
export const graphRunnerOf = (backendName: string): GraphRunner | undefined => runners.get(backendName);
