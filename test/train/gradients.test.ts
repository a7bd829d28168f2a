import { fc, test } from "@fast-check/vitest";
import { concat, dispose, mul, type Scalar, type Tensor, tensor, tidy, type Variable } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { type PredictionType, SidError } from "../../src/core";
import { lsg, noGuidance, shortGuidance, zeroCfg } from "../../src/guidance";
import { fakeScoreLoss, sidLoss } from "../../src/losses";
import { type SidOptions, sid, sidLsg } from "../../src/methods";
import { generatorFrom, predictX0, type ScoreModel } from "../../src/models";
import { addNoise, noiseLevel } from "../../src/predict";
import { fakeScoreGradients, generatorGradients, type Objective, type TrainBatch } from "../../src/train";
import { expectClose, numbers, relativeError } from "../support/matchers";
import { tinyBatch, tinyNetwork } from "../support/tiny-network";

const predictions: PredictionType[] = ["eps", "x0", "v"];
const guidances = [noGuidance(), lsg(1.5), shortGuidance(0.5), zeroCfg()];
const seeds = fc.integer({ min: 0, max: 1e6 });

type Networks = Pick<Objective, "generator" | "teacher"> & { readonly fakeScore: ScoreModel };

/** The networks with SiD-LSG's method in these options. */
function lsgOf(nets: Networks, { backward, ...options }: SidOptions & Pick<Objective, "backward"> = {}): Objective {
  return { ...nets, backward, method: sidLsg(options) };
}

function networks(seed: number, predicts: PredictionType = "eps", steps = 1): [Networks, free: () => void] {
  const [teacher, fakeScore, network] = ["teacher", "fake", "generator"].map((name, i) =>
    tinyNetwork(`train-gradients/${name}`, seed + i, predicts),
  ) as [ReturnType<typeof tinyNetwork>, ReturnType<typeof tinyNetwork>, ReturnType<typeof tinyNetwork>];
  const free = () => dispose([teacher, fakeScore, network].flatMap((model) => [...model.variables]));
  return [{ teacher, fakeScore, generator: generatorFrom(network, { steps }) }, free];
}

/** Everything a gradient function takes, disposed of afterwards. */
function scene<T>(seed: number, run: (nets: Networks, batch: ReturnType<typeof tinyBatch>) => T, steps = 1): T {
  const [nets, free] = networks(seed, predictions[seed % 3], steps);
  const batch = tinyBatch(seed + 7, 4, steps);
  try {
    return tidy(() => run(nets, batch) as never) as T;
  } finally {
    free();
    dispose([...batch.noises, batch.noise, batch.cond, batch.uncond]);
  }
}

/** The slope of `loss` along one element: central differences at h and h/2, extrapolated (error h⁴, not h²). */
function slope(loss: () => Scalar, variable: Variable, at: number, h = 1e-2): number {
  const start = numbers(variable);
  const lossAt = (step: number) => {
    const moved = start.map((x, i) => (i === at ? x + step : x));
    tidy(() => variable.assign(tensor(moved, variable.shape)));
    return numbers(tidy(loss))[0] as number;
  };
  const central = (step: number) => (lossAt(step) - lossAt(-step)) / (2 * step);
  const value = (4 * central(h / 2) - central(h)) / 3;
  tidy(() => variable.assign(tensor(start, variable.shape)));
  return value;
}

describe("generatorGradients", () => {
  test.prop(
    {
      seed: seeds,
      guidance: fc.constantFrom(...guidances),
      alpha: fc.constantFrom(0, 0.5, 1, 1.2),
      weight: fc.constantFrom("l1" as const, "none" as const, "snr" as const),
      reduction: fc.constantFrom("sum" as const, "mean" as const),
      lossScale: fc.constantFrom(1, 8),
      steps: fc.constantFrom(1, 2),
    },
    { numRuns: 12 },
  )("staged and joint backward passes agree", ({ seed, steps, ...options }) => {
    scene(
      seed,
      (nets, batch) => {
        const staged = generatorGradients(lsgOf(nets, { ...options, backward: "staged" }), batch);
        const joint = generatorGradients(lsgOf(nets, { ...options, backward: "joint" }), batch);
        for (const key of ["loss", "generated", "deltaSquared", "valid"] as const)
          expectClose(staged[key] as Tensor, joint[key] as Tensor, 1e-6);
        for (const key of ["teacher", "fake"])
          expectClose(staged.answers[key] as Tensor, joint.answers[key] as Tensor, 1e-6);
        const flat = (all: Tensor[]) => all.flatMap(numbers);
        expect(relativeError(flat(staged.gradients), flat(joint.gradients))).toBeLessThan(1e-5);
        expect(Math.hypot(...flat(joint.gradients))).toBeGreaterThan(0);
      },
      steps,
    );
  });

  test.prop({ seed: seeds }, { numRuns: 10 })("the gradient is the slope of the loss at a fixed weight", ({ seed }) => {
    scene(seed, ({ teacher, fakeScore, generator }, batch) => {
      const { t, noise, noises, cond, uncond } = batch;
      const loss = () => {
        const generated = generator.generate(noises, cond);
        const xt = addNoise({ x0: generated, noise, level: noiseLevel(teacher.schedule, t) });
        const at = { xt, t, cond, uncond };
        const inputs = {
          generated,
          teacher: predictX0(teacher, { ...at, guidanceScale: 2 }),
          fake: predictX0(fakeScore, { ...at, guidanceScale: 1.5 }),
        };
        return sidLoss(inputs, { alpha: 1.2, weight: "none" });
      };
      const guidance = { kappa1: 1, kappa2: 1.5, kappa4: 2 };
      const objective = lsgOf({ teacher, fakeScore, generator }, { guidance, alpha: 1.2, weight: "none" });
      const { gradients, loss: value } = generatorGradients(objective, batch);
      expectClose(value, loss(), 1e-5);
      const scale = Math.hypot(...gradients.flatMap(numbers));
      generator.variables.forEach((variable, i) => {
        const wanted = slope(loss, variable, 0);
        expect(Math.abs((numbers(gradients[i] as Tensor)[0] as number) - wanted)).toBeLessThan(3e-3 * scale);
      });
    });
  });

  test.prop({ seed: seeds, kappa: fc.constantFrom(1, 2) }, { numRuns: 5 })(
    "is exactly zero when the fake score is the teacher under the same guidance (P7)",
    ({ seed, kappa }) => {
      scene(seed, ({ teacher, generator }, batch) => {
        for (const backward of ["staged", "joint"] as const) {
          const objective = lsgOf({ teacher, fakeScore: teacher, generator }, { guidance: lsg(kappa), backward });
          const { gradients, deltaSquared } = generatorGradients(objective, batch);
          expect(numbers(deltaSquared)).toEqual([0]);
          // The two backward passes through the one network cancel up to rounding.
          expect(Math.hypot(...gradients.flatMap(numbers))).toBeLessThan(1e-5);
        }
      });
    },
  );

  test.prop(
    { seed: seeds, bad: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY), where: fc.nat(3) },
    { numRuns: 5 },
  )("a sample that is not finite leaves the batch and spoils nothing", ({ seed, bad, where }) => {
    scene(seed, (nets, batch) => {
      const spoil = (x: Tensor) => spoiled(x, where, bad);
      const rest = without(batch, where);
      for (const guidance of guidances) {
        const wanted = generatorGradients(lsgOf(nets, { guidance }), rest).gradients;
        for (const broken of [
          { ...batch, noises: batch.noises.map(spoil) },
          { ...batch, noise: spoil(batch.noise) },
          { ...batch, cond: spoil(batch.cond) },
        ]) {
          const { gradients, valid, loss } = generatorGradients(lsgOf(nets, { guidance }), broken);
          expect(numbers(valid)).toEqual([0, 1, 2, 3].map((i) => (i === where ? 0 : 1)));
          expect(Number.isFinite(numbers(loss)[0])).toBe(true);
          // The divisor stays the whole batch.
          const scaled = wanted.flatMap((g) => numbers(g).map((x) => (3 / 4) * x));
          expect(relativeError(gradients.flatMap(numbers), scaled)).toBeLessThan(1e-4);
        }
      }
    });
  });

  test("defaults: sid(), staged; of SiD-LSG no guidance, α = 1, the L1 weight, the sum, no loss scale", () => {
    scene(3, (nets, batch) => {
      const wanted = { guidance: noGuidance(), alpha: 1, weight: "l1", reduction: "sum", lossScale: 1 } as const;
      const given = generatorGradients(lsgOf(nets, { ...wanted, backward: "staged" }), batch);
      const bare = generatorGradients({ ...nets, method: sidLsg() }, batch);
      expect(numbers(bare.loss)).toEqual(numbers(given.loss));
      expect(bare.gradients.flatMap(numbers)).toEqual(given.gradients.flatMap(numbers));
      const least = generatorGradients(nets, batch);
      const plain = generatorGradients({ ...nets, method: sid() }, batch);
      expect(least.gradients.flatMap(numbers)).toEqual(plain.gradients.flatMap(numbers));
      const other = generatorGradients(lsgOf(nets, { alpha: 1.2 }), batch);
      expect(relativeError(other.gradients.flatMap(numbers), given.gradients.flatMap(numbers))).toBeGreaterThan(1e-3);
    });
  });

  test("a weight of one's own sees the level", () => {
    scene(4, (nets, batch) => {
      const snr = generatorGradients(lsgOf(nets, { weight: "snr" }), batch);
      const own = generatorGradients(
        lsgOf(nets, {
          weight: (_, level) => tensor(level?.alpha.map((a, i) => (a / (level.sigma[i] ?? 0)) ** 2) ?? []),
        }),
        batch,
      );
      expectClose(own.loss, snr.loss, 1e-5);
      expect(relativeError(own.gradients.flatMap(numbers), snr.gradients.flatMap(numbers))).toBeLessThan(1e-5);
    });
  });

  test("bad input is refused before a tape opens", () => {
    scene(1, (nets, batch) => {
      const code = (objective: object, changed: object = {}) =>
        codeOf(() => generatorGradients({ ...nets, ...objective }, { ...batch, ...changed } as TrainBatch));
      const method = sidLsg({ guidance: lsg(2) });
      expect(code({ method }, { uncond: undefined })).toBe("invalid-argument");
      expect(code({ method }, { cond: undefined })).toBe("invalid-argument");
      expect(code({ method: { ...method, name: "" } })).toBe("invalid-argument");
      expect(code({ fakeScore: undefined })).toBe("invalid-argument");
      const asking = (asks: object) => ({ method: { ...method, generator: { ...method.generator, asks } } });
      expect(code(asking({ teacher: { of: "teacher", guidanceScale: Number.NaN } }))).toBe("not-finite");
      // Cotangents for what is no question, or for a question without a gradient.
      expect(code(asking({ teacher: { of: "teacher" }, fake: { of: "fakeScore" } }))).toBe("invalid-argument");
      expect(code({ backward: "sideways" })).toBe("invalid-argument");
      expect(code({}, { t: [1, 2, 3] })).toBe("shape-mismatch");
      expect(code({}, { t: [1, 2, 3, 1000] })).toBe("out-of-range");
      expect(code({}, { t: [1, 2, 3, Number.NaN] })).toBe("not-finite");
      expect(code({}, { noises: [] })).toBe("invalid-argument");
      expect(code({}, { noise: batch.uncond })).toBe("shape-mismatch");
      expect(code({}, { cond: batch.uncond })).toBe("shape-mismatch");
      expect(code({}, { uncond: batch.cond })).toBe("shape-mismatch");
      const other = { ...nets.teacher, schedule: { ...nets.teacher.schedule, sigma: () => 0.5 } };
      expect(code({ teacher: other })).toBe("invalid-argument");
      expect(code({ teacher: { ...nets.teacher, predicts: "noise" } })).toBe("invalid-argument");
      const wrongShape = { ...nets.teacher, predict: (x: Tensor) => concat([x, x]) };
      expect(code({ teacher: wrongShape })).toBe("shape-mismatch");
      expect(code({ teacher: wrongShape, backward: "joint" })).toBe("shape-mismatch");
      expect(code({ fakeScore: wrongShape })).toBe("shape-mismatch");
    });
  });
});

describe("fakeScoreGradients", () => {
  test.prop({ seed: seeds, kappa: fc.constantFrom(1, 1.5, 0) }, { numRuns: 15 })(
    "the gradient is the slope of the loss",
    ({ seed, kappa }) => {
      scene(seed, ({ fakeScore, generator }, batch) => {
        const { t, noise, noises, cond, uncond } = batch;
        const level = noiseLevel(fakeScore.schedule, t);
        const generated = generator.generate(noises, cond);
        const xt = addNoise({ x0: generated, noise, level });
        const loss = () => {
          const x0 = predictX0(fakeScore, { xt, t, cond, uncond, guidanceScale: kappa });
          return mul(fakeScoreLoss({ prediction: x0, generated, noise, level }, { predicts: "x0" }), 4) as Scalar;
        };
        // Of the scales only the first may count here.
        const guidance = { kappa1: kappa, kappa2: 7, kappa4: -3 };
        const objective = lsgOf({ teacher: fakeScore, fakeScore, generator }, { guidance, fakeLossScale: 4 });
        const result = fakeScoreGradients(objective, batch);
        expectClose(result.generated, generated, 0);
        // The weight "eps" makes the loss of every prediction type that of the noise.
        expectClose(result.loss, loss(), 1e-4);
        const scale = Math.hypot(...result.gradients.flatMap(numbers));
        fakeScore.variables.forEach((variable, i) => {
          const wanted = slope(loss, variable, 0);
          const got = numbers(result.gradients[i] as Tensor)[0] as number;
          expect(Math.abs(got - wanted)).toBeLessThan(3e-3 * scale);
        });
      });
    },
  );

  test.prop(
    { seed: seeds, bad: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY), where: fc.nat(3) },
    { numRuns: 5 },
  )("a sample that is not finite leaves the batch and spoils nothing", ({ seed, bad, where }) => {
    scene(seed, (nets, batch) => {
      const spoil = (x: Tensor) => spoiled(x, where, bad);
      const wanted = fakeScoreGradients(lsgOf(nets), without(batch, where)).gradients;
      for (const broken of [
        { ...batch, noises: batch.noises.map(spoil) },
        { ...batch, noise: spoil(batch.noise) },
        { ...batch, cond: spoil(batch.cond) },
      ]) {
        const { gradients, valid } = fakeScoreGradients(lsgOf(nets), broken);
        expect(numbers(valid)).toEqual([0, 1, 2, 3].map((i) => (i === where ? 0 : 1)));
        const scaled = wanted.flatMap((g) => numbers(g).map((x) => (3 / 4) * x));
        expect(relativeError(gradients.flatMap(numbers), scaled)).toBeLessThan(1e-4);
      }
    });
  });

  test("bad input is refused", () => {
    scene(1, (nets, batch) => {
      const code = (objective: object, changed: object = {}) =>
        codeOf(() => fakeScoreGradients({ ...nets, ...objective } as never, { ...batch, ...changed } as TrainBatch));
      expect(code({ method: sidLsg({ guidance: lsg(2) }) }, { uncond: undefined })).toBe("invalid-argument");
      expect(code({ method: sidLsg({ guidance: lsg(0) }) }, { uncond: undefined })).toBe("invalid-argument");
      const { fakeScore: _, ...without } = sidLsg();
      expect(code({ method: without })).toBe("invalid-argument");
      expect(code({}, { t: [] })).toBe("shape-mismatch");
      expect(code({ fakeScore: { ...nets.fakeScore, predict: (x: Tensor) => concat([x, x]) } })).toBe("shape-mismatch");
      expect(code({ generator: { ...nets.generator, generate: () => concat([batch.noise, batch.noise]) } })).toBe(
        "shape-mismatch",
      );
    });
  });
});

/** `x` with one element of row `row` replaced. */
function spoiled(x: Tensor, row: number, value: number): Tensor {
  const values = numbers(x);
  values[row * (x.size / (x.shape[0] as number))] = value;
  return tensor(values, x.shape);
}

/** The batch without row `row`. */
function without(batch: TrainBatch & { cond: Tensor }, row: number): TrainBatch {
  const cut = (x: Tensor) => {
    const width = x.size / (x.shape[0] as number);
    const values = numbers(x).filter((_, i) => Math.floor(i / width) !== row);
    return tensor(values, [(x.shape[0] as number) - 1, ...x.shape.slice(1)]);
  };
  return {
    ...batch,
    noises: batch.noises.map(cut),
    noise: cut(batch.noise),
    cond: cut(batch.cond),
    t: batch.t.filter((_, i) => i !== row),
  };
}

function codeOf(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    if (error instanceof SidError) return error.code;
    throw error;
  }
  return "no error";
}
