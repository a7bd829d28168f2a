import { type Canvas, createCanvas, drawImage, drawText, type Rgb, textWidth } from "./canvas";
import { side } from "./pixels";

const background: Rgb = [24, 26, 32];
const ink: Rgb = [226, 228, 233];
const scale = 5;
const gap = 4;
const blockGap = 28;
const margin = 16;
const labelScale = 2;
const lineHeight = 24;

/** One column of the picture: a title and, per prompt, some images. */
export interface Block {
  readonly title: string;
  /** `images[prompt][i]` is a standardised 8×8 image. */
  readonly images: readonly (readonly ArrayLike<number>[])[];
}

/** Prompts from top to bottom, blocks from left to right, labelled. */
export function drawGrid(prompts: readonly string[], blocks: readonly Block[]): Canvas {
  const tile = side * scale + gap;
  const labels = Math.max(...prompts.map((prompt) => textWidth(prompt, labelScale))) + 2 * margin;
  const widths = blocks.map(({ title, images }) =>
    Math.max((images[0]?.length ?? 0) * tile - gap, textWidth(title, labelScale)),
  );
  const width = labels + widths.reduce((a, b) => a + b + blockGap, 0) - blockGap + margin;
  const canvas = createCanvas(width, margin + lineHeight + prompts.length * tile + margin, background);
  const rowAt = (row: number) => margin + lineHeight + row * tile;

  prompts.forEach((prompt, row) => {
    drawText(canvas, prompt, margin, rowAt(row) + (side * scale) / 2 - 7, labelScale, ink);
  });
  let left = labels;
  blocks.forEach(({ title, images }, block) => {
    drawText(canvas, title, left, margin - 4, labelScale, ink);
    images.forEach((list, row) => {
      list.forEach((image, column) => {
        drawImage(canvas, image, left + column * tile, rowAt(row), scale);
      });
    });
    left += (widths[block] ?? 0) + blockGap;
  });
  return canvas;
}
