import { blend, type Canvas, type Rgb } from "./canvas";
import { glyphOf, type Stroke, strokeWidth, top, unitsPerSize } from "./font";

/** How a text looks: its size is the height of its lines in dots, from above the tallest letter to below the deepest. */
export interface Face {
  readonly size: number;
  readonly colour: Rgb;
}

/** Width of one line of text in dots. */
export function textWidth(text: string, size: number): number {
  return Math.ceil(([...text].reduce((sum, character) => sum + glyphOf(character).advance, 0) * size) / unitsPerSize);
}

/** Draws one line of text into a box of its width and size. */
export function drawText(canvas: Canvas, text: string, x: number, y: number, { size, colour }: Face): void {
  const unit = size / unitsPerSize;
  let pen = x;
  for (const character of text) {
    const { advance, strokes } = glyphOf(character);
    const place = (value: number, i: number) => (i % 2 === 0 ? pen + value * unit : y + (top - value) * unit);
    const placed = strokes.map((stroke) => stroke.map(place));
    const left = Math.floor(pen);
    for (let row = y; row < y + size; row++)
      for (let column = left; column < pen + advance * unit; column++) {
        // A dot is covered as far as it reaches into the stroke.
        const covered = (strokeWidth / 2) * unit - distance(placed, column + 0.5, row + 0.5) + 0.5;
        if (covered > 0) blend(canvas, column, row, colour, Math.min(1, covered));
      }
    pen += advance * unit;
  }
}

/** Breaks a text between words into lines of at most `width` dots, unless a word alone is wider. */
export function wrapText(text: string, size: number, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = [...lines.slice(-1), word].join(" ");
    if (lines.length > 0 && textWidth(longer, size) <= width) lines.splice(-1, 1, longer);
    else lines.push(word);
  }
  return lines;
}

/** The same with lines about as long as one another, where it takes more than one. */
export function wrapEvenly(text: string, size: number, width: number): string[] {
  return wrapText(text, size, widthInLines(text, size, wrapText(text, size, width).length));
}

/** The least width at which a text needs at most so many lines. */
export function widthInLines(text: string, size: number, lines: number): number {
  let low = Math.max(...text.split(" ").map((word) => textWidth(word, size)));
  let high = textWidth(text, size);
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (wrapText(text, size, middle).length <= lines) high = middle;
    else low = middle + 1;
  }
  return high;
}

/** From a point to the nearest line of the strokes. */
function distance(strokes: readonly Stroke[], x: number, y: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (const stroke of strokes) {
    let [fromX = 0, fromY = 0] = stroke;
    for (let i = 2; i + 1 < stroke.length; i += 2) {
      const [toX, toY] = [stroke[i] as number, stroke[i + 1] as number];
      const [dx, dy] = [toX - fromX, toY - fromY];
      const along = ((x - fromX) * dx + (y - fromY) * dy) / (dx * dx + dy * dy || 1);
      const part = Math.min(1, Math.max(0, along));
      const [offX, offY] = [x - fromX - part * dx, y - fromY - part * dy];
      least = Math.min(least, offX * offX + offY * offY);
      [fromX, fromY] = [toX, toY];
    }
  }
  return Math.sqrt(least);
}
