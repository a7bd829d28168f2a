import type { Picture } from "../grid";

/** How many samples a plane of a JPEG has across and down, of those the finest one has. */
interface Sampling {
  readonly across: number;
  readonly down: number;
}

/**
 * Smooths a plane that has half the samples across, or across and down, and whose samples the decoder wrote two or four
 * times: three quarters of the nearest one and a quarter of the next, in each direction, rounded as libjpeg does ("fancy
 * upsampling"). Other samplings stay as they are.
 *
 * Source: libjpeg-turbo 3 src/jdsample.c, h2v1_fancy_upsample and h2v2_fancy_upsample.
 */
export function smooth({ width, height, data }: Picture, plane: number, own: Sampling, all: readonly Sampling[]): void {
  const across = Math.max(...all.map((other) => other.across)) / own.across;
  const down = Math.max(...all.map((other) => other.down)) / own.down;
  // libjpeg does not smooth planes of one or two samples a row.
  if (across !== 2 || (down !== 1 && down !== 2) || width <= 4) return;
  const [columns, rows] = [Math.ceil(width / 2), Math.ceil(height / down)];
  const samples = new Uint8Array(columns * rows);
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) samples[y * columns + x] = data[(y * down * width + 2 * x) * 3 + plane] as number;
  const sample = (y: number, x: number) => samples[y * columns + x] as number;
  for (let y = 0; y < height; y++) {
    const near = Math.floor(y / down);
    const far = Math.min(Math.max(near + (down === 1 ? 0 : y % 2 === 0 ? -1 : 1), 0), rows - 1);
    /** The column's value between both rows, times 4; of one row alone times 1. */
    const column = (x: number) => (down === 1 ? sample(near, x) : 3 * sample(near, x) + sample(far, x));
    const [bits, before, after] = down === 1 ? [2, 1, 2] : [4, 8, 7];
    for (let x = 0; x < width; x++) {
      const nearest = x >> 1;
      const next = Math.min(Math.max(nearest + (x % 2 === 0 ? -1 : 1), 0), columns - 1);
      const sum = 3 * column(nearest) + column(next) + (x % 2 === 0 ? before : after);
      data[(y * width + x) * 3 + plane] = sum >> (bits as number);
    }
  }
}

/** Luma and chroma to red, green, blue, in place, rounded as libjpeg does. Source: ITU-T T.871 (JFIF), section 7. */
export function toRgb(data: Uint8Array): void {
  const byte = (x: number) => Math.min(Math.max(Math.floor(x + 0.5), 0), 255);
  for (let at = 0; at < data.length; at += 3) {
    const [luma, blue, red] = [data[at] as number, (data[at + 1] as number) - 128, (data[at + 2] as number) - 128];
    data[at] = byte(luma + 1.402 * red);
    data[at + 1] = byte(luma - 0.344136286 * blue - 0.714136286 * red);
    data[at + 2] = byte(luma + 1.772 * blue);
  }
}
