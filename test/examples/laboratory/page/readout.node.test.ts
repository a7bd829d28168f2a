import { expect, test } from "vitest";
import { hasOneNoise } from "../../../../examples/laboratory/methods";
import { divergenceFigure } from "../../../../examples/laboratory/page/readout";

test("a divergence that leaves samples out is said to be a lower bound", () => {
  expect(divergenceFigure({ kl: 0.123, clipped: 0 })).toBe("0.12");
  expect(divergenceFigure({ kl: 9.87, clipped: 0.001 })).toBe("≥ 9.87");
  expect(divergenceFigure({ kl: Number.NaN, clipped: 1 })).toBe("no number");
});

test("passes draw noises of their own, but those that DDIM joins", () => {
  expect(hasOneNoise({ method: "sid" })).toBe(true);
  expect(hasOneNoise({ method: "sid", passes: 3 })).toBe(false);
  expect(hasOneNoise({ method: "few-step-sid" })).toBe(false);
  expect(hasOneNoise({ method: "few-step-sid", passes: 1 })).toBe(true);
  expect(hasOneNoise({ method: "tdm" })).toBe(true);
});
