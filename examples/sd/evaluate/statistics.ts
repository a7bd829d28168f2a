import type { HostTensor } from "sid-lsg";
import { decodeNpz, readNpz, writeNpz } from "sid-lsg/io";
import {
  encodeStatistics,
  type FeatureStatistics,
  featureMoments,
  frechetDistance,
  readStatistics,
} from "sid-lsg/metrics";
import { blocksOf, type Rows } from "./rows";

/** How the pictures of statistics were seen, beyond the network's name. */
export interface Seen {
  /** Names the weights; undefined where the file does not tell. */
  readonly weights: string | undefined;
  /** Pixels that they were resized to, 0 for their own size; undefined where the file does not tell. */
  readonly size: number | undefined;
}

/** Mean and covariance of rows on disk, a block at a time. */
export function statisticsOf(rows: Rows, network: string): FeatureStatistics {
  const moments = featureMoments({ dimension: rows.dimension, network });
  for (const block of blocksOf(rows)) moments.add(block);
  return moments.statistics();
}

/** Writes statistics as the library does, and beside them `weights` and `size`, which others pass over. */
export async function writeSeenStatistics(
  path: string,
  statistics: FeatureStatistics,
  { weights, size }: { readonly weights: string; readonly size: number },
): Promise<void> {
  const name = new TextEncoder().encode(weights);
  const marks: (readonly [string, HostTensor])[] = [
    ["weights", { dtype: "U8", shape: [name.length], data: name }],
    ["size", { dtype: "I32", shape: [], data: Int32Array.of(size) }],
  ];
  await writeNpz(path, new Map([...(await decodeNpz(encodeStatistics(statistics))), ...marks]));
}

/** Reads statistics of any program, and how their pictures were seen where they are of {@link writeSeenStatistics}. */
export async function readSeenStatistics(path: string): Promise<{ statistics: FeatureStatistics; seen: Seen }> {
  const statistics = await readStatistics(path);
  // Those of others may hold arrays of any kind beside.
  const arrays = statistics.network === undefined ? undefined : await readNpz(path);
  const [weights, size] = [arrays?.get("weights"), arrays?.get("size")];
  return {
    statistics,
    seen: {
      weights: weights?.dtype === "U8" ? new TextDecoder().decode(weights.data as Uint8Array) : undefined,
      size: size?.dtype === "I32" ? Number(size.data[0]) : undefined,
    },
  };
}

/** Throws unless the covariance is one: the distance to a single point takes its root, and no more. */
export function checkCovariance({ count, mean, covariance }: FeatureStatistics): void {
  const point = { count: 0, mean, covariance: new Float64Array(covariance.length) };
  frechetDistance({ count, mean, covariance }, point, { onWarning() {} });
}
