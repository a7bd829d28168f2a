import { describe, expect, test } from "vitest";
import { drawnLaw, fewestPoints, mostPoints, paper, type Stroke } from "../../../../examples/laboratory/laws";
import {
  begin,
  choose,
  clear,
  finish,
  lead,
  openPad,
  type Pad,
  type Place,
  penWords,
  undo,
  worthOf,
} from "../../../../examples/laboratory/page/pad";

const line = (pad: Pad, ...places: Place[]) => finish(places.slice(1).reduce(lead, begin(pad, places[0] as Place)));
const row = (count: number, y = 1000, c: Stroke["class"] = 0): Stroke => ({
  class: c,
  points: Array.from({ length: count }, (_, i) => [(i * 100) % (paper + 1), y] as const),
});

describe("drawing", () => {
  test("a stroke is part of the drawing when the pen is lifted", () => {
    const started = lead(begin(openPad([]), [0, 0]), [500, 0]);
    expect(started.strokes).toEqual([]);
    expect(finish(started).strokes).toEqual([
      {
        class: 0,
        points: [
          [0, 0],
          [500, 0],
        ],
      },
    ]);
    expect(lead(openPad([]), [7, 8])).toMatchObject({ pen: [7, 8], open: undefined });
  });

  test("points keep apart, are whole, and stay on the paper", () => {
    const pad = line(openPad([]), [10.4, 10], [20, 10], [45, 10], [60, 10], [9999, -5]);
    expect(pad.strokes[0]?.points).toEqual([
      [10, 10],
      [60, 10],
      [paper, 0],
    ]);
    const drawn = line(openPad([]), ...Array.from({ length: 3000 }, (_, i) => [i, i] as const));
    expect(drawn.strokes[0]?.points.length).toBeLessThan(110);
    expect(() => drawnLaw(drawn.strokes)).not.toThrow();
  });

  test("undo takes back strokes one by one, and what was cleared", () => {
    const one = line(openPad([]), [0, 0], [500, 0]);
    const two = line(one, [0, 900], [500, 900]);
    expect(undo(two).strokes).toEqual(one.strokes);
    expect(undo(undo(two)).strokes).toEqual([]);
    expect(undo(undo(undo(two))).strokes).toEqual([]);
    expect(clear(two).strokes).toEqual([]);
    expect(undo(clear(two)).strokes).toEqual(two.strokes);
    expect(undo(clear(clear(two))).strokes).toEqual(two.strokes);
    // A stroke that is open goes first, and strokes that were there before can go as well.
    expect(undo(begin(two, [1, 1]))).toMatchObject({ open: undefined, strokes: two.strokes });
    expect(undo(openPad([row(3), row(4)])).strokes).toEqual([row(3)]);
  });

  test("the other colour ends a stroke and is the next one's class", () => {
    const pad = choose(lead(begin(openPad([]), [0, 0]), [500, 0]), 1);
    expect(pad.strokes).toHaveLength(1);
    expect(line(pad, [0, 900], [500, 900]).strokes.map((stroke) => stroke.class)).toEqual([0, 1]);
  });
});

describe("words", () => {
  test("say what the drawing has become", () => {
    expect(worthOf([row(20)]).words).toMatch(/^20 points have become a mixture of \d+ Gaussians, of one class\.$/);
    expect(worthOf([row(20), row(20, 3000, 1)]).words).toMatch(/of two classes\.$/);
    expect(worthOf([row(20)]).law).toEqual(drawnLaw([row(20)]));
  });

  test("say that there are too few points or too many, and what to do", () => {
    expect(worthOf([])).toEqual({
      law: undefined,
      words: "Draw with the mouse, a finger or a pen. Each colour is a class.",
    });
    expect(worthOf([row(3)]).words).toBe(
      `The drawing has 3 points, and a law wants at least ${fewestPoints}: draw a line, or more dots.`,
    );
    expect(worthOf([row(fewestPoints)]).law).toBeDefined();
    expect(worthOf([row(mostPoints + 1)])).toMatchObject({
      law: undefined,
      words: expect.stringContaining("more than"),
    });
  });

  test("say where the pen is", () => {
    expect(penWords(openPad([]))).toBe("Pen up, 50 % from the left, 50 % from below, first class.");
    expect(penWords(choose(begin(openPad([]), [0, paper]), 1))).toBe(
      "Pen up, 0 % from the left, 100 % from below, second class.",
    );
  });
});
