import type { HostTensor } from "sid-lsg";
import { readNpz, writeNpz } from "sid-lsg/io";
import { type FeatureStatistics, featureMoments } from "sid-lsg/metrics";
import { shown } from "../../common/paths";
import { blocksOf, type Rows } from "./rows";

/** Mean and covariance of rows on disk, a block at a time. */
export function statisticsOf(rows: Rows, network: string): FeatureStatistics {
  const moments = featureMoments({ dimension: rows.dimension, network });
  for (const block of blocksOf(rows)) moments.add(block);
  return moments.statistics();
}

/**
 * Writes statistics as pytorch-fid does, `mu` and `sigma`, which it and others read, with the count and the network's
 * name beside.
 */
export async function writeStatistics(path: string, { count, mean, covariance, network }: FeatureStatistics) {
  const dimension = mean.length;
  await writeNpz(
    path,
    new Map<string, HostTensor>([
      ["mu", { dtype: "F64", shape: [dimension], data: mean }],
      ["sigma", { dtype: "F64", shape: [dimension, dimension], data: covariance }],
      ["count", { dtype: "I32", shape: [], data: Int32Array.of(count) }],
      ...(network === undefined ? [] : [["network", bytesOf(network)] as const]),
    ]),
  );
}

/** Reads statistics that {@link writeStatistics} or pytorch-fid wrote. Throws naming what is wrong with the file. */
export async function readStatistics(path: string): Promise<FeatureStatistics> {
  const arrays = await readNpz(path);
  const wrong = (message: string) => new Error(`${shown(path)}: ${message}.`);
  const numbers = (name: string): HostTensor => {
    const array = arrays.get(name);
    if (array && ["F64", "F32"].includes(array.dtype)) return array;
    const found = [...arrays].map(([key, { dtype }]) => `${key} (${dtype})`).join(", ");
    throw wrong(
      `wanted pytorch-fid's statistics, arrays "mu" and "sigma" of floats; there is ${found || "nothing"}. ` +
        "A folder of the real pictures does as well",
    );
  };
  const [mu, sigma] = [numbers("mu"), numbers("sigma")];
  const [dimension = 0] = mu.shape;
  if (mu.shape.length !== 1 || sigma.shape.length !== 2 || sigma.shape.some((size) => size !== dimension))
    throw wrong(`mu and sigma must be [d] and [d, d], got [${mu.shape.join(", ")}] and [${sigma.shape.join(", ")}]`);
  const [mean, covariance] = [mu, sigma].map(({ data }) => Float64Array.from(data as Float64Array));
  for (const [name, values] of Object.entries({ mu: mean, sigma: covariance }))
    if (!values?.every(Number.isFinite)) throw wrong(`${name} holds NaN or infinities`);
  const [count, network] = [arrays.get("count"), arrays.get("network")];
  return {
    count: count === undefined ? 0 : Number(count.data[0]),
    mean: mean as Float64Array,
    covariance: covariance as Float64Array,
    ...(network?.dtype === "U8" && { network: new TextDecoder().decode(network.data as Uint8Array) }),
  };
}

function bytesOf(text: string): HostTensor {
  const data = new TextEncoder().encode(text);
  return { dtype: "U8", shape: [data.length], data };
}
