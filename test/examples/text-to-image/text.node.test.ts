import { fc, test } from "@fast-check/vitest";
import { decode } from "fast-png";
import { describe, expect } from "vitest";
import { captionWords as digitWords } from "../../../examples/digits/captions";
import { captionWords } from "../../../examples/quickstart/captions";
import {
  blend,
  type Canvas,
  createCanvas,
  cutPicture,
  drawPicture,
  encodePng,
} from "../../../examples/text-to-image/canvas";
import { glyphOf, strokeWidth, top, unitsPerSize } from "../../../examples/text-to-image/font";
import { drawText, textWidth, widthInLines, wrapText } from "../../../examples/text-to-image/text";

const words = [...captionWords, ...digitWords];
const text = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 7 }).map((all) => all.join(" "));
const size = fc.constantFrom(18, 34, 42);

/** Columns and rows of the dots that are not black. */
function ink({ width, data }: Canvas) {
  const lit = Array.from({ length: data.length / 3 }, (_, i) => i).filter((i) => (data[3 * i] ?? 0) > 0);
  const [x, y] = [lit.map((i) => i % width), lit.map((i) => Math.floor(i / width))];
  return { left: Math.min(...x), right: Math.max(...x), top: Math.min(...y), bottom: Math.max(...y) };
}

describe("text", () => {
  test.prop({ text, size }, { numRuns: 25 })("stays within its box and fills it", ({ text, size }) => {
    const [width, room] = [textWidth(text, size), 40];
    const canvas = createCanvas(width + 2 * room, size + 2 * room, [0, 0, 0]);
    drawText(canvas, text, room, room, { size, colour: [255, 255, 255] });
    const { left, right, top, bottom } = ink(canvas);
    expect(left).toBeGreaterThanOrEqual(room);
    expect(right).toBeLessThan(room + width);
    expect(top).toBeGreaterThanOrEqual(room);
    expect(bottom).toBeLessThan(room + size);
    expect(left - room).toBeLessThan(size / 6);
    expect(room + width - right).toBeLessThan(size / 6);
  });

  test("of every word and sign is whole: no dot is cut off above, below or beside", () => {
    for (const character of new Set([...words.join(""), ..."0123456789-,.:·'!?*()"])) {
      const { advance, strokes } = glyphOf(character);
      expect(strokes.length, character).toBeGreaterThan(0);
      for (const stroke of strokes)
        for (let i = 0; i < stroke.length; i += 2) {
          const [x = Number.NaN, y = Number.NaN] = stroke.slice(i, i + 2);
          const isInside = Math.min(x, advance - x, top - y, y - top + unitsPerSize) >= strokeWidth / 2;
          expect(isInside, `${character}: ${x}, ${y}`).toBe(true);
        }
    }
    expect(glyphOf("Q")).toBe(glyphOf("q"));
  });

  test("tells every letter and digit from every other, and shows what it cannot draw as a box", () => {
    const all = [..."abcdefghijklmnopqrstuvwxyz0123456789"].map((character) => JSON.stringify(glyphOf(character)));
    expect(new Set(all).size).toBe(36);
    expect(glyphOf("字").strokes[0]).toHaveLength(10);
    expect(glyphOf(" ").strokes).toEqual([]);
    expect(glyphOf("\u00a0")).toEqual(glyphOf(" "));
  });

  test("covers dots as far as its strokes reach into them", () => {
    const canvas = createCanvas(12, 44, [10, 10, 10]);
    drawText(canvas, "l", 0, 0, { size: 44, colour: [210, 110, 10] });
    // The stem lies around 1.75 units of 2 dots: 3.5, and reaches 1.9 dots to both sides.
    const row = Array.from({ length: 8 }, (_, x) =>
      Array.from(canvas.data.slice((16 * 12 + x) * 3, (16 * 12 + x) * 3 + 3)),
    );
    expect(row).toEqual([
      [10, 10, 10],
      [90, 50, 10], // 1.9 − 2 + 0.5 of it
      [210, 110, 10],
      [210, 110, 10],
      [210, 110, 10],
      [90, 50, 10],
      [10, 10, 10],
      [10, 10, 10],
    ]);
  });

  test.prop({ text, size, lines: fc.integer({ min: 1, max: 3 }) })(
    "breaks between words into as many lines as asked for",
    ({ text, size, lines }) => {
      const width = widthInLines(text, size, lines);
      const broken = wrapText(text, size, width);
      expect(broken.join(" ")).toBe(text);
      expect(broken.length).toBeLessThanOrEqual(lines);
      for (const line of broken) expect(textWidth(line, size)).toBeLessThanOrEqual(width);
      const narrower = wrapText(text, size, width - 1);
      expect(narrower.length > lines || narrower.some((line) => textWidth(line, size) >= width)).toBe(true);
    },
  );
});

describe("a canvas", () => {
  const picture = { width: 2, height: 2, data: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) };

  test("becomes a PNG dot by dot, with its text", () => {
    const canvas = createCanvas(5, 6, [50, 60, 70]);
    drawPicture(canvas, picture, 1, 1, 2);
    const { width, height, channels, data, text } = decode(encodePng(canvas, { key: "value" }));
    expect([width, height, channels, text]).toEqual([5, 6, 3, { key: "value" }]);
    const rows = Array.from({ length: 6 }, (_, y) => Array.from({ length: 5 }, (_, x) => data[(y * 5 + x) * 3 + 2]));
    expect(rows).toEqual([
      [70, 70, 70, 70, 70],
      [70, 3, 3, 6, 6],
      [70, 3, 3, 6, 6],
      [70, 9, 9, 12, 12],
      [70, 9, 9, 12, 12],
      [70, 70, 70, 70, 70],
    ]);
    expect(cutPicture(canvas, 1, 1, 2, 2)).toEqual(picture);
  });

  test("cuts off what lies beyond it", () => {
    const canvas = createCanvas(2, 2, [0, 0, 0]);
    drawPicture(canvas, picture, -1, 1, 1);
    blend(canvas, 2, 0, [9, 9, 9], 1);
    blend(canvas, 0, 0, [9, 9, 9], 1);
    blend(canvas, 0, -1, [9, 9, 9], 1);
    expect(Array.from(canvas.data)).toEqual([9, 9, 9, 0, 0, 0, 4, 5, 6, 0, 0, 0]);
  });
});
