import { fc, test } from "@fast-check/vitest";
import {
  add,
  cast,
  clone,
  mean,
  memory,
  mul,
  profile,
  slice,
  square,
  type Tensor,
  tensor2d,
  tidy,
} from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { randomStream, SidError } from "../../src/core";
import { type FunctionModelOptions, functionModel, mlp } from "../../src/models";
import { ddpmSchedule } from "../../src/schedules";
import { scoreModelContract } from "../contracts/score-model-contract";
import { expectSidError } from "../support/errors";
import { expectClose, numbers } from "../support/matchers";
import { weight } from "../support/weights";

const schedule = ddpmSchedule();

const make = (options: Partial<FunctionModelOptions>) =>
  functionModel({ name: "teacher", predicts: "eps", schedule, predict: (xt) => mul(xt, 2), ...options });

const timed = (xt: Tensor, t: readonly number[]) => add(square(xt), tensor2d(t.map((time) => [time / 500])));

scoreModelContract("functionModel with features", {
  make: () => {
    const w = weight("teacher/w", [2]);
    return make({
      variables: [w],
      predict: (xt, t) => mul(timed(xt, t), w),
      features: (xt, t) => slice(mul(timed(xt, t), square(w)), [0, 0], [t.length, 1]),
    });
  },
  sampleShape: [2],
  t: [0, 500, 999],
  features: [1],
});

describe("features of functionModel", () => {
  const xt = () =>
    tensor2d([
      [1, 2],
      [3, 4],
    ]);
  const t = [1, 2];

  test("each of the two ways to give them makes the other", () =>
    tidy(() => {
      let passes = 0;
      const joint = make({
        predictWithFeatures(xt) {
          passes++;
          return { prediction: mul(xt, 2), features: square(xt) };
        },
      });
      for (const model of [make({ features: (xt) => square(xt) }), joint]) {
        const both = model.predictWithFeatures?.(xt(), t);
        expectClose(both?.prediction as Tensor, mul(xt(), 2), 0);
        expectClose(both?.features as Tensor, square(xt()), 0);
        expectClose(model.features?.(xt(), t) as Tensor, square(xt()), 0);
      }
      expect(passes).toBe(2);
    }));

  test("what is its input, a constant, or one tensor for two is not given away", () => {
    const [constant, input] = [tensor2d([[1], [2]]), xt()];
    const ways: Partial<FunctionModelOptions>[] = [
      { features: (xt) => xt },
      { features: () => constant },
      { predictWithFeatures: (xt) => ({ prediction: xt, features: xt }) },
    ];
    for (const way of ways) {
      const model = make(way);
      model.features?.(input, t).dispose();
      const both = model.predictWithFeatures?.(input, t);
      both?.prediction.dispose();
      expect(both?.features.isDisposed).toBe(false);
      both?.features.dispose();
    }
    for (const x of [constant, input]) {
      expect(numbers(x).every(Number.isFinite)).toBe(true);
      x.dispose();
    }
  });

  test.each<[string, (xt: Tensor) => unknown]>([
    ["one row for two samples", (xt) => mean(xt, 0, true)],
    ["a scalar", (xt) => mean(xt)],
    ["integers", (xt) => cast(xt, "int32")],
    ["nothing", () => undefined],
    ["a list", (xt) => [clone(xt)]],
  ])("%s for features is refused, named after the model, and leaves nothing", (_, features) =>
    tidy(() => {
      const input = xt();
      const before = memory().numTensors;
      for (const model of [
        make({ features: features as never }),
        make({ predictWithFeatures: ((xt: Tensor) => ({ prediction: clone(xt), features: features(xt) })) as never }),
      ])
        for (const ask of [() => model.features?.(input, t), () => model.predictWithFeatures?.(input, t)]) {
          expect(ask).toThrow(SidError);
          expect(ask).toThrow(/^teacher: the network's features/);
        }
      expect(memory().numTensors).toBe(before);
    }),
  );

  test("an answer that is none, a prediction of another shape, and options that are no functions are refused", () =>
    tidy(() => {
      const refused = (answer: unknown, message: RegExp) => {
        const model = make({ predictWithFeatures: (() => answer) as never });
        expectSidError("invalid-argument", () => model.predictWithFeatures?.(xt(), t), message);
        expectSidError("invalid-argument", () => model.features?.(xt(), t), message);
      };
      refused(undefined, /what predictWithFeatures returned must be an object/);
      refused({ prediction: xt() }, /the network's features must be a tensor/);
      const odd = make({ predictWithFeatures: (xt) => ({ prediction: mean(xt, 1), features: xt }) });
      expectSidError(
        "shape-mismatch",
        () => odd.predictWithFeatures?.(xt(), t),
        /the shape of x_t \[2, 2\], got \[2\]/,
      );
      for (const key of ["features", "predictWithFeatures"])
        expectSidError("invalid-argument", () => make({ [key]: 5 }), RegExp(`${key} must be a function`));
    }));
});

describe("features of mlp", () => {
  test.prop({ depth: fc.integer({ min: 1, max: 4 }), hidden: fc.integer({ min: 1, max: 9 }) }, { numRuns: 10 })(
    "are its last hidden layer: the output layer makes the prediction of them, in one pass",
    async ({ depth, hidden }) => {
      const stream = randomStream(depth);
      const network = mlp({ dim: 2, hidden, depth }, { name: "mlp", schedule, predicts: "eps", weights: stream });
      const [x, t] = [stream.normal([3, 2]), [1, 500, 900]];
      tidy(() => {
        const [w, b] = network.variables.slice(-2) as Tensor[] as [Tensor, Tensor];
        const got = network.predictWithFeatures?.(x, t);
        const features = got?.features as Tensor;
        const wanted = Array.from({ length: 3 }, (_, i) =>
          Array.from({ length: 2 }, (_, j) =>
            numbers(slice(features, [i, 0], [1, hidden])).reduce(
              (total, h, k) => total + h * (numbers(w)[2 * k + j] as number),
              numbers(b)[j] as number,
            ),
          ),
        );
        expectClose(got?.prediction as Tensor, tensor2d(wanted), 1e-5);
        expect(numbers(got?.prediction as Tensor)).toEqual(numbers(network.predict(x, t)));
      });
      const products = async (f: () => unknown) => {
        const { kernels } = await profile(() => tidy(() => void f()) as never);
        return kernels.filter(({ name }) => /MatMul/.test(name)).length;
      };
      expect(await products(() => network.predict(x, t))).toBe(depth + 1);
      expect(await products(() => network.predictWithFeatures?.(x, t))).toBe(depth + 1);
      expect(await products(() => network.features?.(x, t))).toBe(depth);
      x.dispose();
      network.dispose();
    },
  );

  test("bad input is named after the method that was called", () =>
    tidy(() => {
      const network = mlp({ dim: 2 }, { name: "mlp", schedule, predicts: "eps", weights: randomStream(0) });
      const x = randomStream(0).normal([1, 3]);
      expectSidError("shape-mismatch", () => network.features?.(x, [1]), /^mlp\.features: xt must be \[1, 2\]/);
      expectSidError("shape-mismatch", () => network.predictWithFeatures?.(x, [1]), /^mlp\.predictWithFeatures: xt/);
      network.dispose();
    }));
});
