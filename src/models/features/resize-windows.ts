/** A filter of Pillow's resizing: what weighs an input pixel at a distance from the output pixel. */
export type ResizeFilter = "bilinear" | "bicubic" | "lanczos";

/** Which input pixels make each output pixel of one line: `weights[i·most + k]` of pixel `starts[i] + k`, `k < counts[i]`. */
export interface Windows {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  readonly most: number;
  readonly weights: Float64Array | Int32Array;
}

/** Pillow's filters by their half width, in pixels of the coarser of both pictures. */
const filters: Readonly<Record<ResizeFilter, { readonly support: number; weight(x: number): number }>> = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: (x) => cubic(Math.abs(x)) },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** The names of {@link filters}. */
export const filterNames = Object.keys(filters) as ResizeFilter[];

/** Keys's kernel at a = −½. */
function cubic(x: number): number {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/** Pillow's windows, which widen where the picture shrinks: no aliasing. Source: Pillow 13 src/libImaging/Resample.c. */
export function pillowWindows(from: number, to: number, filter: ResizeFilter): Windows {
  const { support: half, weight } = filters[filter];
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = half * stretch;
  const most = Math.ceil(support) * 2 + 1;
  const windows = {
    starts: new Int32Array(to),
    counts: new Int32Array(to),
    most,
    weights: new Float64Array(to * most),
  };
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - support + 0.5), 0);
    const count = Math.min(Math.trunc(centre + support + 0.5), from) - start;
    const weights = windows.weights.subarray(i * most, i * most + count);
    let total = 0;
    for (let k = 0; k < count; k++) {
      const w = weight((k + start - centre + 0.5) * (1 / stretch));
      weights[k] = w;
      total += w;
    }
    if (total !== 0) for (let k = 0; k < count; k++) (weights[k] as number) /= total;
    windows.starts[i] = start;
    windows.counts[i] = count;
  }
  return windows;
}

/** Bits after the point in Pillow's arithmetic on bytes. */
export const fixedBits = 22;

/** The same windows with weights as whole numbers, in Pillow's fixed-point arithmetic. */
export function fixedPoint({ weights, ...windows }: Windows): Windows {
  const fixed = (w: number) => Math.trunc((w < 0 ? -0.5 : 0.5) + w * (1 << fixedBits));
  return { ...windows, weights: Int32Array.from(weights, fixed) };
}

/**
 * Windows of two neighbouring pixels, however much the picture shrinks, computed in float32 as their originals are.
 *
 * @param halfPixels - whether pixels lie at half integers, as in PyTorch's `interpolate` without `align_corners`; else at
 *   integers, as in TensorFlow 1's `resize_bilinear`.
 */
export function neighbourWindows(from: number, to: number, halfPixels: boolean): Windows {
  const scale = Math.fround(from / to);
  const windows = {
    starts: new Int32Array(to),
    counts: new Int32Array(to),
    most: 2,
    weights: new Float64Array(to * 2),
  };
  for (let i = 0; i < to; i++) {
    const at = halfPixels
      ? Math.max(Math.fround(Math.fround(scale * Math.fround(i + 0.5)) - 0.5), 0)
      : Math.fround(i * scale);
    const start = Math.min(Math.floor(at), from - 1);
    const share = start + 1 < from ? Math.fround(at - start) : 0;
    windows.starts[i] = start;
    windows.counts[i] = start + 1 < from ? 2 : 1;
    windows.weights.set([1 - share, share], 2 * i);
  }
  return windows;
}
