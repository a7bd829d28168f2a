import { fc, test } from "@fast-check/vitest";
import { add, concat, grads, memory, mul, sub, type Tensor, tensor, tensor1d, tensor2d } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import type { PredictionType, Timesteps } from "../../src/core";
import { guide, guidedPrediction, type PredictFunction } from "../../src/guidance";
import { convertPrediction } from "../../src/predict";
import { expectSidError } from "../support/errors";
import { expectClose, numbers } from "../support/matchers";
import { draw, free, levels, notFinite, seeds, shapes } from "../support/values";

const types: readonly PredictionType[] = ["eps", "x0", "v", "score", "flow"];
const scales = fc.double({ min: -3, max: 5, noNaN: true });
const batches = shapes.chain((shape) => fc.tuple(fc.constant(shape), levels(shape[0] as number)));

describe("guide", () => {
  test.prop([seeds, shapes, scales])("is uncond + κ·(cond − uncond)", (seed, shape, scale) =>
    free(() => {
      const [cond, uncond] = draw(seed, shape, 2) as [Tensor, Tensor];
      const u = numbers(uncond);
      const expected = numbers(cond).map((c, i) => (u[i] as number) + scale * (c - (u[i] as number)));
      expectClose(guide({ cond, uncond, guidanceScale: scale }), expected, 1e-5);
    }),
  );

  test.prop([seeds, shapes, scales])("each sample may have a κ of its own", (seed, shape, scale) =>
    free(() => {
      const [cond, uncond] = draw(seed, shape, 2) as [Tensor, Tensor];
      const count = shape[0] as number;
      const own = Array.from({ length: count }, (_, i) => scale + i);
      const together = numbers(guide({ cond, uncond, guidanceScale: own }));
      const each = own.map((kappa) => numbers(guide({ cond, uncond, guidanceScale: kappa })));
      const size = cond.size / count;
      expectClose(
        together,
        together.map((_, i) => each[Math.floor(i / size)]?.[i] as number),
        1e-6,
      );
      expectSidError(
        "shape-mismatch",
        () => guide({ cond, uncond, guidanceScale: [...own, 1] }),
        /one number per sample/,
      );
    }),
  );

  // Values that a sum would round away or spoil.
  test("is exactly one of the two at κ = 1 and κ = 0", () =>
    free(() => {
      const cond = tensor2d([[1e-8, 3, Number.NaN]]);
      const uncond = tensor2d([[1e8, Number.POSITIVE_INFINITY, 7]]);
      expect(numbers(guide({ cond, uncond, guidanceScale: 1 }))).toEqual(numbers(cond));
      expect(numbers(guide({ cond, uncond, guidanceScale: 0 }))).toEqual(numbers(uncond));
    }));

  test("the caller may free the result without losing an input", () =>
    free(() => {
      const [cond, uncond] = draw(1, [2, 2], 2) as [Tensor, Tensor];
      for (const scale of [0, 1, 2]) guide({ cond, uncond, guidanceScale: scale }).dispose();
      expect(numbers(cond).length + numbers(uncond).length).toBe(8);
    }));

  test.prop([seeds, batches, scales, fc.constantFrom(...types), fc.constantFrom(...types)])(
    "guiding and converting is converting and guiding",
    (seed, [shape, level], scale, from, to) =>
      free(() => {
        const [cond, uncond, xt] = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
        const convert = (prediction: Tensor) => convertPrediction({ prediction, xt, level, predicts: from, to });
        const guided = guide({ cond: convert(cond), uncond: convert(uncond), guidanceScale: scale });
        expectClose(convert(guide({ cond, uncond, guidanceScale: scale })), guided, 1e-4);
      }),
  );

  test.prop([seeds, shapes, scales, scales])("guiding twice multiplies the scales", (seed, shape, one, other) =>
    free(() => {
      const [cond, uncond] = draw(seed, shape, 2) as [Tensor, Tensor];
      const twice = guide({ cond: guide({ cond, uncond, guidanceScale: one }), uncond, guidanceScale: other });
      const once = guide({ cond, uncond, guidanceScale: one * other });
      expectClose(add(twice, 10), add(once, 10), 1e-4);
    }),
  );

  test.prop([seeds, shapes, scales])("gradients are κ and 1 − κ", (seed, shape, scale) =>
    free(() => {
      fc.pre(scale !== 0 && scale !== 1);
      const [cond, uncond, dy] = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
      const [toCond, toUncond] = grads((a: Tensor, b: Tensor) => guide({ cond: a, uncond: b, guidanceScale: scale }))(
        [cond, uncond],
        dy,
      );
      expectClose(toCond as Tensor, mul(dy, scale), 1e-5);
      expectClose(add(toUncond as Tensor, 10), add(mul(dy, 1 - scale), 10), 1e-5);
    }),
  );
});

/** A network over `[B, 2]` that records its calls: `xt·t + 3·cond`, sample by sample. */
function recorder() {
  const calls: { readonly samples: number; readonly t: Timesteps; readonly cond: number[] | undefined }[] = [];
  const predict: PredictFunction = (xt, t, cond) => {
    calls.push({ samples: xt.shape[0] as number, t, cond: cond && numbers(cond) });
    const timed = mul(xt, tensor([...t], [t.length, 1]));
    return cond === undefined ? timed : add(timed, mul(cond, 3));
  };
  return { calls, predict };
}

describe("guidedPrediction", () => {
  const inputs = () => {
    const [xt, cond] = draw(5, [2, 2], 2) as [Tensor, Tensor];
    return { xt, t: [20, 31], cond, uncond: tensor2d([[0.5, -0.5]]) };
  };

  test.prop([scales])("is what two passes and guide give, in one call of 2B samples", (scale) =>
    free(() => {
      fc.pre(scale !== 0 && scale !== 1);
      const { predict, calls } = recorder();
      const { xt, t, cond, uncond } = inputs();
      const guided = guidedPrediction(predict, { xt, t, cond, uncond, guidanceScale: scale });
      expect(calls.map((call) => call.samples)).toEqual([4]);
      expect(calls[0]?.t).toEqual([20, 31, 20, 31]);
      const tiled = concat([uncond, uncond]);
      expectClose(
        guided,
        guide({ cond: predict(xt, t, cond), uncond: predict(xt, t, tiled), guidanceScale: scale }),
        1e-6,
      );
    }),
  );

  test("exactly one pass with the condition at κ = 1", () =>
    free(() => {
      const { predict, calls } = recorder();
      const { xt, t, cond, uncond } = inputs();
      const guided = guidedPrediction(predict, { xt, t, cond, uncond, guidanceScale: 1 });
      expect(calls).toEqual([{ samples: 2, t, cond: numbers(cond) }]);
      expectClose(guided, predict(xt, t, cond), 0);
      guidedPrediction(predict, { xt, t, cond, guidanceScale: 1 });
      guidedPrediction(predict, { xt, t, guidanceScale: 1 });
      expect(calls.map((call) => call.samples)).toEqual([2, 2, 2, 2]);
      expect(calls[3]?.cond).toBeUndefined();
    }));

  test("exactly one pass without the condition at κ = 0", () =>
    free(() => {
      const { predict, calls } = recorder();
      const { xt, t, uncond } = inputs();
      guidedPrediction(predict, { xt, t, uncond, guidanceScale: 0 });
      expect(calls).toEqual([{ samples: 2, t, cond: [0.5, -0.5, 0.5, -0.5] }]);
    }));

  test("higher ranks of samples and conditions", () =>
    free(() => {
      const [xt] = draw(6, [2, 3, 3, 1], 1) as [Tensor];
      const [cond] = draw(7, [2, 4, 5], 1) as [Tensor];
      const [uncond] = draw(8, [1, 4, 5], 1) as [Tensor];
      const shapesSeen: string[] = [];
      const predict: PredictFunction = (x, _, c) => {
        shapesSeen.push(`${x.shape.join()} ${c?.shape.join()}`);
        return mul(x, 2);
      };
      for (const scale of [0, 1, 2])
        expectClose(guidedPrediction(predict, { xt, t: [1, 2], cond, uncond, guidanceScale: scale }), mul(xt, 2), 1e-6);
      expect(shapesSeen).toEqual(["2,3,3,1 2,4,5", "2,3,3,1 2,4,5", "4,3,3,1 4,4,5"]);
    }));

  test.prop([seeds, fc.constantFrom(0, 1, 1.5, -1)])("gradients reach the samples through both halves", (seed, scale) =>
    free(() => {
      const [xt, dy] = draw(seed, [2, 2], 2) as [Tensor, Tensor];
      const { t, cond, uncond } = inputs();
      const predict: PredictFunction = (x, _, c) => mul(x, sub(c as Tensor, 2));
      const guided = (x: Tensor) => guidedPrediction(predict, { xt: x, t, cond, uncond, guidanceScale: scale });
      const [gradient] = grads(guided)([xt], dy);
      const factor = guide({ cond: sub(cond, 2), uncond: sub(concat([uncond, uncond]), 2), guidanceScale: scale });
      expectClose(gradient as Tensor, mul(dy, factor), 1e-5);
    }),
  );
});

describe("bad input", () => {
  const echo: PredictFunction = (xt) => mul(xt, 1);
  const whole = () => {
    const [xt, cond] = draw(5, [2, 2], 2) as [Tensor, Tensor];
    return { xt, t: [1, 2], cond, uncond: tensor2d([[0, 0]]) };
  };

  test.prop([notFinite])("scales that are not finite", (scale) =>
    free(() => {
      const { xt, cond } = whole();
      expectSidError("not-finite", () => guide({ cond: xt, uncond: cond, guidanceScale: scale }), /guidanceScale/);
      expectSidError("not-finite", () => guidedPrediction(echo, { ...whole(), guidanceScale: scale }), /guidanceScale/);
    }),
  );

  test.prop([shapes, shapes, fc.constantFrom(0, 1, 2)])("predictions never broadcast", (one, other, scale) =>
    free(() => {
      fc.pre(one.join() !== other.join());
      const [cond] = draw(1, one, 1) as [Tensor];
      const [uncond] = draw(1, other, 1) as [Tensor];
      expectSidError("shape-mismatch", () => guide({ cond, uncond, guidanceScale: scale }), /never broadcast/);
    }),
  );

  test("conditions that are needed and not there", () =>
    free(() => {
      const { xt, t, cond, uncond } = whole();
      expectSidError(
        "invalid-argument",
        () => guidedPrediction(echo, { xt, t, cond, guidanceScale: 2 }),
        /guidanceScale 2 needs uncond/,
      );
      expectSidError(
        "invalid-argument",
        () => guidedPrediction(echo, { xt, t, cond, guidanceScale: 0 }),
        /guidanceScale 0 needs uncond/,
      );
      expectSidError(
        "invalid-argument",
        () => guidedPrediction(echo, { xt, t, uncond, guidanceScale: 2 }),
        /guidanceScale 2 needs cond/,
      );
    }));

  test("conditions and times that do not fit", () =>
    free(() => {
      const { xt, t, cond, uncond } = whole();
      const wrong = (inputs: object, code: "shape-mismatch" | "invalid-argument" | "not-finite", message: RegExp) =>
        expectSidError(
          code,
          () => guidedPrediction(echo, { xt, t, cond, uncond, ...inputs, guidanceScale: 2 }),
          message,
        );
      wrong({ cond: uncond }, "shape-mismatch", /cond must be \[2/);
      wrong({ uncond: cond }, "shape-mismatch", /uncond must be \[1/);
      wrong({ uncond: tensor2d([[1, 2, 3]]) }, "shape-mismatch", /agree but for the batch/);
      wrong({ uncond: tensor2d([[1, 2]], [1, 2], "int32") }, "shape-mismatch", /int32/);
      wrong({ cond: [1, 2] }, "invalid-argument", /must be a tensor/);
      wrong({ t: [1] }, "shape-mismatch", /t needs one number per sample/);
      wrong({ t: [1, Number.NaN] }, "not-finite", /t\[1\]/);
      wrong({ t: tensor1d([1, 2]) }, "invalid-argument", /t must be an array/);
      wrong({ xt: tensor(1) }, "shape-mismatch", /float32/);
      expectSidError(
        "shape-mismatch",
        () => guidedPrediction(echo, { xt, t, cond: uncond, guidanceScale: 1 }),
        /cond must be \[2/,
      );
    }));

  test.each([0, 1, 2])("a network that answers in another shape, at κ = %s, leaves nothing behind", (scale) =>
    free(() => {
      const before = memory().numTensors;
      const inputs = whole();
      const odd: PredictFunction = (xt) => tensor2d(numbers(xt), [1, xt.size]);
      expectSidError(
        "shape-mismatch",
        () => guidedPrediction(odd, { ...inputs, guidanceScale: scale }),
        /never broadcast/,
      );
      expect(memory().numTensors).toBe(before + 3);
    }),
  );
});
