/**
 * Weights in eight bits, a quarter of float32: what the page downloads. A matrix is kept as whole numbers with one
 * scale for each row, which is an output channel in PyTorch's layouts:
 *
 *     weight[row, …] = (byte[row, …] − 128) · scale[row],   scale[row] = max |weight[row, …]| / 127
 *
 * No weight moves by more than half its row's scale. Biases and the like stay as they are, and a U-Net's first and last
 * convolution keep half precision: every pixel goes through them, and in eight bits the last alone makes most of the
 * pictures' error. As a safetensors file it is plain: U8 beside F32, `NAME` beside `NAME.scale`.
 */
import type { HostTensor, WeightMap, WeightSource } from "sid-lsg";

/** The byte of a zero. */
const middle = 128;
const largest = 127;

const inHalf = /^conv_(in|out)\.weight$/;

const scaleOf = (name: string): string => `${name}.scale`;

/** Rounds every matrix to eight bits, but for those. */
export function toEightBits(weights: WeightMap): Map<string, HostTensor> {
  return new Map(
    [...weights].flatMap(([name, tensor]): [string, HostTensor][] => {
      if (tensor.shape.length < 2) return [[name, tensor]];
      return inHalf.test(name) ? [[name, { ...tensor, dtype: "F16" }]] : rounded(name, tensor);
    }),
  );
}

function rounded(name: string, { shape, data }: HostTensor): [string, HostTensor][] {
  const weights = data as Float32Array;
  const rows = shape[0] as number;
  const length = weights.length / rows;
  const scales = Float32Array.from({ length: rows }, (_, row) => {
    const all = weights.subarray(row * length, (row + 1) * length);
    return all.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / largest;
  });
  const bytes = Uint8Array.from(weights, (x, i) => {
    const scale = scales[Math.floor(i / length)] as number;
    return scale === 0 ? middle : middle + Math.round(x / scale);
  });
  return [
    [name, { dtype: "U8", shape, data: bytes }],
    [scaleOf(name), { dtype: "F32", shape: [rows], data: scales }],
  ];
}

/** The same weights as they are read, those in eight bits made float32; others are left alone. */
export function fromEightBits(source: WeightSource): WeightSource {
  const { entries } = source;
  const isRounded = (name: string) => entries.get(name)?.dtype === "U8" && entries.has(scaleOf(name));
  const scales = new Set([...entries.keys()].filter(isRounded).map(scaleOf));
  const kept = [...entries].filter(([name]) => !scales.has(name));
  return {
    ...source,
    entries: new Map(kept.map(([name, info]) => [name, isRounded(name) ? { ...info, dtype: "F32" } : info])),
    async read(name) {
      const tensor = await source.read(name);
      if (!isRounded(name)) return tensor;
      const { data: scales } = await source.read(scaleOf(name));
      const length = tensor.data.length / scales.length;
      const bytes = tensor.data as Uint8Array;
      const data = Float32Array.from(bytes, (byte, i) => (byte - middle) * (scales[Math.floor(i / length)] as number));
      return { dtype: "F32", shape: tensor.shape, data };
    },
  };
}

/** {@link fromEightBits} of weights in memory. */
export async function widened(weights: WeightMap): Promise<WeightMap> {
  const read = async (name: string) => weights.get(name) as HostTensor;
  const { entries, read: widen } = fromEightBits({ entries: weights, read, close: async () => {} });
  const all = [...entries.keys()].map(async (name): Promise<[string, HostTensor]> => [name, await widen(name)]);
  return new Map(await Promise.all(all));
}
