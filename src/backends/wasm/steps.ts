import type { TensorInfo } from "@tensorflow/tfjs-core";
import { assembly } from "./assembly";
import { type Call, elementwise, sizeOf } from "./kernel-call";

/** See `SidPack`. */
export function pack({ wasm, all, output, at }: Call): TensorInfo[] {
  const flat = output([all.reduce((sum, x) => sum + sizeOf(x), 0)]);
  let to = at(flat);
  for (const x of all) {
    assembly(wasm).copyRows(at(x), 0, to, 0, 1, sizeOf(x));
    to += 4 * sizeOf(x);
  }
  return [flat];
}

/** See `SidUnpack`. */
export function unpack({ wasm, all, output, at }: Call): TensorInfo[] {
  const [flat, ...like] = all as [TensorInfo, ...TensorInfo[]];
  const parts = like.map(({ shape }) => output(shape));
  let from = at(flat);
  for (const part of parts) {
    assembly(wasm).copyRows(from, 0, at(part), 0, 1, sizeOf(part));
    from += 4 * sizeOf(part);
  }
  return parts;
}

/** See `SidClean`. Where the sum of the squares is finite, so is every element, and nothing is left to do. */
export function cleanGradient({ wasm, inputs: [g], attrs, output, share, at }: Call): TensorInfo[] {
  const { sumOfSquares, clean } = assembly(wasm);
  const figures = output([2]);
  const size = sizeOf(g);
  let squares = sumOfSquares(at(g), size);
  let changed = 0;
  let result: TensorInfo;
  if (Number.isFinite(squares)) result = share(g);
  else {
    result = output(g.shape);
    changed = clean(at(g), size, attrs["limit"] as number, at(result));
    squares = sumOfSquares(at(result), size);
  }
  wasm.HEAPF32.set([squares, changed], at(figures) / 4);
  return [result, figures];
}

/** See `SidAdam`. */
export function adamStep({ wasm, inputs: [p, v, g], attrs, output, at }: Call): TensorInfo[] {
  const { beta2, rate, epsilon } = attrs as { beta2: number; rate: number; epsilon: number };
  const results = [output(p.shape), output(p.shape)];
  elementwise(wasm, "adam", p, [p, v, g].map(at), [beta2, 1 - beta2, rate, epsilon], results.map(at));
  return results;
}
