import { add, memory, mul, type Scalar, sum, type Tensor, tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { randomStream, valueAndGradients, vjp } from "../../src/core";
import type { ScoreModel } from "../../src/models";
import { expectClose, numbers } from "../support/matchers";
import { expectSlope, row } from "../support/slopes";

/** What a score model must be given, see `ScoreModelCase`. */
interface FeaturesCase {
  readonly sampleShape: readonly number[];
  readonly t: readonly [number, number, number];
  cond?(batch: number): Tensor;
  /** The shape of one sample's features. */
  readonly features: readonly number[];
}

/** All numbers of some tensors, one after another. */
const flat = (tensors: readonly Tensor[]): number[] => tensors.flatMap((x) => numbers(x));

/** Registers the tests of a score model that gives features, in the suite of `scoreModelContract`. */
export function featuresContract(subject: FeaturesCase, withModel: (f: (model: ScoreModel) => void) => void): void {
  const of = (model: ScoreModel) => ({
    features: model.features?.bind(model) as NonNullable<ScoreModel["features"]>,
    both: model.predictWithFeatures?.bind(model) as NonNullable<ScoreModel["predictWithFeatures"]>,
  });
  const draw = (batch: number, seed = 1) => randomStream(seed).normal([batch, ...subject.sampleShape]);
  const drawFeatures = (batch: number, seed: number) => randomStream(seed).normal([batch, ...subject.features]);

  test("its features have one row per sample, and nothing is kept but the answers", () =>
    withModel((model) => {
      const { features, both } = of(model);
      for (const batch of [1, 3]) {
        const [xt, cond, t] = [draw(batch), subject.cond?.(batch), subject.t.slice(0, batch)];
        const before = memory().numTensors;
        const answers = [features(xt, t, cond), ...Object.values(both(xt, t, cond) as object)] as Tensor[];
        expect(memory().numTensors - before).toBe(3);
        expect(answers.map((x) => x.shape)).toEqual([
          [batch, ...subject.features],
          xt.shape,
          [batch, ...subject.features],
        ]);
        expect(answers.every((x) => x.dtype === "float32" && numbers(x).every(Number.isFinite))).toBe(true);
        for (const x of answers) x.dispose();
        expect(() => numbers(xt)).not.toThrow();
      }
    }));

  test("prediction and features in one pass are those of two", () =>
    withModel((model) => {
      const { features, both } = of(model);
      const [xt, cond] = [draw(3), subject.cond?.(3)];
      const got = both(xt, subject.t, cond);
      expectClose(got.prediction, model.predict(xt, subject.t, cond), 1e-6);
      expectClose(got.features, features(xt, subject.t, cond), 1e-6);
    }));

  test("the features of samples do not see each other, and know the time", () =>
    withModel((model) => {
      const { features } = of(model);
      const [xt, cond] = [draw(3), subject.cond?.(3)];
      const together = features(xt, subject.t, cond);
      subject.t.forEach((t, i) => {
        expectClose(features(row(xt, i), [t], cond && row(cond, i)), row(together, i), 2e-5);
      });
      const [a, b, c] = subject.t;
      const other = features(xt, [a, c, b], cond);
      expectClose(row(other, 0), row(together, 0), 2e-5);
      expect(numbers(row(other, 1))).not.toEqual(numbers(row(together, 1)));
    }));

  test("features differentiate in x_t as finite differences say, alone and beside the prediction", () =>
    withModel((model) => {
      const { features, both } = of(model);
      const [cond, dy] = [subject.cond?.(3), draw(3, 3)];
      const cotangent = drawFeatures(3, 4);
      expectSlope((x) => features(x, subject.t, cond), draw(3), draw(3, 2), cotangent);
      const total = (x: Tensor) => {
        const got = both(x, subject.t, cond);
        return add(sum(mul(got.prediction, dy)), sum(mul(got.features, cotangent)));
      };
      const [joint] = vjp((x) => total(x as Tensor), [draw(3)], tensor(1)) as [Tensor];
      const [one] = vjp((x) => model.predict(x as Tensor, subject.t, cond), [draw(3)], dy) as [Tensor];
      const [other] = vjp((x) => features(x as Tensor, subject.t, cond), [draw(3)], cotangent) as [Tensor];
      expectClose(joint, add(one, other), 1e-5);
    }));

  test("in one pass, every variable gets the gradients of both", () =>
    withModel((model) => {
      const { features, both } = of(model);
      const [xt, dy, cond] = [draw(3), draw(3, 3), subject.cond?.(3)];
      const cotangent = drawFeatures(3, 4);
      const joint = valueAndGradients(() => {
        const got = both(xt, subject.t, cond);
        return add(sum(mul(got.prediction, dy)), sum(mul(got.features, cotangent))) as Scalar;
      }, model.variables).gradients;
      const twoPasses = valueAndGradients(() => {
        const prediction = sum(mul(model.predict(xt, subject.t, cond), dy));
        return add(prediction, sum(mul(features(xt, subject.t, cond), cotangent))) as Scalar;
      }, model.variables).gradients;
      expectClose(flat(joint), flat(twoPasses), 1e-5);
    }));

  test("features differentiate in the variables as finite differences say", () =>
    withModel((model) => {
      const { features, both } = of(model);
      const [xt, cond, cotangent] = [draw(3), subject.cond?.(3), drawFeatures(3, 4)];
      const value = () => sum(mul(features(xt, subject.t, cond), cotangent));
      // The prediction, times 0, only reaches the variables that features do not depend on.
      const reaching = () => add(value(), mul(sum(both(xt, subject.t, cond).prediction), 0)) as Scalar;
      const { gradients } = valueAndGradients(reaching, model.variables);
      const [start, directions] = [
        model.variables.map((v) => v.clone()),
        model.variables.map((v, i) => randomStream(i).normal(v.shape)),
      ] as [Tensor[], Tensor[]];
      const h = 2 ** -8;
      const along = (sign: number) => {
        model.variables.forEach((v, i) => {
          v.assign(add(start[i] as Tensor, mul(directions[i] as Tensor, sign * h)));
        });
        return numbers(value())[0] as number;
      };
      const slope = (along(1) - along(-1)) / (2 * h);
      model.variables.forEach((v, i) => void v.assign(start[i] as Tensor));
      const [g, d] = [flat(gradients), flat(directions)];
      const found = g.reduce((total, x, i) => total + x * (d[i] as number), 0);
      expect(Math.abs(found - slope)).toBeLessThan(5e-3 * Math.hypot(...g) * Math.hypot(...d) + 1e-4);
      expect(Math.abs(slope)).toBeGreaterThan(0);
    }));
}
