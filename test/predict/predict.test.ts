import { fc, test } from "@fast-check/vitest";
import { grads, mul, type Tensor, tensor, tensor1d, tensor2d } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import type { PredictionType } from "../../src/core";
import {
  addNoise,
  type Coordinates,
  changeCoordinates,
  conversionCoefficients,
  convertPrediction,
  type NoiseLevel,
  noiseLevel,
  predictionTarget,
} from "../../src/predict";
import { ddpmSchedule, edmSchedule, flowSchedule } from "../../src/schedules";
import { expectSidError } from "../support/errors";
import { expectClose, numbers } from "../support/matchers";
import { draw, free, levels, notFinite, seeds, shapes } from "../support/values";

const types: readonly PredictionType[] = ["eps", "x0", "v", "score", "flow"];
const pairs = types.flatMap((from) => types.map((to) => [from, to] as const));
const batches = shapes.chain((shape) => fc.tuple(fc.constant(shape), levels(shape[0] as number)));

/** A batch with its noise, and what a perfect network would say about it. */
function scene(seed: number, shape: readonly number[], level: NoiseLevel) {
  const [x0, noise] = draw(seed, shape, 2) as [Tensor, Tensor];
  const xt = addNoise({ x0, noise, level });
  return {
    x0,
    noise,
    xt,
    level,
    target: (type: PredictionType) => predictionTarget({ x0, noise, level, predicts: type }),
  };
}

describe.each(pairs)("from %s to %s", (from, to) => {
  const few = { numRuns: 25 };

  test.prop([seeds, batches], few)("the true prediction becomes the true prediction", (seed, [shape, level]) =>
    free(() => {
      const { xt, target } = scene(seed, shape, level);
      expectClose(convertPrediction({ prediction: target(from), xt, level, predicts: from, to }), target(to), 2e-5);
    }),
  );

  test.prop([seeds, batches], few)("and back is where it began, for any prediction", (seed, [shape, level]) =>
    free(() => {
      const [xt, prediction] = draw(seed, shape, 2) as [Tensor, Tensor];
      const there = convertPrediction({ prediction, xt, level, predicts: from, to });
      expectClose(convertPrediction({ prediction: there, xt, level, predicts: to, to: from }), prediction, 1e-4);
    }),
  );

  test.prop([levels(4)], few)("the coefficients invert each other in float64", (level) => {
    const there = conversionCoefficients({ level, predicts: from, to });
    const back = conversionCoefficients({ level, predicts: to, to: from });
    there.ofPrediction.forEach((b, i) => {
      const scale = back.ofPrediction[i] as number;
      expect(b * scale).toBeCloseTo(1, 12);
      expect(scale * (there.ofXt[i] as number) + (back.ofXt[i] as number)).toBeCloseTo(0, 10);
    });
  });
});

test.prop([seeds, batches, fc.constantFrom(...types), fc.constantFrom(...types), fc.constantFrom(...types)])(
  "a detour over a third type changes nothing",
  (seed, [shape, level], from, over, to) =>
    free(() => {
      const [xt, prediction] = draw(seed, shape, 2) as [Tensor, Tensor];
      const detour = convertPrediction({ prediction, xt, level, predicts: from, to: over });
      const straight = convertPrediction({ prediction, xt, level, predicts: from, to });
      expectClose(convertPrediction({ prediction: detour, xt, level, predicts: over, to }), straight, 1e-4);
    }),
);

test("the definitions, in numbers", () =>
  free(() => {
    const { x0, noise, xt, level, target } = scene(1, [1, 3], { alpha: [0.8], sigma: [0.6] });
    const combine = (signal: number, factor: number) =>
      numbers(x0).map((x, i) => signal * x + factor * (numbers(noise)[i] as number));
    expectClose(xt, combine(0.8, 0.6), 1e-6);
    expectClose(target("eps"), noise, 0);
    expectClose(target("x0"), x0, 0);
    expectClose(target("v"), combine(-0.6, 0.8), 1e-6);
    expectClose(target("score"), combine(0, -1 / 0.6), 1e-6);
    expectClose(target("flow"), combine(-1, 1), 1e-6);
    expect(level.alpha).toEqual([0.8]);
  }));

test("each sample has its own level", () =>
  free(() => {
    const level = { alpha: [0.8, 1], sigma: [0.6, 2] };
    const both = scene(5, [2, 3], level);
    for (const i of [0, 1]) {
      const one = { alpha: [level.alpha[i] as number], sigma: [level.sigma[i] as number] };
      const row = (x: Tensor) => tensor(numbers(x).slice(3 * i, 3 * i + 3), [1, 3]);
      expectClose(row(both.xt), addNoise({ x0: row(both.x0), noise: row(both.noise), level: one }), 0);
      expectClose(
        row(convertPrediction({ prediction: both.noise, xt: both.xt, level, predicts: "eps", to: "x0" })),
        convertPrediction({ prediction: row(both.noise), xt: row(both.xt), level: one, predicts: "eps", to: "x0" }),
        0,
      );
    }
  }));

test.prop([seeds, batches, fc.constantFrom(...pairs.filter(([from, to]) => from !== to))])(
  "gradients flow to both operands",
  (seed, [shape, level], [from, to]) =>
    free(() => {
      const [xt, prediction, cotangent] = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
      const { ofXt, ofPrediction } = conversionCoefficients({ level, predicts: from, to });
      const scaled = (factors: readonly number[]) =>
        mul(cotangent, tensor([...factors], [factors.length, ...shape.slice(1).map(() => 1)]));
      const [toPrediction, toXt] = grads((p: Tensor, x: Tensor) =>
        convertPrediction({ prediction: p, xt: x, level, predicts: from, to }),
      )([prediction, xt], cotangent);
      expectClose(toPrediction as Tensor, scaled(ofPrediction), 1e-5);
      expectClose(toXt as Tensor, scaled(ofXt), 1e-5);
    }),
);

describe("coordinates", () => {
  const coordinates: readonly Coordinates[] = ["vp", "edm", "flow"];
  const laws = { vp: Math.hypot, edm: (a: number) => a, flow: (a: number, s: number) => a + s };

  test.prop([seeds, batches, fc.constantFrom(...coordinates)])(
    "a change keeps x0, ε and the SNR, and obeys the law of the family",
    (seed, [shape, level], to) =>
      free(() => {
        const { x0, noise, xt } = scene(seed, shape, level);
        const changed = changeCoordinates({ xt, level, to });
        expectClose(changed.xt, addNoise({ x0, noise, level: changed.level }), 1e-5);
        const asNoise = { ...changed, prediction: noise, predicts: "eps", to: "x0" } as const;
        expectClose(convertPrediction(asNoise), x0, 1e-4);
        changed.level.alpha.forEach((alpha, i) => {
          const sigma = changed.level.sigma[i] as number;
          expect(laws[to](alpha, sigma)).toBeCloseTo(1, 12);
          expect(alpha / sigma).toBeCloseTo((level.alpha[i] as number) / (level.sigma[i] as number), 9);
        });
      }),
  );

  test.prop([seeds, batches, fc.constantFrom(...coordinates), fc.constantFrom(...coordinates)])(
    "there and onwards is straight there",
    (seed, [shape, level], over, to) =>
      free(() => {
        const [xt] = draw(seed, shape, 1) as [Tensor];
        const straight = changeCoordinates({ xt, level, to });
        const detour = changeCoordinates({ ...changeCoordinates({ xt, level, to: over }), to });
        expectClose(detour.xt, straight.xt, 1e-6);
        expectClose(detour.level.sigma, straight.level.sigma, 1e-12);
      }),
  );

  test.prop([seeds, batches])("guessing x0 and ε from a score needs the score's own scale", (seed, [shape, level]) =>
    free(() => {
      const { xt, target } = scene(seed, shape, level);
      const edm = changeCoordinates({ xt, level, to: "edm" });
      const score = convertPrediction({ ...edm, prediction: target("eps"), predicts: "eps", to: "score" });
      const c = tensor([...level.alpha], [shape[0] as number, ...shape.slice(1).map(() => 1)]);
      expectClose(score, mul(target("score"), c), 1e-5);
    }),
  );
});

describe("levels of schedules", () => {
  test("one alpha and one sigma per time", () => {
    const ddpm = ddpmSchedule();
    expect(noiseLevel(ddpm, [0, 999]).alpha).toEqual([ddpm.alpha(0), ddpm.alpha(999)]);
    expect(noiseLevel(edmSchedule(), [0.5]).sigma).toEqual([0.5]);
    expect(noiseLevel(flowSchedule(), [])).toEqual({ alpha: [], sigma: [] });
  });

  test.prop([notFinite])("times that the schedule does not have are refused", (value) => {
    expectSidError("not-finite", () => noiseLevel(flowSchedule(), [0.5, value]), /t\[1\] must be finite/);
    expectSidError("out-of-range", () => noiseLevel(ddpmSchedule(), [1000]), /\[0, 999\]/);
    expectSidError("invalid-argument", () => noiseLevel(ddpmSchedule(), 3 as unknown as number[]), /array/);
  });
});

describe("where a conversion does not exist", () => {
  const terminal = noiseLevel(ddpmSchedule({ zeroTerminalSnr: true }), [500, 999]);
  const clean = { alpha: [0.5, 1], sigma: [0.5, 0] };
  const convert = (level: NoiseLevel, from: PredictionType, to: PredictionType) => {
    const [xt, prediction] = draw(3, [2, 3], 2) as [Tensor, Tensor];
    return numbers(convertPrediction({ xt, prediction, level, predicts: from, to }));
  };

  // Pure noise says nothing about x0; all else is known once x0 or the noise itself is.
  test.each(pairs)("at zero terminal SNR, from %s to %s", (from, to) =>
    free(() => {
      const lost = (from === "eps" || from === "score") && (to === "x0" || to === "v" || to === "flow");
      if (lost) expectSidError("out-of-range", () => convert(terminal, from, to), /alpha is 0.*sample 1/);
      else for (const value of convert(terminal, from, to)) expect(value).not.toBeNaN();
    }),
  );

  test("at zero terminal SNR, v is −x0", () =>
    free(() => {
      const level = { alpha: [0], sigma: [1] };
      const [xt, v] = draw(4, [1, 3], 2) as [Tensor, Tensor];
      expectClose(convertPrediction({ xt, prediction: v, level, predicts: "v", to: "x0" }), mul(v, -1), 0);
      expectClose(convertPrediction({ xt, prediction: v, level, predicts: "v", to: "eps" }), xt, 0);
    }));

  test.each(pairs)("without noise, from %s to %s", (from, to) =>
    free(() => {
      const lost = from === "score" || to === "score" || (from === "x0" && to !== "x0");
      if (lost) expectSidError("out-of-range", () => convert(clean, from, to), /sigma is 0.*sample 1/);
      else for (const value of convert(clean, from, to)) expect(value).not.toBeNaN();
    }),
  );

  test("EDM has no place for pure noise", () =>
    free(() => {
      const [xt] = draw(3, [2, 3], 1) as [Tensor];
      expectSidError("out-of-range", () => changeCoordinates({ xt, level: terminal, to: "edm" }), /sample 1/);
      for (const to of ["vp", "flow"] as const)
        expect(changeCoordinates({ xt, level: terminal, to }).level.alpha[1]).toBe(0);
    }));
});

describe("bad input", () => {
  const level = { alpha: [0.8, 0.6], sigma: [0.6, 0.8] };
  /** Every public function, given these two operands and this level. */
  const calls = (a: Tensor, b: Tensor, at: NoiseLevel) => [
    () => addNoise({ x0: a, noise: b, level: at }),
    () => convertPrediction({ prediction: a, xt: b, level: at, predicts: "eps", to: "x0" }),
    () => predictionTarget({ x0: a, noise: b, level: at, predicts: "v" }),
  ];

  test.prop([shapes, shapes])("operands never broadcast", (one, other) =>
    free(() => {
      fc.pre(one.join() !== other.join());
      const [a] = draw(1, one, 1) as [Tensor];
      const [b] = draw(1, other, 1) as [Tensor];
      for (const call of calls(a, b, level)) expectSidError("shape-mismatch", call, /never broadcast/);
    }),
  );

  test.prop([fc.integer({ min: 0, max: 5 })])("a level of another batch", (count) =>
    free(() => {
      fc.pre(count !== 2);
      const at = { alpha: Array<number>(count).fill(0.8), sigma: Array<number>(count).fill(0.6) };
      const [a, b] = draw(1, [2, 3], 2) as [Tensor, Tensor];
      for (const call of [...calls(a, b, at), () => changeCoordinates({ xt: a, level: at, to: "vp" })])
        expectSidError("shape-mismatch", call, /one number per sample/);
    }),
  );

  test.prop([notFinite, fc.constantFrom("alpha", "sigma"), fc.nat(1)])("a level that is not finite", (value, key, i) =>
    free(() => {
      const at = { ...level, [key]: level.alpha.with(i, value) };
      const [a, b] = draw(1, [2, 3], 2) as [Tensor, Tensor];
      for (const call of [
        ...calls(a, b, at),
        () => changeCoordinates({ xt: a, level: at, to: "vp" }),
        () => conversionCoefficients({ level: at, predicts: "eps", to: "v" }),
      ])
        expectSidError("not-finite", call, new RegExp(`${key}\\[${i}\\]`));
    }),
  );

  test("levels that are negative, nothing at all, or no levels", () =>
    free(() => {
      const [a, b] = draw(1, [2, 3], 2) as [Tensor, Tensor];
      for (const pair of [
        [-0.1, 1],
        [1, -0.1],
        [0, 0],
      ] as const) {
        const at = { alpha: [1, pair[0]], sigma: [1, pair[1]] };
        for (const call of calls(a, b, at)) expectSidError("out-of-range", call, /sample 1/);
      }
      for (const at of [undefined, null, 3, {}, { alpha: 1, sigma: 1 }])
        for (const call of [
          ...calls(a, b, at as never),
          () => conversionCoefficients({ level: at as never, predicts: "v", to: "x0" }),
        ])
          expectSidError("invalid-argument", call, /level/);
    }));

  test("tensors of the wrong kind", () =>
    free(() => {
      const [a, gone] = draw(1, [2, 3], 2) as [Tensor, Tensor];
      gone.dispose();
      for (const call of calls(a, gone, level)) expectSidError("invalid-argument", call, /disposed/);
      for (const call of calls(a, [1, 2] as never, level)) expectSidError("invalid-argument", call, /must be a tensor/);
      for (const odd of [tensor1d([1, 2], "int32"), tensor(3), tensor2d([], [0, 3])])
        for (const call of calls(a, odd, level)) expectSidError("shape-mismatch", call, /float32/);
    }));

  test("unknown names", () =>
    free(() => {
      const [a, b] = draw(1, [2, 3], 2) as [Tensor, Tensor];
      const odd = "noise" as "eps";
      for (const call of [
        () => convertPrediction({ prediction: a, xt: b, level, predicts: odd, to: "x0" }),
        () => convertPrediction({ prediction: a, xt: b, level, predicts: odd, to: odd }),
        () => convertPrediction({ prediction: a, xt: b, level, predicts: "x0", to: odd }),
        () => conversionCoefficients({ level, predicts: odd, to: "x0" }),
        () => predictionTarget({ x0: a, noise: b, level, predicts: odd }),
        () => changeCoordinates({ xt: a, level, to: "ve" as "vp" }),
      ])
        expectSidError("invalid-argument", call, /must be one of/);
    }));
});
