import type { Tensor, Variable } from "@tensorflow/tfjs-core";
import { sharedState } from "./shared-state";
import type { besideTape, mayNeedGradient, runTape } from "./tape";

/** A network, or a part of one, that a backend may run as one piece, and so its backward pass. */
export interface WholeGraph {
  /** Says all that `f` depends on but its inputs, the weights' values and the shapes of both. */
  readonly key: string;
  /**
   * Computes one tensor from float32 tensors and from the weights, the same whenever it is called; captures no other
   * tensor, which the graph would hold as a constant.
   */
  readonly f: (...inputs: Tensor[]) => Tensor;
  /** Its tensors; borrowed. */
  readonly inputs: readonly Tensor[];
  /** The variables in it. The graph goes when one of them does, unless another network has it. */
  readonly weights: readonly Variable[];
  /** Whether the backward pass takes no more from the forward pass than `f` itself keeps; otherwise what fits. */
  readonly sparing?: boolean | undefined;
}

/** Runs networks in one piece. */
export interface GraphRunner {
  /**
   * The network's result; undefined where it cannot.
   *
   * @param tape - the functions of ./tape.ts, handed over: backends do without its gradients otherwise.
   */
  run(graph: WholeGraph, tape: Tape): Tensor | undefined;
  /** Frees the graphs of networks that are gone. */
  release(): void;
}

/** How a runner differentiates. */
export interface Tape {
  readonly besideTape: typeof besideTape;
  readonly mayNeedGradient: typeof mayNeedGradient;
  readonly runTape: typeof runTape;
}

const runners = /* @__PURE__ */ sharedState(
  "graph runners",
  () => new Map<string, { readonly runner: GraphRunner; readonly inUse: boolean }>(),
);

/** Whether a backend, by TensorFlow.js's name, runs whole networks; with what, is made once, and keeps its graphs. */
export function setGraphRunner(backendName: string, inUse: boolean, make: () => GraphRunner): void {
  const runner = runners.get(backendName)?.runner ?? (inUse ? make() : undefined);
  if (runner) runners.set(backendName, { runner, inUse });
}

/** What runs whole networks on a backend, if anything. */
export function graphRunnerOf(backendName: string): GraphRunner | undefined {
  const found = runners.get(backendName);
  return found?.inUse ? found.runner : undefined;
}

/** Frees, on all backends, the graphs of networks that are gone; to be called after their variables were disposed of. */
export function releaseGraphs(): void {
  for (const { runner } of runners.values()) runner.release();
}
