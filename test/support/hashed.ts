import type { HostTensor, WeightMap } from "../../src/core";
import type { Pictures } from "../../src/models/features";

/** `size` numbers in [0, 1), by a hash of their index: the same in the generators of golden vectors. */
export function hashed(size: number, seed: number): Float64Array {
  const start = Math.imul(seed, 0x9e3779b9);
  const numbers = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    let x = (i + start) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    numbers[i] = ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
  }
  return numbers;
}

/** Weights by a formula for a state dict, each entry a name and a shape: "conv.weight 32,3,3,3". */
export function hashedWeights(entries: readonly string[]): WeightMap {
  return new Map(
    entries.map((entry, seed): [string, HostTensor] => {
      const [name = "", sizes = ""] = entry.split(" ");
      const shape = sizes === "" ? [] : sizes.split(",").map(Number);
      const size = shape.reduce((a, b) => a * b, 1);
      if (name.endsWith("num_batches_tracked")) return [name, { dtype: "I64", shape, data: new BigInt64Array(1) }];
      const reach = Math.sqrt(6 / shape.slice(1).reduce((a, b) => a * b, 1));
      const value = (u: number) => {
        if (shape.length > 1) return (2 * u - 1) * reach;
        return /(running_var|\.weight)$/.test(name) ? 0.5 + u : 0.2 * (2 * u - 1);
      };
      return [name, { dtype: "F32", shape, data: new Float32Array(hashed(size, seed).map(value)) }];
    }),
  );
}

/** Blocks of 10 by 10 pixels in random colours. */
export function hashedPictures(shape: Pictures["shape"], seed: number): Pictures {
  const [count, height, width, channels] = shape;
  const [rows, columns] = [Math.ceil(height / 10), Math.ceil(width / 10)];
  const blocks = hashed(count * rows * columns * channels, seed);
  const data = new Uint8Array(count * height * width * channels);
  for (let n = 0, to = 0; n < count; n++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        for (let c = 0; c < channels; c++) {
          const block = ((n * rows + Math.floor(y / 10)) * columns + Math.floor(x / 10)) * channels + c;
          data[to++] = Math.floor(256 * (blocks[block] as number));
        }
  return { data, shape };
}
