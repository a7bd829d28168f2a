import { add, memory, mul, type Scalar, sum, type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { randomStream, SidError, valueAndGradients } from "../../src/core";
import { copyWeights, type Discriminator, loadWeights, readWeights } from "../../src/models";
import { expectClose, numbers } from "../support/matchers";
import { expectSlope, row } from "../support/slopes";

/** What a discriminator must be given in order to be examined. */
export interface DiscriminatorCase {
  /** A fresh discriminator; the suite disposes of it. */
  make(name: string, seed: number): Discriminator;
  /** The shape of what it reads of one sample. */
  readonly inputShape: readonly number[];
  /** The shape of one sample's logits. */
  readonly logitShape: readonly number[];
  /** Three valid times. */
  readonly t: readonly [number, number, number];
}

/** Registers the tests that every discriminator must pass. */
export function discriminatorContract(title: string, subject: DiscriminatorCase): void {
  const { t, inputShape, logitShape } = subject;
  const draw = (batch: number, seed = 1) => randomStream(seed).normal([batch, ...inputShape]);
  const cotangent = () => randomStream(3).normal([3, ...logitShape]);
  const withDiscriminators = async (count: number, f: (...all: Discriminator[]) => unknown): Promise<void> => {
    const all = Array.from({ length: count }, (_, i) => subject.make(`discriminator${i}`, i + 1));
    try {
      await f(...all);
    } finally {
      for (const one of all) one.dispose();
    }
  };
  const withOne = (f: (discriminator: Discriminator) => void) =>
    withDiscriminators(1, (one) => tidy(() => f(one as Discriminator)));

  describe(`${title} is a discriminator`, () => {
    test("it answers with its logits, the same each time, and keeps nothing else", () =>
      withOne((discriminator) => {
        for (const batch of [1, 3]) {
          const input = draw(batch);
          const before = memory().numTensors;
          const logit = discriminator.logit(input, t.slice(0, batch));
          expect(memory().numTensors - before).toBe(1);
          expect(logit.shape).toEqual([batch, ...logitShape]);
          expect(logit.dtype).toBe("float32");
          expect(numbers(logit).every(Number.isFinite)).toBe(true);
          expect(numbers(discriminator.logit(input, t.slice(0, batch)))).toEqual(numbers(logit));
          logit.dispose();
          expect(() => numbers(input)).not.toThrow();
        }
      }));

    test("samples do not see each other", () =>
      withOne((discriminator) => {
        const input = draw(3);
        const together = discriminator.logit(input, t);
        t.forEach((time, i) => {
          expectClose(discriminator.logit(row(input, i), [time]), row(together, i), 2e-5);
        });
      }));

    test("it differentiates in its input as finite differences say", () =>
      withOne((discriminator) => {
        expectSlope((x) => discriminator.logit(x, t), draw(3), draw(3, 2), cotangent());
      }));

    test("it differentiates in each of its variables as finite differences say", () =>
      withOne((discriminator) => {
        if (discriminator.variables.length === 0) return;
        const input = draw(3);
        const dy = cotangent();
        const value = () => sum(mul(discriminator.logit(input, t), dy)) as Scalar;
        const { gradients } = valueAndGradients(value, discriminator.variables);
        discriminator.variables.forEach((v, i) => {
          const [start, direction] = [v.clone(), randomStream(i).normal(v.shape)];
          const h = 2 ** -7;
          const along = (sign: number) => {
            v.assign(add(start, mul(direction, sign * h)));
            return numbers(value())[0] as number;
          };
          const slope = (along(1) - along(-1)) / (2 * h);
          v.assign(start);
          const [g, d] = [numbers(gradients[i] as Tensor), numbers(direction)];
          const found = g.reduce((total, x, j) => total + x * (d[j] as number), 0);
          expect(Math.abs(found - slope), v.name).toBeLessThan(1e-2 * Math.hypot(...g) * Math.hypot(...d) + 2e-4);
          expect(Math.hypot(...g), v.name).toBeGreaterThan(0);
        });
      }));

    test("its variables bear its name, exist once, and go with it", () => {
      const before = memory().numTensors;
      const discriminator = subject.make("mine", 1);
      const names = discriminator.variables.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      for (const name of names) expect(name).toMatch(/^mine\//);
      if (names.length > 0) expect(() => subject.make("mine", 1)).toThrow(/exists already/);
      discriminator.dispose();
      discriminator.dispose();
      expect(discriminator.variables.every((v) => v.isDisposed)).toBe(true);
      expect(memory().numTensors).toBe(before);
      if (names.length === 0) return;
      const input = draw(1);
      expect(() => discriminator.logit(input, t.slice(0, 1))).toThrow(/"mine" was disposed/);
      input.dispose();
    });

    test("a seed is a start; weights go out, come in and are copied", () =>
      withDiscriminators(3, async (one, other, third) => {
        const [a, b, c] = [one, other, third] as [Discriminator, Discriminator, Discriminator];
        const again = subject.make("again", 1);
        const answer = (d: Discriminator) => tidy(() => numbers(d.logit(draw(3), t)));
        const wanted = answer(a);
        expect(answer(again)).toEqual(wanted);
        again.dispose();
        if (a.variables.length === 0) return;
        expect(answer(b)).not.toEqual(wanted);
        const weights = await readWeights(a);
        expect([...weights.keys()].every((name) => a.variables.some((v) => v.name === `${a.name}/${name}`))).toBe(true);
        await loadWeights(b, weights);
        copyWeights(a, c);
        for (const d of [b, c]) expect(answer(d)).toEqual(wanted);
      }));

    test("bad input is refused by a SidError that names it, and nothing leaks", () =>
      withOne((discriminator) => {
        const input = draw(2);
        const [a, b] = t;
        const gone = draw(2);
        gone.dispose();
        const bad: [unknown, unknown][] = [
          [input, [a]],
          [input, [a, b, b]],
          [input, [a, Number.NaN]],
          [input, a],
          [input, undefined],
          [tensor([1, 2], [2], "int32"), [a, b]],
          [tensor([1, 2]), [a, b]],
          [gone, [a, b]],
          [undefined, [a, b]],
          [[[0]], [a, b]],
        ];
        const before = memory().numTensors;
        for (const [x, times] of bad)
          expect(() => discriminator.logit(x as Tensor, times as number[])).toThrow(SidError);
        expect(memory().numTensors).toBe(before);
      }));
  });
}
