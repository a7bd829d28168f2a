import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startLoop } from "../../../../examples/laboratory/page/loop";

let turn: (now: number) => void;
let drawn: number[];
let calm: boolean;

beforeEach(() => {
  vi.stubGlobal("requestAnimationFrame", (next: typeof turn) => {
    turn = next;
    return 1;
  });
  vi.stubGlobal("cancelAnimationFrame", () => {});
  vi.spyOn(performance, "now").mockReturnValue(0);
  [drawn, calm] = [[], false];
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const start = () =>
  startLoop({
    calm: () => calm,
    draw(milliseconds) {
      drawn.push(milliseconds);
      return true;
    },
  });

test("there is a picture at each turn, and a long pause is none of the drawing's", () => {
  start();
  for (const now of [16, 32, 5000]) turn(now);
  expect(drawn).toEqual([16, 16, 250]);
});

test("where less motion is wanted there is one a second, but at once where it answers the reader", () => {
  calm = true;
  const loop = start();
  for (const now of [16, 999]) turn(now);
  expect(drawn).toEqual([]);
  turn(1000);
  expect(drawn).toHaveLength(1);
  loop.hasten();
  for (const now of [1016, 1032]) turn(now);
  expect(drawn).toHaveLength(2);
});
