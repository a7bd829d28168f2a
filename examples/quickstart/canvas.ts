import { encode } from "fast-png";
import { glyphColumns, glyphHeight, glyphWidth } from "./font";
import { pixelByte, side } from "./pixels";

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
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => background[i % 3] ?? 0);
  return { width, height, data };
}

/** Fills a rectangle; what lies outside is cut off. */
export function fillRectangle(canvas: Canvas, x: number, y: number, width: number, height: number, colour: Rgb): void {
  for (let row = Math.max(0, y); row < Math.min(canvas.height, y + height); row++)
    for (let column = Math.max(0, x); column < Math.min(canvas.width, x + width); column++)
      canvas.data.set(colour, (row * canvas.width + column) * 3);
}

/** Draws a standardised 8×8 image with square pixels of `scale` dots; colours out of range are clipped. */
export function drawImage(canvas: Canvas, image: ArrayLike<number>, x: number, y: number, scale: number): void {
  const byte = (i: number) => pixelByte(image[i] ?? 0);
  for (let pixel = 0; pixel < side * side; pixel++) {
    const left = x + (pixel % side) * scale;
    const top = y + Math.floor(pixel / side) * scale;
    fillRectangle(canvas, left, top, scale, scale, [byte(3 * pixel), byte(3 * pixel + 1), byte(3 * pixel + 2)]);
  }
}

/** Draws one line of text with dots of `scale` pixels. */
export function drawText(canvas: Canvas, text: string, x: number, y: number, scale: number, colour: Rgb): void {
  [...text].forEach((character, place) => {
    glyphColumns(character).forEach((column, i) => {
      for (let row = 0; row < glyphHeight; row++)
        if ((column >> row) & 1)
          fillRectangle(canvas, x + (place * (glyphWidth + 1) + i) * scale, y + row * scale, scale, scale, colour);
    });
  });
}

/** Width of a text in pixels. */
export function textWidth(text: string, scale: number): number {
  return Math.max(0, text.length * (glyphWidth + 1) - 1) * scale;
}

/** The picture as a PNG file. */
export function encodePng({ width, height, data }: Canvas): Uint8Array {
  return encode({ width, height, data, channels: 3 });
}
