import type { ConvGeometry } from "../conv-geometry";
import { assembly } from "./assembly";
import type { Pointer, WasmModule } from "./module";

/** Output rows `y` to `y + rows` of images `n` to `n + count`, and the input that their windows see. */
export interface Chunk {
  /** Where that input begins, its padding included. */
  readonly at: Pointer;
  readonly n: number;
  readonly count: number;
  readonly y: number;
  readonly rows: number;
  /** Floats from input row to input row, and from image to image. */
  readonly row: number;
  readonly image: number;
}

/** Floats of padded input at a time: they shall stay in the cache, and no image is too large. */
const room = 2 ** 20;

/**
 * Goes through a convolution's input with the zeros around it: some images at a time, or some rows of a large one.
 * Where there are no zeros, all of it is taken where it lies.
 */
export function forPadded(
  wasm: WasmModule,
  g: ConvGeometry,
  x: Pointer,
  floats: (count: number) => Pointer,
  use: (chunk: Chunk) => void,
): void {
  const { batch, inHeight, inWidth, inChannels, outHeight, top, left } = g;
  const size = inWidth * inChannels;
  const width = (g.outWidth - 1) * g.strideWidth + g.filterWidth;
  const heightOf = (rows: number) => (rows - 1) * g.strideHeight + g.filterHeight;
  if (top === 0 && left === 0 && heightOf(outHeight) <= inHeight && width <= inWidth) {
    use({ at: x, n: 0, count: batch, y: 0, rows: outHeight, row: size, image: inHeight * size });
    return;
  }
  const row = width * inChannels;
  const fitting = Math.floor((room / row - g.filterHeight) / g.strideHeight) + 1;
  const rows = Math.min(outHeight, Math.max(1, fitting));
  const image = heightOf(rows) * row;
  const count = rows < outHeight ? 1 : Math.min(batch, Math.max(1, Math.floor(room / image)));
  const at = floats(count * image);
  const { copyRows } = assembly(wasm);
  const length = Math.min(inWidth, width - left) * inChannels;
  for (let n = 0; n < batch; n += count)
    for (let y = 0; y < outHeight; y += rows) {
      const chunk = { at, n, count: Math.min(count, batch - n), y, rows: Math.min(rows, outHeight - y), row, image };
      wasm.HEAPF32.fill(0, at >>> 2, (at >>> 2) + count * image);
      // Of the rows that the windows see, these are the input's; its first one lies `above` rows down.
      const first = Math.max(0, y * g.strideHeight - top);
      const above = Math.max(0, top - y * g.strideHeight);
      const inside = Math.min(inHeight - first, heightOf(chunk.rows) - above);
      for (let i = 0; i < chunk.count; i++)
        copyRows(
          ...[x + 4 * ((n + i) * inHeight + first) * size, size],
          ...[at + 4 * (i * image + above * row + left * inChannels), row, inside, length],
        );
      use(chunk);
    }
}
