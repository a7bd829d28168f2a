import { getBackend, type Tensor, type Variable } from "@tensorflow/tfjs-core";
import { graphRunnerOf } from "./graph-runner";
import { besideTape, mayNeedGradient, runTape } from "./tape";

const tape = { besideTape, mayNeedGradient, runTape };

/** `f(...inputs)`, as one piece where the current backend can; for the parameters see `GraphRunner`. */
export function asWholeGraph(
  key: string,
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  weights: readonly Variable[],
): Tensor {
  return graphRunnerOf(getBackend())?.(key, f, inputs, weights, tape) ?? f(...inputs);
}
