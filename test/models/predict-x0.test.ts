import { fc, test } from "@fast-check/vitest";
import {
  add,
  clone,
  concat,
  memory,
  mul,
  reshape,
  sub,
  sum,
  type Tensor,
  tensor,
  tensor2d,
  tidy,
} from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { perSample, SidError, type Timesteps, vjp } from "../../src/core";
import { predictX0, predictX0WithFeatures, type ScoreModel } from "../../src/models";
import { ddpmSchedule } from "../../src/schedules";
import { expectSidError } from "../support/errors";
import { expectClose, numbers } from "../support/matchers";
import { draw, free, seeds } from "../support/values";

/** `v = x_t·t/1000 + cond`, features `x_t² + 2·cond` of rank 3, and how many samples each pass had. */
function model() {
  const passes: number[] = [];
  const prediction = (xt: Tensor, t: Timesteps, cond?: Tensor) => {
    const timed = mul(
      xt,
      perSample(
        t.map((time) => time / 1000),
        2,
      ),
    );
    return cond ? add(timed, cond) : timed;
  };
  const features = (xt: Tensor, cond?: Tensor) =>
    tidy(() => reshape(add(mul(xt, xt), cond ? mul(cond, 2) : 0), [xt.shape[0] as number, 2, 1]));
  const network: ScoreModel = {
    name: "network",
    predicts: "v",
    schedule: ddpmSchedule(),
    variables: [],
    predict: (xt, t, cond) => tidy(() => prediction(xt, t, cond)),
    predictWithFeatures(xt, t, cond) {
      passes.push(t.length);
      return { prediction: tidy(() => prediction(xt, t, cond)), features: features(xt, cond) };
    },
    dispose: () => {},
  };
  return { network, passes, features };
}

const inputs = (seed = 1) => {
  const [xt, cond] = draw(seed, [3, 2], 2) as [Tensor, Tensor];
  return { xt, t: [20, 300, 700], cond, uncond: tensor2d([[0.5, -0.5]]) };
};

describe("predictX0WithFeatures", () => {
  test.prop([seeds, fc.constantFrom(-1, 0, 0.5, 1, 3)])(
    "is predictX0 and the conditional features, in one pass",
    (seed, guidanceScale) =>
      free(() => {
        const { network, passes, features } = model();
        const asked = { ...inputs(seed), guidanceScale };
        const before = memory().numTensors;
        const got = predictX0WithFeatures(network, asked);
        expect(memory().numTensors - before).toBe(2);
        expect(passes).toEqual([guidanceScale === 0 || guidanceScale === 1 ? 3 : 6]);
        expect(numbers(got.x0)).toEqual(numbers(predictX0(network, asked)));
        const { uncond, cond, xt } = asked;
        expectClose(got.features, features(xt, guidanceScale === 0 ? concat([uncond, uncond, uncond]) : cond), 1e-6);
      }),
  );

  test("a model without a condition", () =>
    free(() => {
      const { network, features } = model();
      const { xt, t } = inputs();
      expectClose(predictX0WithFeatures(network, { xt, t }).features, features(xt), 0);
    }));

  test.prop([seeds, fc.constantFrom(0, 1, 3)])(
    "both give their gradient to x_t and the condition",
    (seed, guidanceScale) =>
      free(() => {
        const { network } = model();
        const { xt, cond, ...rest } = inputs(seed);
        const [dy, df] = draw(seed + 1, [3, 2], 2) as [Tensor, Tensor];
        const both = (xt: Tensor, cond: Tensor) => {
          const { x0, features } = predictX0WithFeatures(network, { ...rest, xt, cond, guidanceScale });
          return add(sum(mul(x0, dy)), sum(mul(reshape(features, [3, 2]), df)));
        };
        // The features are x_t² + 2·cond: 2·x_t·df and 2·df come to the gradient of x̂0.
        const alone = (xt: Tensor, cond: Tensor) =>
          add(predictX0(network, { ...rest, xt, cond, guidanceScale }), guidanceScale === 0 ? 0 : mul(cond, 0));
        const at = guidanceScale === 0 ? [xt] : [xt, cond];
        const got = vjp((x, c = cond) => both(x, c), at, tensor(1));
        const wanted = vjp((x, c = cond) => alone(x, c), at, dy);
        expectClose(sub(got[0] as Tensor, wanted[0] as Tensor), mul(mul(xt, 2), df), 1e-4);
        if (guidanceScale !== 0) expectClose(sub(got[1] as Tensor, wanted[1] as Tensor), mul(df, 2), 1e-4);
      }),
  );

  test("features may be x_t itself: the caller owns them, not the input", () =>
    free(() => {
      const { network } = model();
      const { xt, t } = inputs();
      const echo: ScoreModel = { ...network, predictWithFeatures: (xt) => ({ prediction: clone(xt), features: xt }) };
      const { x0, features } = predictX0WithFeatures(echo, { xt, t });
      x0.dispose();
      features.dispose();
      expect(xt.isDisposed).toBe(false);
    }));

  test("a model without features, or with others than one row per sample, is refused and leaves nothing", () =>
    free(() => {
      const { network } = model();
      const given = inputs();
      const { predictWithFeatures: _, ...plain } = network;
      expectSidError("invalid-argument", () => predictX0WithFeatures(plain, given), /"network" gives no features/);
      const answering = (answer: (xt: Tensor) => unknown) => ({ ...network, predictWithFeatures: answer as never });
      const before = memory().numTensors;
      for (const guidanceScale of [0, 1, 2]) {
        const asked = { ...given, guidanceScale };
        const rows = guidanceScale === 2 ? 6 : 3;
        const refused = (
          code: Parameters<typeof expectSidError>[0],
          answer: (xt: Tensor) => unknown,
          message: RegExp,
        ) => expectSidError(code, () => predictX0WithFeatures(answering(answer), asked), message);
        refused(
          "shape-mismatch",
          (xt) => ({ prediction: clone(xt), features: tensor([1]) }),
          new RegExp(`features must be \\[${rows}, ...\\], got \\[1\\]`),
        );
        refused("shape-mismatch", (xt) => ({ prediction: tensor([1]), features: clone(xt) }), /never broadcast/);
        refused("invalid-argument", (xt) => ({ prediction: clone(xt) }), /features/);
        refused("invalid-argument", (xt) => clone(xt), /features must be a tensor, got undefined/);
        refused("invalid-argument", () => undefined, /predictWithFeatures/);
      }
      for (const bad of [
        { xt: undefined },
        { t: [1] },
        { t: [1, 2, 1000] },
        { guidanceScale: Number.NaN },
        { kappa: 1 },
      ])
        expect(() => predictX0WithFeatures(network, { ...given, ...(bad as object) })).toThrow(SidError);
      expect(memory().numTensors).toBe(before);
    }));
});
