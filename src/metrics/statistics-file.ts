import { checkObject, describe, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import type { HostTensor } from "../core/host-tensor";
import type { ByteSource } from "../io/byte-source";
import { located, openFile } from "../io/disk";
import { writeFileAtomic } from "../io/files";
import { memorySource, npzBytes, openNpz } from "../io/npz";
import { corrupt } from "../io/safetensors-header";
import { exactCovariance } from "./covariance";
import { checkStatistics } from "./frechet";
import type { FeatureStatistics } from "./moments";

/**
 * Reads the bytes of a file of statistics, `.npz` with the mean `mu` `[d]` and the covariance `sigma` `[d, d]`, as
 * pytorch-fid and clean-fid write them (and EDM, guided-diffusion, the FID of its authors). Other arrays in it are passed over.
 *
 * Such files say neither how many vectors they are of nor of which network. Those of {@link encodeStatistics} hold `count`
 * and `network` too, which others pass over. What rounding in float32 leaves of a covariance is made one: halves that differ
 * are averaged, variances a little below 0 become 0.
 *
 * @param bytes - the whole file.
 * @returns the statistics; `count` is 0 where the file does not say it.
 * @throws SidError `corrupt-file` for a file that is cut off or damaged, lacks `mu` or `sigma`, or where these do not
 *   fit each other, or `sigma` is no covariance by more than rounding; `not-finite` for NaN and infinities.
 *
 * @example
 * ```ts
 * import { decodeStatistics, encodeStatistics, featureStatistics } from "sid-lsg/metrics";
 *
 * const bytes = encodeStatistics(featureStatistics([0, 0, 2, 2], 2, { network: "inception-v3-fid" }));
 * console.log((await decodeStatistics(bytes)).covariance); // Float64Array [2, 2, 2, 2]
 * ```
 */
export async function decodeStatistics(bytes: Uint8Array): Promise<FeatureStatistics> {
  return parseStatistics("decodeStatistics", memorySource("decodeStatistics", bytes));
}

/**
 * Reads a file of statistics, as {@link decodeStatistics} does. Node only.
 *
 * @param path - the file.
 * @returns the statistics; `count` is 0 where the file does not say it.
 * @throws SidError `io` where the file cannot be read; otherwise as {@link decodeStatistics}.
 *
 * @example
 * ```ts
 * import { featureStatistics, frechetDistance, readStatistics, writeStatistics } from "sid-lsg/metrics";
 *
 * await writeStatistics("reference.npz", featureStatistics([-1, 1], 1));
 * const reference = await readStatistics("reference.npz");
 * console.log(frechetDistance(featureStatistics([2, 4], 1), reference)); // 9
 * ```
 */
export async function readStatistics(path: string): Promise<FeatureStatistics> {
  const source = await openFile("readStatistics", path);
  try {
    return await parseStatistics(`readStatistics ${source.name}`, source);
  } finally {
    await source.close();
  }
}

/**
 * Writes statistics as the bytes of an `.npz` file that pytorch-fid and clean-fid read: `mu` and `sigma` in float64. Beside
 * them are `count`, where it is known, and `network`, its name in UTF-8.
 *
 * @param statistics - from `featureStatistics` or `featureMoments`.
 * @returns the whole file.
 * @throws SidError `invalid-argument`, `shape-mismatch` or `not-finite` for what is none.
 *
 * @example
 * ```ts
 * import { encodeStatistics, featureStatistics } from "sid-lsg/metrics";
 *
 * console.log(encodeStatistics(featureStatistics([-1, 1], 1)).length); // 706
 * ```
 */
export function encodeStatistics(statistics: FeatureStatistics): Uint8Array {
  return statisticsBytes("encodeStatistics", statistics);
}

/**
 * Writes a file of statistics atomically, as {@link encodeStatistics} lays it out. Node only.
 *
 * @param path - the file, which should end in `.npz`; its folder must exist.
 * @param statistics - from `featureStatistics` or `featureMoments`.
 * @throws SidError `io` where the file cannot be written; otherwise as {@link encodeStatistics}.
 *
 * @example
 * ```ts
 * import { featureStatistics, writeStatistics } from "sid-lsg/metrics";
 *
 * await writeStatistics("pictures.npz", featureStatistics([0, 0, 2, 2], 2));
 * ```
 */
export async function writeStatistics(path: string, statistics: FeatureStatistics): Promise<void> {
  await writeFileAtomic(path, statisticsBytes(located("writeStatistics", path), statistics));
}

function statisticsBytes(where: string, statistics: FeatureStatistics): Uint8Array {
  checkStatistics(where, "statistics", checkObject(where, "statistics", statistics));
  const { count, mean, covariance, network } = statistics;
  const d = mean.length;
  const arrays = new Map<string, HostTensor>([
    ["mu", { dtype: "F64", shape: [d], data: mean }],
    ["sigma", { dtype: "F64", shape: [d, d], data: covariance }],
  ]);
  if (count > 0) arrays.set("count", { dtype: "I64", shape: [], data: BigInt64Array.of(BigInt(count)) });
  if (network !== undefined) {
    const data = new TextEncoder().encode(network);
    arrays.set("network", { dtype: "U8", shape: [data.length], data });
  }
  return npzBytes(where, arrays);
}

async function parseStatistics(where: string, source: ByteSource): Promise<FeatureStatistics> {
  const { names, read } = await openNpz(where, source);
  const missing = ["mu", "sigma"].filter((name) => !names.includes(name));
  if (missing.length > 0) throw corrupt(where, withoutStatistics(missing, names));
  const [mu, sigma] = [await read("mu"), await read("sigma")];
  const [d = 0, ...more] = mu.shape;
  if (d === 0 || more.length > 0 || sigma.shape.join() !== `${d},${d}`)
    throw corrupt(where, `wanted mu [d] and sigma [d, d], got ${showShape(mu)} and ${showShape(sigma)}`);
  const mean = floats(where, "mu", mu);
  const covariance = exactCovariance(floats(where, "sigma", sigma), d, (what): never => {
    throw corrupt(where, `sigma ${what}`);
  });
  const count = names.includes("count") ? countOf(where, await read("count")) : 0;
  const network = names.includes("network") ? textOf(where, await read("network")) : undefined;
  return network === undefined ? { count, mean, covariance } : { count, mean, covariance, network };
}

function withoutStatistics(missing: readonly string[], names: readonly string[]): string {
  const lacks = `statistics are the arrays mu and sigma; the file lacks ${missing.join(" and ")} and holds ${
    names.slice(0, 8).map(describe).join(", ") || "nothing"
  }`;
  const isFeatures = names.includes("feats") || names.includes("feats.npy");
  return isFeatures ? `${lacks}, which are features: featureStatistics makes statistics of them` : lacks;
}

function floats(where: string, name: string, { dtype, data }: HostTensor): Float64Array {
  if (dtype !== "F64" && dtype !== "F32") throw corrupt(where, `${name} must be float64 or float32, got ${dtype}`);
  const values = Float64Array.from(data as Float64Array | Float32Array);
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw new SidError("not-finite", `${where}: ${name} must be finite, number ${at} is ${values[at]}.`);
  return values;
}

function countOf(where: string, { shape, data }: HostTensor): number {
  const count = Number(data[0]);
  if (data.length !== 1 || !Number.isSafeInteger(count) || count < 1)
    throw corrupt(
      where,
      `count must be one whole number above 0, got ${data.length === 1 ? count : showShape({ shape })}`,
    );
  return count;
}

function textOf(where: string, { dtype, shape, data }: HostTensor): string {
  if (dtype !== "U8" || data.length === 0)
    throw corrupt(where, `network must be bytes, got ${dtype} ${showShape({ shape })}`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data as Uint8Array<ArrayBuffer>);
  } catch (cause) {
    throw corrupt(where, "network must be a name in UTF-8", cause);
  }
}
