import type { NamedAttrMap } from "@tensorflow/tfjs-core";
import { integers as attribute, type Handle, list, type Operations, type } from "./operations";

type Three = readonly [Handle, Handle, Handle];

export function pack({ run, reshape, integers }: Operations, inputs: readonly Handle[]): Handle[] {
  const flat = inputs.map((x) => (x.shape.length === 1 ? x : reshape(x, [sizeOf(x)])));
  return [run("ConcatV2", [...flat, integers(0)], list(flat.length))];
}

export function unpack({ runMany, reshape, integers }: Operations, inputs: readonly Handle[]): Handle[] {
  const [flat, ...like] = inputs as [Handle, ...Handle[]];
  const attributes = [attribute("num_split", like.length), type("T", "float32"), type("Tlen", "int32")];
  const pieces = runMany("SplitV", [flat, integers(like.map(sizeOf)), integers(0)], attributes, like.length);
  return pieces.map((piece, i) => {
    const { shape } = like[i] as Handle;
    return shape.length === 1 ? piece : reshape(piece, shape);
  });
}

const sizeOf = ({ shape }: Handle) => shape.reduce((a, b) => a * b, 1);

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

function sumOfSquares({ run, number }: Operations, x: Handle): Handle {
  return run("Mul", [run("L2Loss", [x]), number(2)]);
}

/** Two scalars as a vector. */
function pair({ run }: Operations, a: Handle, b: Handle): Handle {
  return run("Pack", [a, b], list(2));
}
