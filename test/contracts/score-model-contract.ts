import { memory, mul, sum, type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { randomStream, SidError, valueAndGradients } from "../../src/core";
import type { ScoreModel } from "../../src/models";
import { expectClose, numbers } from "../support/matchers";
import { expectSlope, row } from "../support/slopes";
import { featuresContract } from "./features-contract";

/** What a score model must be given in order to be examined. */
export interface ScoreModelCase {
  /** A fresh model; the suite disposes of it. */
  make(): ScoreModel;
  /** The shape of one sample. */
  readonly sampleShape: readonly number[];
  /** Three valid times. */
  readonly t: readonly [number, number, number];
  /** Conditions for a batch; absent for an unconditional model. */
  cond?(batch: number): Tensor;
  /** False where a framework names the variables itself. */
  readonly prefixedNames?: boolean;
  /** The shape of one sample's features; absent for a model that has none. */
  readonly features?: readonly number[];
}

/** Registers the tests that every score model must pass. */
export function scoreModelContract(title: string, subject: ScoreModelCase): void {
  const draw = (batch: number, seed = 1) => randomStream(seed).normal([batch, ...subject.sampleShape]);
  const withModel = (f: (model: ScoreModel) => void): void => {
    const model = subject.make();
    try {
      tidy(() => f(model));
    } finally {
      model.dispose();
    }
  };
  const predict = (model: ScoreModel, xt: Tensor, t: readonly number[], cond?: Tensor) =>
    model.predict(xt, t, cond ?? subject.cond?.(t.length));

  describe(`${title} is a score model`, () => {
    test("it answers in the shape of its input, and keeps nothing but the answer", () =>
      withModel((model) => {
        for (const batch of [1, 3]) {
          const xt = draw(batch);
          const cond = subject.cond?.(batch);
          const before = memory().numTensors;
          const y = model.predict(xt, subject.t.slice(0, batch), cond);
          expect(memory().numTensors - before).toBe(1);
          expect(y.shape).toEqual(xt.shape);
          expect(y.dtype).toBe("float32");
          expect(numbers(y).every(Number.isFinite)).toBe(true);
          y.dispose();
          expect(xt.isDisposed || cond?.isDisposed).toBeFalsy();
          expect(() => numbers(xt)).not.toThrow();
        }
      }));

    test("the same input gives the same output, bit for bit", () =>
      withModel((model) => {
        const xt = draw(3);
        expect(numbers(predict(model, xt, subject.t))).toEqual(numbers(predict(model, xt, subject.t)));
      }));

    test("samples do not see each other", () =>
      withModel((model) => {
        const xt = draw(3);
        const cond = subject.cond?.(3);
        const together = model.predict(xt, subject.t, cond);
        subject.t.forEach((t, i) => {
          const alone = model.predict(row(xt, i), [t], cond && row(cond, i));
          expectClose(alone, row(together, i), 2e-5);
        });
      }));

    test("the time of each sample counts for that sample", () =>
      withModel((model) => {
        const xt = draw(3);
        const [a, b, c] = subject.t;
        const one = predict(model, xt, [a, b, c]);
        const other = predict(model, xt, [a, c, c]);
        expectClose(row(one, 0), row(other, 0), 2e-5);
        expect(numbers(row(one, 1))).not.toEqual(numbers(row(other, 1)));
      }));

    test("its variables bear its name, exist once, and go with it", () => {
      const before = memory().numTensors;
      const model = subject.make();
      const names = model.variables.map((v) => v.name);
      expect(new Set(names).size).toBe(names.length);
      if (subject.prefixedNames !== false) for (const name of names) expect(name).toMatch(`${model.name}/`);
      model.dispose();
      expect(model.variables.every((v) => v.isDisposed)).toBe(true);
      expect(memory().numTensors).toBe(before);
    });

    test("it differentiates in x_t as finite differences say", () =>
      withModel((model) => {
        const cond = subject.cond?.(3);
        expectSlope((x) => model.predict(x, subject.t, cond), draw(3), draw(3, 2), draw(3, 3));
      }));

    test("every variable has a finite gradient", () =>
      withModel((model) => {
        if (model.variables.length === 0) return;
        const [xt, cotangent] = [draw(3), draw(3, 3)];
        const cond = subject.cond?.(3);
        const { gradients } = valueAndGradients(
          () => sum(mul(model.predict(xt, subject.t, cond), cotangent)),
          model.variables,
        );
        gradients.forEach((g, i) => {
          expect(g.shape).toEqual(model.variables[i]?.shape);
          expect(numbers(g).every(Number.isFinite)).toBe(true);
        });
      }));

    if (subject.features) featuresContract({ ...subject, features: subject.features }, withModel);
    else
      test("it declares no features", () =>
        withModel((model) => {
          expect([model.features, model.predictWithFeatures]).toEqual([undefined, undefined]);
        }));

    test("bad input is refused by a SidError, and nothing leaks", () =>
      withModel((model) => {
        const xt = draw(2);
        const [a, b] = subject.t;
        const good = [a, b];
        const integers = tensor([1, 2, 3], [3, 1], "int32");
        const gone = draw(2);
        gone.dispose();
        const bad: [unknown, unknown, unknown?][] = [
          [xt, [a]],
          [xt, [a, b, b]],
          [xt, [a, Number.NaN]],
          [xt, [a, Number.POSITIVE_INFINITY]],
          [xt, [a, model.schedule.tMax + 1]],
          [xt, [a, model.schedule.tMin - 1]],
          [xt, a],
          [xt, undefined],
          [xt, [a, String(b)]],
          [integers, [a, b, b]],
          [gone, good],
          [undefined, good],
          [[[0, 0]], good],
          [xt, good, "red three"],
          [xt, good, draw(3)],
        ];
        if (model.schedule.discrete) bad.push([xt, [a, b + 0.5]]);
        for (const [x, t, cond] of bad) {
          const before = memory().numTensors;
          const made = cond ?? subject.cond?.(2);
          const held = memory().numTensors - before;
          const given = [x as Tensor, t as number[], made as Tensor] as const;
          expect(() => model.predict(...given)).toThrow(SidError);
          if (model.features) expect(() => model.features?.(...given)).toThrow(SidError);
          if (model.predictWithFeatures) expect(() => model.predictWithFeatures?.(...given)).toThrow(SidError);
          expect(memory().numTensors - held).toBe(before);
        }
      }));
  });
}
