import { getBackend, type Tensor } from "@tensorflow/tfjs-core";
import { graphRunnerOf, type WholeGraph } from "./graph-runner";
import { besideTape, mayNeedGradient, runTape } from "./tape";

const tape = { besideTape, mayNeedGradient, runTape };

/** `f(...inputs)`, as one piece where the current backend can. */
export function asWholeGraph(graph: WholeGraph): Tensor {
  return graphRunnerOf(getBackend())?.run(graph, tape) ?? graph.f(...graph.inputs);
}

/** Whether the current backend runs whole networks as one piece, each made when it first meets some shapes. */
export function runsWholeGraphs(): boolean {
  return graphRunnerOf(getBackend()) !== undefined;
}
