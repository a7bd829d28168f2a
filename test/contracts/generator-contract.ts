import { cast, memory, mul, slice, sum, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { randomStream, SidError, valueAndGradients } from "../../src/core";
import type { GeneratorModel } from "../../src/models";
import { expectClose, numbers } from "../support/matchers";

/** What a generator must be given in order to be examined. */
export interface GeneratorCase {
  /** A fresh generator; the suite disposes of it. */
  make(): GeneratorModel;
  /** The shape of one sample. */
  readonly sampleShape: readonly number[];
  /** Conditions for a batch; absent for an unconditional generator. */
  cond?(batch: number): Tensor;
  /** False where a framework names the variables itself. */
  readonly prefixedNames?: boolean;
}

/** Registers the tests that every generator must pass. */
export function generatorContract(title: string, subject: GeneratorCase): void {
  const draw = (count: number, batch: number, seed = 1) => {
    const stream = randomStream(seed);
    return Array.from({ length: count }, () => stream.normal([batch, ...subject.sampleShape]));
  };
  const withGenerator = (f: (generator: GeneratorModel) => void): void => {
    const generator = subject.make();
    try {
      tidy(() => f(generator));
    } finally {
      generator.dispose();
    }
  };

  describe(`${title} is a generator`, () => {
    test("it answers in the shape of its noise, and keeps nothing but the answer", () =>
      withGenerator((generator) => {
        for (const batch of [1, 3]) {
          const noises = draw(generator.steps, batch);
          const cond = subject.cond?.(batch);
          const before = memory().numTensors;
          const x = generator.generate(noises, cond);
          expect(memory().numTensors - before).toBe(1);
          expect(x.shape).toEqual([batch, ...subject.sampleShape]);
          expect(x.dtype).toBe("float32");
          expect(numbers(x).every(Number.isFinite)).toBe(true);
          x.dispose();
          for (const noise of noises) expect(() => numbers(noise)).not.toThrow();
        }
      }));

    test("the same noise gives the same sample, bit for bit, and other noise another", () =>
      withGenerator((generator) => {
        const noises = draw(generator.steps, 2);
        const make = (z: Tensor[]) => numbers(generator.generate(z, subject.cond?.(2)));
        expect(make(noises)).toEqual(make(noises));
        noises.forEach((_, i) => {
          const others = noises.map((noise, j) => (i === j ? mul(noise, -1) : noise));
          expect(make(others)).not.toEqual(make(noises));
        });
      }));

    test("samples do not see each other", () =>
      withGenerator((generator) => {
        const noises = draw(generator.steps, 3);
        const cond = subject.cond?.(3);
        const together = generator.generate(noises, cond);
        for (const i of [0, 1, 2]) {
          const alone = generator.generate(
            noises.map((noise) => row(noise, i)),
            cond && row(cond, i),
          );
          expectClose(alone, row(together, i), 2e-5);
        }
      }));

    test("its variables bear its name and go with it", () => {
      const before = memory().numTensors;
      const generator = subject.make();
      const names = generator.variables.map((v) => v.name);
      expect(new Set(names).size).toBe(names.length);
      if (subject.prefixedNames !== false) for (const name of names) expect(name).toMatch(`${generator.name}/`);
      generator.dispose();
      expect(generator.variables.every((v) => v.isDisposed)).toBe(true);
      expect(memory().numTensors).toBe(before);
    });

    test("every variable has a finite gradient, and not all are zero", () =>
      withGenerator((generator) => {
        if (generator.variables.length === 0) return;
        const noises = draw(generator.steps, 3);
        const [cotangent] = draw(1, 3, 2) as [Tensor];
        const cond = subject.cond?.(3);
        const { gradients } = valueAndGradients(
          () => sum(mul(generator.generate(noises, cond), cotangent)),
          generator.variables,
        );
        const all = gradients.flatMap((g) => numbers(g));
        expect(all.every(Number.isFinite)).toBe(true);
        expect(all.some((g) => g !== 0)).toBe(true);
      }));

    test("bad input is refused by a SidError, and nothing leaks", () =>
      withGenerator((generator) => {
        const noises = draw(generator.steps, 2);
        const first = noises[0] as Tensor;
        const gone = first.clone();
        gone.dispose();
        const bad: [unknown, unknown?][] = [
          [[]],
          [undefined],
          [first],
          [[...noises, first]],
          [noises.map(() => undefined)],
          [noises.map(() => gone)],
          [noises.map((noise) => cast(noise, "int32"))],
          [noises, "red three"],
          [noises, draw(1, 3)[0]],
        ];
        if (generator.steps > 1) bad.push([noises.map((noise, i) => (i === 0 ? row(noise, 0) : noise))]);
        for (const [z, cond] of bad) {
          const made = cond ?? subject.cond?.(2);
          const before = memory().numTensors;
          expect(() => generator.generate(z as Tensor[], made as Tensor)).toThrow(SidError);
          expect(memory().numTensors).toBe(before);
        }
      }));
  });
}

function row(x: Tensor, i: number): Tensor {
  return slice(x, [i, ...x.shape.slice(1).map(() => 0)], [1, ...x.shape.slice(1)]);
}
