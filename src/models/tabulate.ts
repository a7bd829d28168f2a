import { type Tensor, tensor } from "@tensorflow/tfjs-core";

/** A float32 tensor of the given shape, its values computed in float64 from the indices. */
export function tabulate<const N extends number[]>(shape: N, value: (...index: { [K in keyof N]: number }) => number) {
  const size = shape.reduce((a, b) => a * b, 1);
  const data = new Float32Array(size);
  const index = shape.map(() => 0);
  for (let at = 0; at < size; at++) {
    data[at] = value(...(index as { [K in keyof N]: number }));
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] as number) + 1;
      index[axis] = next === shape[axis] ? 0 : next;
      if (next !== shape[axis]) break;
    }
  }
  return tensor(data, [...shape]) as Tensor;
}
