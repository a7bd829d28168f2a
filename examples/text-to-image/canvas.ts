import { encode } from "fast-png";

/** Red, green and blue from 0 to 255. */
export type Rgb = readonly [number, number, number];

/** A picture in memory: rows of red, green, blue bytes. */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A canvas of one colour. */
export function createCanvas(width: number, height: number, background: Rgb): Canvas {
  const canvas = { width, height, data: new Uint8Array(width * height * 3) };
  fillRectangle(canvas, 0, 0, width, height, background);
  return canvas;
}

/** Fills a rectangle; what lies outside is cut off. */
export function fillRectangle(canvas: Canvas, x: number, y: number, width: number, height: number, colour: Rgb): void {
  const [left, top] = [Math.max(0, x), Math.max(0, y)];
  const [right, bottom] = [Math.min(canvas.width, x + width), Math.min(canvas.height, y + height)];
  if (left >= right || top >= bottom) return;
  const at = (row: number, column: number) => (row * canvas.width + column) * 3;
  for (let column = left; column < right; column++) canvas.data.set(colour, at(top, column));
  for (let row = top + 1; row < bottom; row++) canvas.data.copyWithin(at(row, left), at(top, left), at(top, right));
}

/** Lays a colour over one dot, as far as it covers it: from 0 to 1. */
export function blend(canvas: Canvas, x: number, y: number, colour: Rgb, coverage: number): void {
  if (x < 0 || x >= canvas.width || y < 0 || y >= canvas.height) return;
  const at = (y * canvas.width + x) * 3;
  colour.forEach((value, i) => {
    const below = canvas.data[at + i] ?? 0;
    canvas.data[at + i] = Math.round(below + (value - below) * coverage);
  });
}

/** Draws a picture with square pixels of `scale` dots. */
export function drawPicture(canvas: Canvas, picture: Canvas, x: number, y: number, scale: number): void {
  const { width, height, data } = picture;
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const [red = 0, green = 0, blue = 0] = data.subarray((row * width + column) * 3);
      fillRectangle(canvas, x + column * scale, y + row * scale, scale, scale, [red, green, blue]);
    }
}

/** What {@link drawPicture} drew. */
export function cutPicture(canvas: Canvas, x: number, y: number, size: number, scale: number): Canvas {
  const data = new Uint8Array(size * size * 3);
  for (let pixel = 0; pixel < size * size; pixel++) {
    const dot = (y + Math.floor(pixel / size) * scale) * canvas.width + x + (pixel % size) * scale;
    data.set(canvas.data.subarray(3 * dot, 3 * dot + 3), 3 * pixel);
  }
  return { width: size, height: size, data };
}

/** The picture as a PNG file, with lines of text in it for programs. */
export function encodePng({ width, height, data }: Canvas, text: Readonly<Record<string, string>> = {}): Uint8Array {
  return encode({ width, height, data, channels: 3, text });
}
