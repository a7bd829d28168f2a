import { fc, test } from "@fast-check/vitest";
import { mean, mul, square, sub, type Tensor, tensor, tensor1d, tensor2d } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { vjp } from "../../src/core";
import { consistencyLoss, consistencyOutput, consistencyScalings } from "../../src/losses";
import { gaussianModel } from "../../src/models";
import { expectSidError } from "../support/errors";
import { expectClose, numbers } from "../support/matchers";
import { draw, free, seeds, shapes } from "../support/values";

describe("consistencyScalings", () => {
  test("LCM's at t = 0, 19 and 999", () => {
    const { skip, out } = consistencyScalings([0, 19, 999]);
    expect(skip.map((x) => x.toExponential(3))).toEqual(["1.000e+0", "6.925e-6", "2.505e-9"]);
    expect(out.map((x) => x.toFixed(10))).toEqual(["0.0000000000", "0.9999965374", "0.9999999987"]);
  });

  test.prop([fc.double({ min: 0, max: 1000, noNaN: true }), fc.double({ min: 0.1, max: 5, noNaN: true })])(
    "the network's part and the rest share the data's variance: out² + skip = 1",
    (t, sigmaData) => {
      const { skip, out } = consistencyScalings([t], { sigmaData });
      expect((out[0] as number) ** 2 + (skip[0] as number)).toBeCloseTo(1, 12);
    },
  );

  test("bad numbers are refused", () => {
    expectSidError("out-of-range", () => consistencyScalings([-1]), /t\[0\]/);
    expectSidError("out-of-range", () => consistencyScalings([1], { sigmaData: 0 }), /sigmaData/);
    expectSidError("not-finite", () => consistencyScalings([1], { timestepScaling: Number.NaN }), /timestepScaling/);
  });
});

describe("consistencyLoss", () => {
  test.prop([seeds, shapes])("is the mean square error, and grows with the distance's own slope", (seed, shape) =>
    free(() => {
      const [prediction, target] = draw(seed, shape, 2) as [Tensor, Tensor];
      const squares = mean(square(sub(prediction, target)));
      expectClose(consistencyLoss({ prediction, target }, { reduction: "mean" }), squares, 1e-5);
      const error = numbers(sub(prediction, target));
      const huber = error.reduce((all, e) => all + Math.hypot(e, 0.5) - 0.5, 0) / error.length;
      expectClose(consistencyLoss({ prediction, target }, { reduction: "mean", huber: 0.5 }), [huber], 1e-5);
      const [gradient] = vjp((x) => consistencyLoss({ prediction: x, target }), [prediction], tensor(1));
      expectClose(gradient as Tensor, mul(sub(prediction, target), 2 / (shape[0] as number)), 1e-5);
    }),
  );

  test("samples that do not count are 0, NaN or not", () =>
    free(() => {
      const inputs = { prediction: tensor2d([[Number.NaN], [3]]), target: tensor2d([[0], [1]]) };
      expectClose(consistencyLoss(inputs, { valid: tensor1d([0, 1]) }), [2], 1e-6);
      expectSidError("shape-mismatch", () => consistencyLoss({ ...inputs, target: tensor2d([[1, 2]]) }), /broadcast/);
      expectSidError("out-of-range", () => consistencyLoss(inputs, { huber: -1 }), /huber/);
    }));
});

describe("what a consistency function is (Q9)", () => {
  // Data N(m, v·I): f*(x, t) = m + √(v/(a²v + s²))·(x − a·m) is constant along the teacher's exact trajectory.
  const [data, v] = [[0.5, -0.3, 1], 0.49];
  const exact = (x: readonly number[], a: number, s: number) =>
    x.map((xi, i) => (data[i] as number) + Math.sqrt(v / (a * a * v + s * s)) * (xi - a * (data[i] as number)));
  const xt = [0.184, -0.264, 1.42];

  test("its value at a point, and the bias of one step of DDIM that latent consistency models learn", () =>
    free(() => {
      const start = exact(xt, 0.8, 0.6);
      expectClose(start, [0.3157740724, -0.3204695475, 1.528796644], 1e-9);
      // Along the exact trajectory it stays.
      const along = (a: number, s: number) => {
        const ratio = Math.sqrt((a * a * v + s * s) / (0.64 * v + 0.36));
        return xt.map((x, i) => a * (data[i] as number) + ratio * (x - 0.8 * (data[i] as number)));
      };
      expectClose(exact(along(0.96, 0.28), 0.96, 0.28), start, 1e-9);
      // One DDIM step from (.8, .6) to (.96, .28), by the library.
      const levels = [
        [0.8, 0.6],
        [0.96, 0.28],
      ] as const;
      const at = (t: number) => levels[Math.round(t)] as readonly [number, number];
      const schedule = {
        kind: "vp" as const,
        discrete: false,
        tMin: 0,
        tMax: 1,
        alpha: (t: number) => at(t)[0],
        sigma: (t: number) => at(t)[1],
      };
      const model = gaussianModel({ mean: data, variance: v, schedule, predicts: "x0" });
      const x0 = numbers(model.predict(tensor2d([xt]), [0]));
      const ddim = xt.map((x, i) => 0.96 * (x0[i] as number) + (0.28 / 0.6) * (x - 0.8 * (x0[i] as number)));
      expectClose(ddim, [0.3054555819, -0.3073938242, 1.4610071259], 1e-6);
      expectClose(exact(ddim, 0.96, 0.28), [0.3321688288, -0.3186479079, 1.481737621], 1e-6);
    }));

  test("its boundary is the identity", () =>
    free(() => {
      const [x, x0] = draw(5, [2, 3], 2) as [Tensor, Tensor];
      expectClose(consistencyOutput({ xt: x, x0, t: [0, 0] }), x, 0);
      expectClose(consistencyOutput({ xt: x, x0, t: [1e6, 1e6] }), x0, 1e-6);
      expectSidError("shape-mismatch", () => consistencyOutput({ xt: x, x0, t: [0] }), /one number per sample/);
    }));
});
