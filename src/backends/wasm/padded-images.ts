import type { ConvGeometry } from "./conv-geometry";
import type { Pointer, WasmModule } from "./module";

/** The images `x` of a convolution with the zeros around them, one at a time in the same place. */
export interface PaddedImages {
  /** Floats from row to row. */
  readonly row: number;
  /** Where image `n` lies with its padding, until the next call. */
  image(n: number): Pointer;
}

/** Images without padding are taken where they are. */
export function paddedImages(
  wasm: WasmModule,
  g: ConvGeometry,
  x: Pointer,
  floats: (count: number) => Pointer,
): PaddedImages {
  const { inHeight, inWidth, inChannels, top, left } = g;
  const height = (g.outHeight - 1) * g.strideHeight + g.filterHeight;
  const width = (g.outWidth - 1) * g.strideWidth + g.filterWidth;
  const size = inWidth * inChannels;
  if (top + left === 0 && height <= inHeight && width <= inWidth)
    return { row: size, image: (n) => x + 4 * n * inHeight * size };
  const row = width * inChannels;
  const to = floats(height * row);
  wasm.HEAPF32.fill(0, to >>> 2, (to >>> 2) + height * row);
  const rows = Math.min(inHeight, height - top);
  const length = Math.min(inWidth, width - left) * inChannels;
  return {
    row,
    image: (n) => {
      for (let y = 0; y < rows; y++) {
        const from = (x >>> 2) + (n * inHeight + y) * size;
        wasm.HEAPF32.copyWithin((to >>> 2) + (top + y) * row + left * inChannels, from, from + length);
      }
      return to;
    },
  };
}
