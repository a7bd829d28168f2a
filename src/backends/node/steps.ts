import type { NamedAttrMap } from "@tensorflow/tfjs-core";
import { type Handle, list, type Operations, type } from "./operations";
import { eachPiece, inPieces } from "./pieces";

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
  return inPieces(ops, inputs, (parts) => {
    const [p, v, g] = parts as Three;
    const next = run("AddV2", [run("Mul", [v, keep]), run("Mul", [run("Square", [g]), take])]);
    const update = run("RealDiv", [run("Mul", [g, length]), run("AddV2", [run("Sqrt", [next]), small])]);
    return [run("Sub", [p, update]), next];
  });
}

function sumOfSquares(ops: Operations, x: Handle): Handle {
  const { run, integers } = ops;
  const sums = eachPiece(ops, [x], ([part]) => [run("Sum", [run("Square", [part as Handle]), integers([0])])] as const);
  return sums.length === 1 ? (sums[0] as [Handle])[0] : run("AddN", sums.flat(), list(sums.length));
}

/** Two scalars as a vector. */
function pair({ run }: Operations, a: Handle, b: Handle): Handle {
  return run("Pack", [a, b], list(2));
}
