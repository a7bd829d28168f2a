import type { Picture } from "../grid";

/** How many samples a plane of a JPEG has across and down, of those the finest one has. */
interface Sampling {
  readonly across: number;
  readonly down: number;
}

/**
 * Smooths a plane that has half the samples across, down or both, and whose samples the decoder wrote two or four times:
 * three quarters of the nearest one and a quarter of the next, in each such direction, rounded as libjpeg does ("fancy
 * upsampling"). Other samplings stay as they are.
 *
 * Source: libjpeg-turbo 3 src/jdsample.c, h2v1_fancy_upsample, h1v2_fancy_upsample and h2v2_fancy_upsample.
 */
export function smooth({ width, height, data }: Picture, plane: number, own: Sampling, all: readonly Sampling[]): void {
  const across = Math.max(...all.map((other) => other.across)) / own.across;
  const down = Math.max(...all.map((other) => other.down)) / own.down;
  const finest = across === 1 && down === 1;
  if (finest || ![1, 2].includes(across) || ![1, 2].includes(down)) return;
  // libjpeg does not smooth planes of one or two samples a row.
  if (across === 2 && width <= 4) return;
  const [columns, rows] = [Math.ceil(width / across), Math.ceil(height / down)];
  const samples = new Uint8Array(columns * rows);
  for (let y = 0, to = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) samples[to++] = data[(y * down * width + x * across) * 3 + plane] as number;
  const line = new Uint16Array(columns);
  for (let y = 0; y < height; y++) {
    const near = Math.floor(y / down) * columns;
    const far = (y % 2 === 0 ? Math.max(near - columns, 0) : Math.min(near + columns, (rows - 1) * columns)) as number;
    for (let x = 0; x < columns; x++)
      line[x] =
        down === 1 ? (samples[near + x] as number) : 3 * (samples[near + x] as number) + (samples[far + x] as number);
    for (let x = 0, to = y * width * 3 + plane; x < width; x++, to += 3) {
      if (across === 1) {
        data[to] = ((line[x] as number) + (y % 2 === 0 ? 1 : 2)) >> 2;
        continue;
      }
      const even = x % 2 === 0;
      const nearest = x >> 1;
      const next = even ? Math.max(nearest - 1, 0) : Math.min(nearest + 1, columns - 1);
      const sum = 3 * (line[nearest] as number) + (line[next] as number);
      data[to] = down === 1 ? (sum + (even ? 1 : 2)) >> 2 : (sum + (even ? 8 : 7)) >> 4;
    }
  }
}

/** Luma and chroma to red, green, blue, in place, rounded as libjpeg does. Source: ITU-T T.871 (JFIF), section 7. */
export function toRgb(data: Uint8Array): void {
  // Its numbers are rounded to the nearest even one by this kind of array, and halves do not come up.
  const bytes = new Uint8ClampedArray(data.buffer, data.byteOffset, data.length);
  for (let at = 0; at < data.length; at += 3) {
    const luma = data[at] as number;
    const [blue, red] = [(data[at + 1] as number) - 128, (data[at + 2] as number) - 128];
    bytes[at] = luma + 1.402 * red;
    bytes[at + 1] = luma - 0.344136286 * blue - 0.714136286 * red;
    bytes[at + 2] = luma + 1.772 * blue;
  }
}
