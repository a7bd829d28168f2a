/** A geometric face of round strokes, so that pictures can carry labels. In units of 1/22 of the text's size. */

/** A line through these points: x, y, x, y, … from the glyph's left end and upwards from the baseline. */
export type Stroke = readonly number[];

export interface Glyph {
  /** How far the next glyph stands. */
  readonly advance: number;
  readonly strokes: readonly Stroke[];
}

/** Units of the text's size. */
export const unitsPerSize = 22;
/** Top of a line; its bottom is {@link unitsPerSize} below, the deepest letters' ends a little above that. */
export const top = 16;
/** Thickness of the strokes. */
export const strokeWidth = 1.9;

/** Room left and right of a glyph's lines. */
const bearing = 1.75;

/**
 * Width, then moves (m x y), lines (l x y) and arcs (a centre x y, radii x y, from and to in degrees, joined to
 * what is before; o one that begins anew). Small letters are 10 high, with ascenders 15, digits 14.
 */
const drawings: Readonly<Record<string, string>> = {
  a: "7.2 a3.7 6.7 3.5 3.3 145 0 l7.2 0 m7.2 5.7 l3.1 5.7 a3.1 2.85 3.1 2.85 90 270 a3.1 2.85 4.1 2.85 270 360",
  b: "8.1 m0 15 l0 0 a4.2 5 4.2 5 180 540",
  c: "7.1 a4.3 5 4.3 5 48 312",
  d: "8.4 m8.4 15 l8.4 0 o4.2 5 4.2 5 0 360",
  e: "8.1 m0 5.2 l8.4 5.2 a4.2 5 4.2 5 2 315",
  f: "5.1 a4.5 12 2.8 3 65 180 l1.7 0 m0 9.8 l5 9.8",
  g: "8.4 m8.4 10 l8.4 -0.8 a4.3 -0.8 4.1 4.2 0 -145 o4.2 5 4.2 5 0 360",
  h: "7.6 m0 15 l0 0 m0 6 a3.8 6 3.8 4 180 0 l7.6 0",
  i: "0 m0 10 l0 0 o0 14.2 .35 .35 0 360",
  j: "1.6 m1.6 10 l1.6 -2 a-1.2 -2 2.8 3 0 -85 o1.6 14.2 .35 .35 0 360",
  k: "6.9 m0 15 l0 0 m6.6 10 l0 4.2 m2.6 6 l6.9 0",
  l: "0 m0 15 l0 0",
  m: "12.4 m0 10 l0 0 m0 6.2 a3.1 6.2 3.1 3.8 180 0 l6.2 0 m6.2 6.2 a9.3 6.2 3.1 3.8 180 0 l12.4 0",
  n: "7.6 m0 10 l0 0 m0 6 a3.8 6 3.8 4 180 0 l7.6 0",
  o: "8.6 a4.3 5 4.3 5 0 360",
  p: "8.1 m0 10 l0 -5 o4.2 5 4.2 5 180 540",
  q: "8.4 m8.4 10 l8.4 -5 o4.2 5 4.2 5 0 360",
  r: "4.2 m0 10 l0 0 m0 5.8 a3.9 5.8 3.9 4.2 180 75",
  s: "6.6 a3.4 7.45 3 2.55 35 270 a3.4 2.45 3.2 2.45 90 -145",
  t: "4.7 m1.7 13.6 l1.7 3 a4.4 3 2.7 3 180 290 m0 9.8 l4.7 9.8",
  u: "7.6 m0 10 l0 4 a3.8 4 3.8 4 180 360 m7.6 10 l7.6 0",
  v: "7.6 m0 10 l3.8 0 l7.6 10",
  w: "11.6 m0 10 l2.9 0 l5.8 9.6 l8.7 0 l11.6 10",
  x: "7.2 m0 10 l7.2 0 m7.2 10 l0 0",
  y: "7.6 m0 10 l3.9 0 m7.6 10 l1.9 -5",
  z: "6.8 m0 10 l6.6 10 l0 0 l6.8 0",
  0: "8.4 a4.2 7 4.2 7 0 360",
  1: "3.4 m0 11.4 l3.4 14 l3.4 0",
  2: "7.8 a3.9 10.1 3.7 3.9 165 -38 l0 0 l7.8 0",
  3: "7.6 a3.6 10.6 3.4 3.4 145 -90 a3.6 3.6 4 3.6 90 -150",
  4: "8.4 m6.4 0 l6.4 14 l0 4 l8.4 4",
  5: "7.8 m7.2 14 l1.4 14 l0.9 7.6 a3.8 4.6 4 4.6 128 -150",
  6: "8.4 m5.8 14 l0.75 6.8 a4.2 4.3 4.2 4.3 145 505",
  7: "7.6 m0 14 l7.6 14 l2.4 0",
  8: "8.2 a4.1 10.6 3.4 3.4 0 360 o4.1 3.6 4.1 3.6 0 360",
  9: "8.4 m2.6 0 l7.65 7.2 a4.2 9.7 4.2 4.3 -35 325",
  "-": "4.4 m0 5.2 l4.4 5.2",
  ",": "0.9 m0.9 0.3 l0 -2.6",
  ".": "0 o0 0.2 .35 .35 0 360",
  ":": "0 o0 0.2 .35 .35 0 360 o0 8.6 .35 .35 0 360",
  "·": "0 o0 5 .35 .35 0 360",
  "'": "0 m0 15 l0 12",
  "!": "0 m0 14 l0 5 o0 0.2 .35 .35 0 360",
  "?": "6.6 a3.4 10.8 3.2 3.2 160 -90 l3.4 5 o3.4 0.2 .35 .35 0 360",
  "*": "6.8 m3.4 10 l3.4 14 m3.4 10 l-0.4 11.2 m3.4 10 l1.05 6.8 m3.4 10 l5.75 6.8 m3.4 10 l7.2 11.2",
  "(": "2.4 a6 5.5 6 11 135 225",
  ")": "2.4 a-3.6 5.5 6 11 45 -45",
  " ": "2.2",
  "\u00a0": "2.2",
};
/** For a character that the font does not have: an empty box. */
const unknown = "7 m0 0 l7 0 l7 14 l0 14 l0 0";

const glyphs = new Map<string, Glyph>();

/** How a character is drawn; capitals look like small letters. */
export function glyphOf(character: string): Glyph {
  const drawing = drawings[character.toLowerCase()] ?? unknown;
  const glyph = glyphs.get(drawing) ?? parse(drawing);
  glyphs.set(drawing, glyph);
  return glyph;
}

function parse(drawing: string): Glyph {
  const [width = 0] = numbersOf(drawing);
  const strokes: number[][] = [];
  for (const [, command = "", text = ""] of drawing.matchAll(/([mlao])([^mlao]*)/g)) {
    const numbers = numbersOf(text);
    if (command === "m" || command === "o" || strokes.length === 0) strokes.push([]);
    const points = command === "m" || command === "l" ? numbers : arc(numbers);
    strokes.at(-1)?.push(...points.map((value, i) => (i % 2 === 0 ? value + bearing : value)));
  }
  return { advance: width + 2 * bearing, strokes };
}

function arc([x = 0, y = 0, radiusX = 0, radiusY = 0, from = 0, to = 0]: readonly number[]): number[] {
  const parts = Math.ceil(Math.abs(to - from) / 12);
  return Array.from({ length: parts + 1 }, (_, i) => {
    const angle = ((from + ((to - from) * i) / parts) * Math.PI) / 180;
    return [x + radiusX * Math.cos(angle), y + radiusY * Math.sin(angle)];
  }).flat();
}

function numbersOf(text: string): number[] {
  return text
    .split(" ")
    .flatMap((part) => part.match(/-?[\d.]+/g) ?? [])
    .map(Number);
}
