import type { RandomStream } from "../core/random";

/** `size` of the whole numbers below `count`, each at most once, in random order: the first of a shuffled list. */
export function drawn(count: number, size: number, stream: RandomStream): Uint32Array<ArrayBuffer> {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (const [i, u] of stream.uniform(size).entries()) {
    const chosen = i + Math.floor(u * (count - i));
    [order[i], order[chosen]] = [order[chosen] as number, order[i] as number];
  }
  return order.subarray(0, size);
}
