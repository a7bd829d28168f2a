import type { Tensor } from "@tensorflow/tfjs-core";
import type { Reducer } from "../../distributed/types";

/** The part of a flat tensor that one rank keeps: `[from, to)` of its `size` elements. */
export interface Shard {
  readonly size: number;
  readonly from: number;
  readonly to: number;
}

/** Kernels round the last few elements in another way than those before: parts begin where a vector begins in the whole. */
const alignment = 16;

/** Elements of every rank's part but the last, which may be shorter, or empty. */
function lengthOf(size: number, ranks: number): number {
  return Math.ceil(size / ranks / alignment) * alignment;
}

/** What this rank keeps of so many elements; all where it is the only one. */
export function shardOf(size: number, { rank, size: ranks }: Pick<Reducer, "rank" | "size">): Shard {
  const length = lengthOf(size, ranks);
  const from = Math.min(size, rank * length);
  return { size, from, to: Math.min(size, from + length) };
}

/** The whole flat tensor out of the parts of all ranks; `own` is this one's, borrowed, undefined where it is empty. */
export async function gatherShards(reducer: Reducer, { size }: Shard, own: Tensor | undefined): Promise<Float32Array> {
  const part = new Float32Array(lengthOf(size, reducer.size));
  if (own) part.set((await own.data()) as Float32Array);
  const all = await reducer.allGather(new Uint8Array(part.buffer));
  const { buffer, byteOffset } = all.byteOffset % 4 === 0 ? all : all.slice();
  return new Float32Array(buffer, byteOffset, size);
}
