import { readFileSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import { dispose, mul, type Tensor, tensor, type Variable, zeros } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { SidError } from "../../src/core";
import { adam, cosineRate, emaBeta, type LearningRateSchedule, updateEma, warmupRate } from "../../src/train";
import { packs } from "../../src/train/packing";
import { expectClose, numbers } from "../support/matchers";
import { weight } from "../support/weights";

interface Recorded {
  readonly name: string;
  readonly betas: [number, number];
  readonly weightDecay: number;
  readonly clipNorm: number | null;
  readonly clipValue: number | null;
  readonly schedule: { readonly kind: string; readonly warmupSteps: number; readonly totalSteps: number | null } | null;
  readonly learningRates: number[];
  readonly trajectory: number[][];
}

const golden: { readonly start: number[]; readonly gradients: number[][]; readonly cases: Recorded[] } = JSON.parse(
  readFileSync(new URL("../golden/adamw.json", import.meta.url), "utf8"),
);

const number = fc.float({ min: -4, max: 4, noNaN: true });
const vector = fc.array(number, { minLength: 5, maxLength: 5 });

/** torch.optim.Adam in float64, from its documentation. */
function reference(start: number[], gradients: number[][], lr: number, b1: number, b2: number, eps: number): number[] {
  const p = [...start];
  const m = p.map(() => 0);
  const v = p.map(() => 0);
  gradients.forEach((g, k) => {
    for (let i = 0; i < p.length; i++) {
      const gi = g[i] as number;
      m[i] = b1 * (m[i] as number) + (1 - b1) * gi;
      v[i] = b2 * (v[i] as number) + (1 - b2) * gi * gi;
      const mHat = (m[i] as number) / (1 - b1 ** (k + 1));
      p[i] = (p[i] as number) - (lr * mHat) / (Math.sqrt(v[i] as number) / Math.sqrt(1 - b2 ** (k + 1)) + eps);
    }
  });
  return p;
}

/** Two variables, [2, 1] and [3], that hold five numbers. */
function twoVariables(values: number[]): Variable[] {
  return [weight("adam-test/0", values.slice(0, 2), [2, 1]), weight("adam-test/1", values.slice(2))];
}

function split(values: number[]): Tensor[] {
  return [tensor(values.slice(0, 2), [2, 1]), tensor(values.slice(2), [3])];
}

describe("adam", () => {
  test.prop({
    start: vector,
    gradients: fc.array(vector, { minLength: 1, maxLength: 5 }),
    beta1: fc.constantFrom(0, 0.9),
    epsilon: fc.constantFrom(1e-8, 1e-3),
  })("takes PyTorch's steps", ({ start, gradients, beta1, epsilon }) => {
    const variables = twoVariables(start);
    const optimizer = adam(variables, { learningRate: 0.05, beta1, epsilon });
    for (const g of gradients) {
      const tensors = split(g);
      optimizer.step(tensors);
      dispose(tensors);
    }
    const wanted = reference(start, gradients, 0.05, beta1, 0.999, epsilon);
    numbers(variables[0] as Tensor)
      .concat(numbers(variables[1] as Tensor))
      .forEach((x, i) => {
        expect(Math.abs(x - (wanted[i] as number))).toBeLessThan(3e-6);
      });
    optimizer.dispose();
    dispose(variables);
  });

  test.each(golden.cases)("$name: the steps of PyTorch, recorded", (recorded) => {
    const { betas, weightDecay, schedule, learningRates, trajectory } = recorded;
    const [beta1, beta2] = betas;
    const clipNorm = recorded.clipNorm ?? undefined;
    const clipValue = recorded.clipValue ?? undefined;
    const { kind, warmupSteps, totalSteps } = schedule ?? {};
    const rates: Readonly<Record<string, () => LearningRateSchedule>> = {
      constant_with_warmup: () => warmupRate(0.05, { warmupSteps: warmupSteps as number }),
      cosine: () => cosineRate(0.05, { warmupSteps, totalSteps: totalSteps as number }),
    };
    const learningRate = rates[kind ?? ""]?.() ?? 0.05;
    const variables = twoVariables(golden.start);
    const optimizer = adam(variables, { learningRate, beta1, beta2, weightDecay, clipNorm, clipValue });
    golden.gradients.forEach((g, k) => {
      if (typeof learningRate === "function") expect(learningRate(k)).toBeCloseTo(learningRates[k] as number, 12);
      const tensors = split(g);
      optimizer.step(tensors);
      dispose(tensors);
      expectClose(variables.flatMap(numbers), trajectory[k] as number[], 3e-6);
    });
    optimizer.dispose();
    dispose(variables);
  });

  test("the cleaning comes before the clipping", () => {
    const step = (gradient: number[], options: { clipNorm?: number }) => {
      const variables = twoVariables([0, 0, 0, 0, 0]);
      const optimizer = adam(variables, { learningRate: 1, beta2: 0, epsilon: 1, ...options });
      const tensors = split(gradient);
      optimizer.step(tensors, (flat) => mul(flat, 2));
      const values = variables.flatMap(numbers);
      optimizer.dispose();
      dispose([...variables, ...tensors]);
      return values;
    };
    // Doubled to a norm of 10, then scaled to 5: what 3 and 4 give as they are.
    expectClose(step([3, 4, 0, 0, 0], { clipNorm: 5 }), step([1.5, 2, 0, 0, 0], {}), 1e-6);
  });

  test("stores no first moment at beta1 = 0", () => {
    const variables = twoVariables([1, 2, 3, 4, 5]);
    const plain = adam(variables, { learningRate: 1 });
    const heavy = adam(variables, { learningRate: 1, beta1: 0.5 });
    const held = (moments: readonly Tensor[]) => moments.reduce((n, x) => n + x.size, 0);
    expect(held(plain.state().moments)).toBe(5);
    expect(held(heavy.state().moments)).toBe(10);
    plain.dispose();
    heavy.dispose();
    dispose(variables);
  });

  test.prop({ beta1: fc.constantFrom(0, 0.9), first: vector, second: vector })(
    "goes on from its state bit for bit",
    ({ beta1, first, second }) => {
      const run = (interrupt: boolean): number[] => {
        const variables = twoVariables([1, 2, 3, 4, 5]);
        let optimizer = adam(variables, { learningRate: 0.01, beta1 });
        const g1 = split(first);
        const g2 = split(second);
        optimizer.step(g1);
        if (interrupt) {
          const next = adam(variables, { learningRate: 0.01, beta1 });
          next.restore(optimizer.state());
          optimizer.dispose();
          optimizer = next;
        }
        optimizer.step(g2);
        const values = variables.flatMap((v) => numbers(v));
        optimizer.dispose();
        dispose([...variables, ...g1, ...g2]);
        return values;
      };
      expect(run(true)).toEqual(run(false));
    },
  );

  test.prop({
    limit: fc.integer({ min: 1, max: 12 }),
    sizes: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1 }),
  })("packing and assigning is the identity at any group size", ({ limit, sizes }) => {
    const shapes = sizes.map((n) => [n, 2]);
    const groups = packs(shapes, limit);
    const values = sizes.map((n, i) => Array.from({ length: 2 * n }, (_, k) => 100 * i + k));
    const from = shapes.map((shape, i) => tensor(values[i] as number[], shape));
    const to = shapes.map((shape, i) =>
      weight(`adam-test/${i}`, Array<number>(2 * (sizes[i] as number)).fill(-1), shape),
    );
    for (const group of groups) {
      const flat = group.pack(from);
      expect(flat.size).toBe(group.size);
      expect(flat.size <= Math.max(limit, 12)).toBe(true);
      group.assign(to, flat);
      flat.dispose();
    }
    to.forEach((x, i) => {
      expectClose(x, from[i] as Tensor, 0);
    });
    dispose([...from, ...to]);
  });

  test("refuses bad options and gradients that do not fit", () => {
    const variables = twoVariables([1, 2, 3, 4, 5]);
    const code = (options: Parameters<typeof adam>[1]) => catchCode(() => adam(variables, options).dispose());
    expect(code({ learningRate: 0 })).toBe("out-of-range");
    expect(code({ learningRate: Number.NaN })).toBe("not-finite");
    expect(code({ learningRate: 1, weightDecay: -1 })).toBe("out-of-range");
    expect(code({ learningRate: 1, clipNorm: 0 })).toBe("out-of-range");
    expect(code({ learningRate: 1, clipValue: Number.NaN })).toBe("not-finite");
    expect(catchCode(() => warmupRate(0, { warmupSteps: 1 }))).toBe("out-of-range");
    expect(catchCode(() => warmupRate(1, { warmupSteps: 1.5 }))).toBe("invalid-argument");
    expect(catchCode(() => cosineRate(1, { totalSteps: 2, warmupSteps: 3 }))).toBe("out-of-range");
    const falling = adam(variables, { learningRate: (k) => 1 - 2 * k });
    const gradients = split([1, 1, 1, 1, 1]);
    falling.step(gradients);
    const before = variables.flatMap(numbers);
    expect(catchCode(() => falling.step(gradients))).toBe("out-of-range");
    expect(variables.flatMap(numbers)).toEqual(before);
    falling.dispose();
    dispose(gradients);
    expect(code({ learningRate: 1, beta1: 1 })).toBe("out-of-range");
    expect(code({ learningRate: 1, beta2: -0.1 })).toBe("out-of-range");
    expect(code({ learningRate: 1, epsilon: 0 })).toBe("out-of-range");
    expect(catchCode(() => adam([], { learningRate: 1 }))).toBe("invalid-argument");
    const optimizer = adam(variables, { learningRate: 1 });
    const wrong = zeros([5]);
    expect(catchCode(() => optimizer.step([wrong]))).toBe("shape-mismatch");
    expect(catchCode(() => optimizer.step([wrong, wrong]))).toBe("shape-mismatch");
    expect(catchCode(() => optimizer.restore({ step: 1, moments: [] }))).toBe("shape-mismatch");
    wrong.dispose();
    optimizer.dispose();
    dispose(variables);
  });
});

describe("ema", () => {
  test("ramps up as the official loop does", () => {
    // test/golden/sd15-lsg1.5/case.json: batch 2, half-life 500 images, ramp 0.05.
    const beta = (nimg: number) => emaBeta({ nimg, batch: 2, halfLife: 500, rampUp: 0.05 });
    expect(beta(0)).toBe(0);
    expect(beta(2)).toBeCloseTo(9.5367431640625e-7, 18);
    expect(beta(4)).toBeCloseTo(0.0009765625, 15);
    expect(beta(1e9)).toBe(0.5 ** (2 / 500));
  });

  test.prop({ nimg: fc.nat(1e6), batch: fc.integer({ min: 1, max: 4096 }), halfLife: fc.nat(1e6) })(
    "beta lies in [0, 1), grows with images seen and halves over a half-life",
    ({ nimg, batch, halfLife }) => {
      const beta = emaBeta({ nimg, batch, halfLife });
      expect(beta >= 0 && beta < 1).toBe(true);
      expect(emaBeta({ nimg: nimg + 1000, batch, halfLife }) >= beta).toBe(true);
      if (halfLife > 0) expect(emaBeta({ nimg, batch: halfLife, halfLife, rampUp: null })).toBe(0.5);
      else expect(beta).toBe(0);
    },
  );

  test.prop({ target: vector, source: vector, beta: fc.constantFrom(0, 0.25, 1) })(
    "is the weighted mean, and exactly the weights at beta = 0",
    ({ target, source, beta }) => {
      const a = weight("ema-test/a", target);
      const b = weight("ema-test/b", source);
      updateEma([a], [b], beta);
      const wanted = source.map((s, i) => s + beta * ((target[i] as number) - s));
      numbers(a).forEach((x, i) => {
        expect(Math.abs(x - (wanted[i] as number))).toBeLessThan(2e-6);
      });
      if (beta === 0) expect(numbers(a)).toEqual(numbers(b));
      updateEma([b], [b], 0.5);
      dispose([a, b]);
    },
  );

  test("refuses lists that do not fit and bad numbers", () => {
    const a = weight("ema-test/a", [1, 2]);
    const b = weight("ema-test/b", [1, 2, 3]);
    expect(catchCode(() => updateEma([a], [b], 0.5))).toBe("shape-mismatch");
    expect(catchCode(() => updateEma([a], [], 0.5))).toBe("shape-mismatch");
    expect(catchCode(() => updateEma([a], [a], 2))).toBe("out-of-range");
    expect(catchCode(() => emaBeta({ nimg: Number.NaN, batch: 1, halfLife: 1 }))).toBe("not-finite");
    expect(catchCode(() => emaBeta({ nimg: 0, batch: 0, halfLife: 1 }))).toBe("out-of-range");
    expect(catchCode(() => emaBeta({ nimg: 0, batch: 1, halfLife: -1 }))).toBe("out-of-range");
    dispose([a, b]);
  });
});

function catchCode(f: () => void): string {
  try {
    f();
  } catch (error) {
    if (error instanceof SidError) return error.code;
    throw error;
  }
  return "no error";
}
