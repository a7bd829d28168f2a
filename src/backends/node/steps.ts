import type { NamedAttrMap } from "@tensorflow/tfjs-core";
import { type Handle, list, type Operations, type } from "./operations";

type Three = readonly [Handle, Handle, Handle];

/**
 * Where the sum of the squares is finite, so is every element, and nothing is left to do. Only on the processor is
 * the sum looked at: a GPU would have to be waited for.
 */
export function cleanGradient(ops: Operations, inputs: readonly Handle[], attrs: NamedAttrMap): Handle[] {
  const { run, number, reshape } = ops;
  const [g] = inputs as Three;
  const squares = sumOfSquares(ops, g);
  if (!ops.onGpu && Number.isFinite(ops.read(squares)[0])) return [reshape(g, g.shape), pair(ops, squares, number(0))];
  const limit = attrs["limit"] as number;
  const within = run("ClipByValue", [g, number(-limit), number(limit)]);
  const numbers = run("SelectV2", [run("IsNan", [g]), number(0), within]);
  const clean = run("SelectV2", [run("IsFinite", [g]), g, numbers]);
  const changed = run("Cast", [run("NotEqual", [clean, g])], [type("DstT", "float32")]);
  return [clean, pair(ops, sumOfSquares(ops, clean), run("Sum", [changed, ops.integers([0])]))];
}

/** p and v after a step; see `SidAdam`. */
export function adamStep(ops: Operations, inputs: readonly Handle[], attrs: NamedAttrMap): Handle[] {
  const { run, number } = ops;
  const { beta2, rate, epsilon } = attrs as { beta2: number; rate: number; epsilon: number };
  const [keep, take] = [number(beta2), number(1 - beta2)];
  // These two change from step to step.
  const [length, small] = [number(rate, false), number(epsilon, false)];
  const [p, v, g] = inputs as Three;
  const next = run("AddV2", [run("Mul", [v, keep]), run("Mul", [run("Square", [g]), take])]);
  const update = run("RealDiv", [run("Mul", [g, length]), run("AddV2", [run("Sqrt", [next]), small])]);
  return [run("Sub", [p, update]), next];
}

function sumOfSquares({ run, integers }: Operations, x: Handle): Handle {
  return run("Sum", [run("Square", [x]), integers([0])]);
}

/** Two scalars as a vector. */
function pair({ run }: Operations, a: Handle, b: Handle): Handle {
  return run("Pack", [a, b], list(2));
}
