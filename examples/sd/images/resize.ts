import type { Picture } from "../grid";

/**
 * The square middle of a picture at `size` pixels: its shorter side becomes `size`, and what is longer is cut at both
 * ends. Equal, byte for byte, to torchvision's `Resize(size, LANCZOS)` and `CenterCrop(size)` on PIL images, with which
 * diffusers' training scripts prepare theirs.
 *
 * Source: Pillow 12 src/libImaging/Resample.c (fixed-point weights, rows first, bytes between both passes);
 * torchvision transforms/functional.py `resize`, `center_crop`; diffusers examples/text_to_image/train_text_to_image.py.
 */
export function squareOf({ width, height, data }: Picture, size: number): Picture {
  const shorter = Math.min(width, height);
  const resized = (side: number) => Math.floor((size * side) / shorter);
  const across = windows(width, resized(width), size);
  const down = windows(height, resized(height), size);
  // Only the rows that the second pass looks at.
  const top = Math.min(...down.map(({ from }) => from));
  const bottom = Math.max(...down.map(({ from, weights }) => from + weights.length));
  const rows = new Uint8Array((bottom - top) * size * 3);
  for (let y = top, to = 0; y < bottom; y++)
    for (const { from, weights } of across)
      for (let c = 0; c < 3; c++) rows[to++] = weighted(data, (y * width + from) * 3 + c, 3, weights);
  const pixels = new Uint8Array(size * size * 3);
  down.forEach(({ from, weights }, y) => {
    for (let i = 0; i < size * 3; i++)
      pixels[y * size * 3 + i] = weighted(rows, (from - top) * size * 3 + i, size * 3, weights);
  });
  return { width: size, height: size, data: pixels };
}

/** Pillow's weights are integers of this unit. */
const unit = 2 ** 22;
/** Reach of Lanczos' filter, in pixels of the smaller picture. */
const reach = 3;

interface Window {
  readonly from: number;
  readonly weights: Float64Array;
}

/** Which pixels make each of the middle `count` of `out` pixels, and with what weights. */
function windows(length: number, out: number, count: number): Window[] {
  const scale = length / out;
  const stretch = Math.max(scale, 1);
  const first = roundHalfToEven((out - count) / 2);
  return Array.from({ length: count }, (_, i) => {
    const centre = (first + i + 0.5) * scale;
    const from = Math.max(Math.trunc(centre - reach * stretch + 0.5), 0);
    const end = Math.min(Math.trunc(centre + reach * stretch + 0.5), length);
    const weights = Float64Array.from({ length: end - from }, (_, k) =>
      lanczos((k + from - centre + 0.5) * (1 / stretch)),
    );
    const sum = weights.reduce((a, b) => a + b, 0);
    return { from, weights: weights.map((w) => Math.trunc((w / sum) * unit + (w < 0 ? -0.5 : 0.5))) };
  });
}

function weighted(data: Uint8Array, first: number, step: number, weights: Float64Array): number {
  let sum = unit / 2;
  for (let k = 0, at = first; k < weights.length; k++, at += step) sum += (data[at] as number) * (weights[k] as number);
  return Math.min(Math.max(Math.floor(sum / unit), 0), 255);
}

function lanczos(x: number): number {
  return x >= -reach && x < reach ? sinc(x) * sinc(x / reach) : 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** As Python's `round`, which torchvision cuts with. */
function roundHalfToEven(x: number): number {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}
