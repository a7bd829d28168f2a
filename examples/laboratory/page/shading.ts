/** Densities as shades of a colour: of a mixture that is noised, exactly, and of samples that are. */
import { classShares, type Law, modesOf } from "../../plane/law";
import type { Points } from "../views";

/** Cells along a side. */
const cells = 72;

/** What is shaded: the plane from −extent to +extent of `x_t = alpha·x_0 + sigma·ε`. */
export interface Noised {
  readonly alpha: number;
  readonly sigma: number;
  readonly extent: number;
}

/** Density of a class of the law, of the whole law where it is undefined, up to a factor. */
export function densityOfLaw(law: Law, c: number | undefined, { alpha, sigma, extent }: Noised): Float32Array {
  const classes = c === undefined ? [...classShares(law).entries()] : [[c, 1] as const];
  const variance = alpha ** 2 * law.variance + sigma ** 2;
  const density = new Float32Array(cells * cells);
  const modes = classes.flatMap(([one, often]) =>
    modesOf(law, one).map(({ centre, share }) => ({ centre, share: often * share })),
  );
  for (const { centre, share } of modes) {
    // A round Gaussian is a product of two.
    const [column, row] = centre.map((mean) =>
      Float32Array.from({ length: cells }, (_, i) => {
        const x = extent * ((2 * i + 1) / cells - 1);
        return Math.exp(-((x - alpha * mean) ** 2) / (2 * variance));
      }),
    ) as [Float32Array, Float32Array];
    for (let i = 0; i < cells; i++) {
      const weight = share * (row[i] as number);
      if (weight < 1e-6) continue;
      for (let j = 0; j < cells; j++)
        density[i * cells + j] = (density[i * cells + j] as number) + weight * (column[j] as number);
    }
  }
  return density;
}

/** Density of noised samples, up to a factor. */
export function densityOfSamples(samples: readonly Points[], { alpha, sigma, extent }: Noised): Float32Array {
  const cell = (2 * extent) / cells;
  const density = new Float32Array(cells * cells);
  for (const points of samples)
    for (let k = 0; k < points.length; k += 2) {
      const j = Math.floor((alpha * (points[k] as number) + extent) / cell);
      const i = Math.floor((alpha * (points[k + 1] as number) + extent) / cell);
      if (i >= 0 && i < cells && j >= 0 && j < cells) density[i * cells + j] = (density[i * cells + j] as number) + 1;
    }
  const width = Math.max(sigma, 0.06) / cell;
  return blurred(blurred(density, width, 1, cells), width, cells, 1);
}

/** Smoothed by a Gaussian along one axis. */
function blurred(density: Float32Array, width: number, step: number, stride: number): Float32Array {
  const reach = Math.ceil(2.5 * width);
  const kernel = Float32Array.from({ length: reach + 1 }, (_, k) => Math.exp(-((k / width) ** 2) / 2));
  const out = new Float32Array(density.length);
  for (let line = 0; line < cells; line++)
    for (let from = 0; from < cells; from++) {
      const mass = density[line * stride + from * step] as number;
      if (mass === 0) continue;
      for (let to = Math.max(0, from - reach); to <= Math.min(cells - 1, from + reach); to++) {
        const at = line * stride + to * step;
        out[at] = (out[at] as number) + mass * (kernel[Math.abs(to - from)] as number);
      }
    }
  return out;
}

/** A density as a picture: the denser, the stronger the colour, which is `[red, green, blue]`. */
export function shade(density: Float32Array, [red, green, blue]: readonly number[], strength: number) {
  const canvas = document.createElement("canvas");
  canvas.width = cells;
  canvas.height = cells;
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  const image = context.createImageData(cells, cells);
  const most = density.reduce((a, b) => Math.max(a, b), 0) || 1;
  for (let i = 0; i < cells; i++)
    for (let j = 0; j < cells; j++) {
      // The first row of the picture is the top one.
      const share = (density[(cells - 1 - i) * cells + j] as number) / most;
      image.data.set([red ?? 0, green ?? 0, blue ?? 0, 255 * strength * Math.sqrt(share)], 4 * (i * cells + j));
    }
  context.putImageData(image, 0, 0);
  return canvas;
}
