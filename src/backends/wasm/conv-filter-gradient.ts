import type { KernelFunc, TensorInfo } from "@tensorflow/tfjs-core";
import { type ConvGeometry, convGeometry, isPointwise } from "./conv-geometry";
import { type Pointer, pointerOf, type WasmBackend, type WasmModule, withRight, withScratch } from "./module";
import { products } from "./product";

/**
 * conv2d's gradient with respect to its filter: for each element (ky, kx) of the window, the product
 * `xᵀ·dy` over all pixels, with x moved by that element.
 *
 * A 1×1 convolution is just that product. Otherwise x and dy are laid on grids with room for the zeros
 * around x; there, moving x is moving where its rows begin, so that nothing is copied per element and
 * dy is packed once. With stride s, x is spread over s·s grids, one per remainder of its coordinates.
 */
export const convFilterGradient: KernelFunc = ({ inputs, attrs, backend: anyBackend }) => {
  const backend = anyBackend as WasmBackend;
  const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
  const filterShape = (attrs as unknown as { filterShape: number[] }).filterShape;
  const g = convGeometry("Conv2DBackpropFilter", x.shape, filterShape, attrs ?? {});
  const out = backend.makeOutput(filterShape, "float32");
  const [xAt, dyAt, outAt] = [x, dy, out].map((t) => pointerOf(backend, t)) as [Pointer, Pointer, Pointer];
  if (isPointwise(g))
    products(
      backend.wasm,
      { at: xAt, transposed: true, count: 1 },
      { at: dyAt, transposed: false, count: 1 },
      outAt,
      1,
      [g.inChannels, g.batch * g.inHeight * g.inWidth, g.outChannels],
    );
  else onGrids(backend.wasm, g, gridOf(g), xAt, dyAt, outAt);
  return out;
};

/** Cells that one image takes on each grid, and the grids there are: `phases = [rows, columns]`. */
interface Grid {
  readonly height: number;
  readonly width: number;
  readonly phases: readonly [number, number];
}

/**
 * Output pixel (y, x) lies in cell (y, x). Input pixel (y, x), counted with its padding, lies in cell
 * (y div stride, x div stride) of grid (y mod stride, x mod stride). A window reaches `filter div stride`
 * cells further; what it reaches beyond a row or an image are the padding's zeros of the next one.
 */
function gridOf(g: ConvGeometry): Grid {
  const cells = (before: number, size: number, out: number, filter: number, stride: number) =>
    Math.max(
      out,
      Math.ceil((before + size) / stride),
      out + Math.floor((filter - 1) / stride) - Math.floor(before / stride),
    );
  return {
    height: cells(g.top, g.inHeight, g.outHeight, g.filterHeight, g.strideHeight),
    width: cells(g.left, g.inWidth, g.outWidth, g.filterWidth, g.strideWidth),
    phases: [Math.min(g.strideHeight, g.filterHeight), Math.min(g.strideWidth, g.filterWidth)],
  };
}

function onGrids(wasm: WasmModule, g: ConvGeometry, grid: Grid, x: Pointer, dy: Pointer, out: Pointer): void {
  const cells = g.batch * grid.height * grid.width;
  const size = g.inChannels * cells;
  const count = grid.phases[0] * grid.phases[1];
  const reach = g.filterHeight * grid.width + g.filterWidth;
  withScratch(wasm, (floats) => {
    const xGrids = floats(count * size + reach);
    const dyGrid = floats(cells * g.outChannels);
    wasm.HEAPF32.fill(0, xGrids >>> 2, (xGrids >>> 2) + count * size + reach);
    wasm.HEAPF32.fill(0, dyGrid >>> 2, (dyGrid >>> 2) + cells * g.outChannels);
    layInput(wasm.HEAPF32, g, grid, x >>> 2, xGrids >>> 2);
    layOutput(wasm.HEAPF32, g, grid, dy >>> 2, dyGrid >>> 2);
    withRight(wasm, dyGrid, cells, g.outChannels, (multiply) => {
      for (let ky = 0; ky < g.filterHeight; ky++)
        for (let kx = 0; kx < g.filterWidth; kx++) {
          const phase = (ky % g.strideHeight) * grid.phases[1] + (kx % g.strideWidth);
          const moved = Math.floor(ky / g.strideHeight) * grid.width + Math.floor(kx / g.strideWidth);
          const tap = ky * g.filterWidth + kx;
          multiply(xGrids + 4 * (phase * size + moved), g.inChannels, out + 4 * tap * g.inChannels * g.outChannels);
        }
    });
  });
}

/** Lays x on its grids, channel by channel: `[phase, channel, image, row, column]`. */
function layInput(heap: Float32Array, g: ConvGeometry, grid: Grid, x: number, grids: number): void {
  const cells = g.batch * grid.height * grid.width;
  const [rowPhases, columnPhases] = grid.phases;
  for (let n = 0; n < g.batch; n++)
    for (let y = 0; y < g.inHeight; y++) {
      const rowPhase = (y + g.top) % g.strideHeight;
      if (rowPhase >= rowPhases) continue;
      const row = (n * grid.height + Math.floor((y + g.top) / g.strideHeight)) * grid.width;
      const from = x + (n * g.inHeight + y) * g.inWidth * g.inChannels;
      for (let phase = 0; phase < columnPhases; phase++) {
        const first = (((phase - g.left) % g.strideWidth) + g.strideWidth) % g.strideWidth;
        const to =
          grids +
          (rowPhase * columnPhases + phase) * g.inChannels * cells +
          row +
          (first + g.left - phase) / g.strideWidth;
        const step = g.strideWidth * g.inChannels;
        const end = from + g.inWidth * g.inChannels;
        for (let c = 0; c < g.inChannels; c++) {
          let target = to + c * cells;
          for (let source = from + first * g.inChannels + c; source < end; source += step)
            heap[target++] = heap[source] as number;
        }
      }
    }
}

/** Lays dy on its grid, channels last as it is. */
function layOutput(heap: Float32Array, g: ConvGeometry, grid: Grid, dy: number, to: number): void {
  const size = g.outWidth * g.outChannels;
  for (let n = 0; n < g.batch; n++)
    for (let y = 0; y < g.outHeight; y++) {
      const from = dy + (n * g.outHeight + y) * size;
      heap.copyWithin(to + (n * grid.height + y) * grid.width * g.outChannels, from, from + size);
    }
}
