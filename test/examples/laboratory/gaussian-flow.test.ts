import { fc, test } from "@fast-check/vitest";
import { add, grads, mul, scalar, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { descend, type Gaussian, gradientParts } from "../../../examples/laboratory/gaussian-flow";
import { sidLoss } from "../../../src/losses";
import { gaussianModel, predictX0 } from "../../../src/models";
import { addNoise } from "../../../src/predict";
import { between, fourPoints, standing } from "../../property/laws";

const law = fc.record({ mean: between(-2, 2), std: between(0.3, 2) });

test.prop([law, law, law, between(0.1, 0.95), between(-1, 2)])(
  "its gradient is that of the library's loss, whatever α, generator and fake score are",
  (generator, fake, data, alpha, weight) => {
    const level = { alpha, sigma: Math.sqrt(1 - alpha ** 2) };
    const { z, noise } = fourPoints(1);
    const schedule = standing(level.alpha, level.sigma);
    const model = ({ mean, std }: Gaussian) => gaussianModel({ mean: [mean], variance: std ** 2, schedule });
    const [teacher, own] = [model(data), model(fake)];
    const [mean, std] = tidy(() => {
      const times = [0, 0, 0, 0];
      const slopes = grads((mean: Tensor, std: Tensor) => {
        const generated = add(mean, mul(z, std));
        const noisy = { alpha: times.map(() => alpha), sigma: times.map(() => level.sigma) };
        const xt = addNoise({ x0: generated, noise, level: noisy });
        const ask = (model: typeof own) => predictX0(model, { xt, t: times });
        return sidLoss({ generated, teacher: ask(teacher), fake: ask(own) }, { alpha: weight, weight: "none" });
      })([scalar(generator.mean), scalar(generator.std)]);
      return slopes.map((slope) => slope.dataSync()[0] as number);
    });
    for (const held of [z, noise, teacher, own]) held.dispose();
    const parts = gradientParts(generator, fake, data, [level]);
    for (const [of, value] of [
      ["mean", mean],
      ["std", std],
    ] as const) {
      const expected = (1 - weight) * parts.naive[of] + parts.answer[of];
      expect(Math.abs((value as number) - expected)).toBeLessThan(2e-4 * (1 + Math.abs(expected)));
    }
  },
);

const data = { mean: 1, std: 0.7 };
const levels = [0.99, 0.9, 0.6, 0.3].map((alpha) => ({ alpha, sigma: Math.sqrt(1 - alpha ** 2) }));

/** Where a descent is after so many steps. */
function after(steps: number, start: Gaussian, naive: number, answer: number, follows = 1): Gaussian {
  let i = 0;
  for (const law of descend(start, { data, levels, naive, answer, step: 0.05, follows })) if (i++ === steps) return law;
  throw new Error("a descent has no end");
}

test.prop([law, between(0, 1)])("with a perfect fake score α from 0 to 1 comes to the data", (start, alpha) => {
  const { mean, std } = after(3000, start, 1 - alpha, 1);
  expect(mean).toBeCloseTo(data.mean, 2);
  expect(std).toBeCloseTo(data.std, 2);
});

test("the naive part alone does not: it stands still beside a law as wide as the data, and makes a narrow one a point", () => {
  expect(after(1000, { mean: -1, std: data.std }, 1, 0)).toEqual({ mean: -1, std: data.std });
  expect(after(3000, { mean: 0.5, std: 0.5 }, 1, 0).std).toBeLessThan(0.05);
});

test("above 1 a law that is wide enough runs away", () => {
  const wide = { mean: 0.5, std: 20 };
  expect(after(3000, wide, 1 - 1, 1).std).toBeCloseTo(data.std, 1);
  expect(after(200, wide, 1 - 1.5, 1).std).toBeGreaterThan(2 * wide.std);
});
