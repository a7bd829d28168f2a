import { describe, expect, test } from "vitest";
import { type Canvas, cutPicture } from "../../../examples/text-to-image/canvas";
import { type Block, drawGrid, scaleOf, theme } from "../../../examples/text-to-image/picture";

/** A picture of one colour that nothing else on the canvas has. */
const plain = (size: number, n: number): Canvas => ({
  width: size,
  height: size,
  data: new Uint8Array(size * size * 3).fill(n),
});

/** The box of a colour's dots. */
function boxOf({ width, data }: Canvas, [red, green, blue]: readonly number[]) {
  let [left, top, right, bottom, count] = [width, data.length, -1, -1, 0];
  for (let i = 0; i < data.length / 3; i++)
    if (data[3 * i] === red && data[3 * i + 1] === green && data[3 * i + 2] === blue) {
      const [x, y] = [i % width, Math.floor(i / width)];
      [left, right] = [Math.min(left, x), Math.max(right, x)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
      count++;
    }
  return { left, top, width: right - left + 1, height: bottom - top + 1, count };
}

const longest = "picture of a little tangerine happy face";
const row = (caption: string, isHeldOut = false) => ({ caption, isHeldOut });
const block = (title: string, pictures: readonly (readonly Canvas[])[]): Block => ({ title, note: "", pictures });

describe.each([
  { size: 24, scale: 4 },
  { size: 8, scale: 12 },
])("a grid of pictures of $size pixels", ({ size, scale }) => {
  test("lays captions out from top to bottom and blocks from left to right, whole and 96 dots large", () => {
    const blocks = [
      block("x", [
        [plain(size, 101), plain(size, 102)],
        [plain(size, 103), plain(size, 104)],
      ]),
      block("y", [[plain(size, 105)], [plain(size, 106)]]),
    ];
    const canvas = drawGrid({ size }, [row("a"), row("b")], blocks);
    expect(scaleOf({ size }, 96)).toBe(scale);
    const boxes = [101, 102, 103, 104, 105, 106].map((n) => boxOf(canvas, [n, n, n]));
    for (const box of boxes) expect(box).toMatchObject({ width: 96, height: 96, count: 96 * 96 });
    const [a, b, c, d, e, f] = boxes as [Box, Box, Box, Box, Box, Box];
    expect([a.top, b.top, c.top, d.top]).toEqual([e.top, e.top, f.top, f.top]);
    expect([a.left, b.left]).toEqual([c.left, d.left]);
    expect(b.left - a.left).toBe(96 + 6);
    expect(c.top - a.top).toBe(96 + 10);
    expect(e.left - b.left).toBeGreaterThan(96 + 20);
    expect(canvas.width - e.left - 96).toBe(32);
    expect(canvas.height - c.top - 96).toBe(32);
  });

  test("keeps pictures as they are", () => {
    const data = Uint8Array.from({ length: size * size * 3 }, (_, i) => 100 + ((i * 7) % 90));
    data.set([201, 202, 203]);
    const picture = { width: size, height: size, data };
    const canvas = drawGrid({ size }, [row("a blue cat")], [block("real", [[picture]])]);
    const { left, top } = boxOf(canvas, [201, 202, 203]);
    expect(cutPicture(canvas, left, top, size, scale)).toEqual(picture);
  });
});

type Box = ReturnType<typeof boxOf>;

describe("the words of a grid", () => {
  const grid = (captions: readonly string[], heldOut = false, notes = "1 step") => {
    const pictures = captions.map(() => [plain(24, 101)]);
    const rows = captions.map((caption) => row(caption, heldOut));
    return drawGrid({ size: 24 }, rows, [{ title: "generator", note: notes, pictures }]);
  };
  /** Dots of letters: those that are neither background nor picture. */
  const letters = ({ width, data }: Canvas) =>
    Array.from({ length: data.length / 3 }, (_, i) => i)
      .filter((i) => data[3 * i] !== theme.background[0] && data[3 * i] !== 101)
      .map((i) => ({ x: i % width, y: Math.floor(i / width) }));

  test.each([
    ["short", ["a cat"]],
    ["the longest", [longest]],
    ["long and held out", [`${longest} *`]],
    ["many", [longest, "a cat", longest]],
    ["longer than any", [Array(30).fill(longest).join(" ")]],
    ["one word without end", ["automobile".repeat(12)]],
  ])("never touch a picture or an edge: %s", (_, captions) => {
    const canvas = grid(captions);
    const pictures = boxOf(canvas, [101, 101, 101]);
    const lines = letters(canvas);
    for (const { x, y } of lines) {
      const isCaption = y >= pictures.top - 6 && y < pictures.top + pictures.height;
      if (isCaption && x >= pictures.left - 20) expect.fail(`a letter at ${x}, ${y}`);
      if (x < 24 || y < 24 || x >= canvas.width - 24 || y >= canvas.height - 24) expect.fail(`an edge at ${x}, ${y}`);
    }
    expect(pictures.count).toBe(captions.length * 96 * 96);
    expect(boxOf(canvas, theme.ink).count).toBeGreaterThan(100);
  });

  test("take two lines beside a picture, so that they are large in a page", () => {
    const canvas = grid([longest, longest]);
    expect(canvas.height).toBe(32 + 2 * 38 + 18 + 96 + 10 + 96 + 32);
    // Forty letters of 42 dots beside eleven more pictures: 14 dots at a page of 830.
    const { left } = boxOf(canvas, [101, 101, 101]);
    expect(left).toBeLessThan(460);
    expect((42 * 830) / (left + 12 * 102 + 3 * 34 + 32)).toBeGreaterThan(18);
  });

  test("make room for titles that are wider than their pictures", () => {
    const narrow = grid(["a cat"]);
    const wide = grid(["a cat"], false, "one hundred steps, guided twice");
    expect(wide.width).toBeGreaterThan(narrow.width + 200);
    const { left, width } = boxOf(wide, theme.faint);
    expect(left + width).toBeLessThan(wide.width - 24);
  });

  test("mark captions that training never saw, and say what the mark means", () => {
    const [seen, unseen] = [grid(["a green cat"]), grid(["a green cat"], true)];
    expect(boxOf(seen, theme.accent).count).toBe(0);
    expect(boxOf(unseen, theme.accent).count).toBeGreaterThan(50);
    expect(unseen.height).toBeGreaterThan(seen.height + 34);
    const mixed = drawGrid(
      { size: 24 },
      [row("a green cat", true), row("a blue cat")],
      [block("real", [[plain(24, 101)], [plain(24, 101)]])],
    );
    // One in the first row, one in the legend, none in the second.
    const pictures = boxOf(mixed, [101, 101, 101]);
    const stars = letters(mixed).filter(({ x, y }) =>
      theme.accent.every((value, i) => mixed.data[(y * mixed.width + x) * 3 + i] === value),
    );
    const rows = stars.map(({ y }) => Math.min(2, Math.floor((y - pictures.top) / (pictures.height / 2))));
    expect(new Set(rows)).toEqual(new Set([0, 2]));
  });

  test("of the subject stand out", () => {
    const picture = [[plain(24, 101)]];
    const of = (isSubject: boolean) => drawGrid({ size: 24 }, [row("a cat")], [{ ...block("g", picture), isSubject }]);
    expect(boxOf(of(true), theme.accent).count).toBeGreaterThan(20);
    expect(boxOf(of(false), theme.accent).count).toBe(0);
  });
});
