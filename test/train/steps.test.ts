import { fc, test } from "@fast-check/vitest";
import { concat, dispose, mul, type Tensor, type Tensor1D, tensor, tidy } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { SidError } from "../../src/core";
import { lsg } from "../../src/guidance";
import { sidLsg } from "../../src/methods";
import { generatorFrom } from "../../src/models";
import {
  adam,
  fakeScoreGradients,
  fakeScoreStep,
  type GradientHook,
  generatorGradients,
  generatorStep,
  readFigures,
  type StepFigures,
  type TrainBatch,
} from "../../src/train";
import { numbers, relativeError } from "../support/matchers";
import { tinyBatch, tinyNetwork } from "../support/tiny-network";

type Network = "fake" | "generator";

interface Outcome {
  readonly figures: StepFigures;
  readonly gradients: number[];
  readonly weights: number[];
}

/** One step of one of the networks from the same start. */
async function oneStep(
  network: Network,
  rounds: Iterable<TrainBatch>,
  changes: { readonly hook?: GradientHook; readonly lossScale?: number } = {},
): Promise<Outcome> {
  const teacher = tinyNetwork("train-steps/teacher", 1);
  const fakeScore = tinyNetwork("train-steps/fake", 2);
  const model = tinyNetwork("train-steps/generator", 3);
  const trained = network === "fake" ? fakeScore : model;
  const { lossScale = 1 } = changes;
  const method = sidLsg({ guidance: lsg(1.5), lossScale, fakeLossScale: lossScale });
  const objective = { teacher, fakeScore, generator: generatorFrom(model), method };
  const optimizer = adam(trained.variables, { learningRate: 0.01, epsilon: 0.1 });
  let gradients: number[] = [];
  try {
    const step = network === "fake" ? fakeScoreStep : generatorStep;
    const onGradients: GradientHook = (g) => {
      gradients = g.flatMap(numbers);
      return changes.hook?.(g);
    };
    const [figures] = await readFigures(await step(objective, rounds, { optimizer, onGradients }));
    return { figures: figures as StepFigures, gradients, weights: trained.variables.flatMap((v) => numbers(v)) };
  } finally {
    optimizer.dispose();
    for (const m of [teacher, fakeScore, model]) m.dispose();
  }
}

function free(batch: TrainBatch): void {
  dispose([...batch.noises, batch.noise, batch.cond as Tensor, batch.uncond as Tensor]);
}

/** Two batches and the one batch that holds both. */
function halves(seed: number) {
  const first = tinyBatch(seed, 3);
  const second = { ...tinyBatch(seed + 1, 3) };
  second.uncond.dispose();
  const both = (key: "noise" | "cond") => concat([first[key], second[key]]);
  const whole = {
    noises: [concat([first.noises[0] as Tensor, second.noises[0] as Tensor])],
    noise: both("noise"),
    cond: both("cond"),
    uncond: first.uncond,
    t: [...first.t, ...second.t],
  };
  return { first, second: { ...second, uncond: first.uncond }, whole };
}

const networks = fc.constantFrom<Network>("fake", "generator");

describe("steps", () => {
  test.prop({ network: networks, seed: fc.nat(1e6) }, { numRuns: 6 })(
    "R rounds are one batch of R times the size",
    async ({ network, seed }) => {
      const { first, second, whole } = halves(seed);
      const rounds = await oneStep(network, [first, second], { lossScale: 4 });
      const once = await oneStep(network, [whole], { lossScale: 4 });
      expect(relativeError(rounds.gradients, once.gradients)).toBeLessThan(1e-5);
      expect(relativeError(rounds.weights, once.weights)).toBeLessThan(1e-5);
      const flat = ({ gauge, ...figures }: StepFigures) => [...Object.values(figures), ...gauge.flatMap(Object.values)];
      expect(once.figures.gauge.length).toBe(network === "generator" ? 6 : 0);
      expect(relativeError(flat(rounds.figures), flat(once.figures))).toBeLessThan(1e-5);
      for (const batch of [first, { ...second, uncond: first.uncond }, whole]) free(batch);
    },
  );

  test.prop({ network: networks }, { numRuns: 2 })("figures are those of the gradients", async ({ network }) => {
    const batch = tinyBatch(5, 4);
    const { figures, gradients } = await oneStep(network, [batch]);
    expect(figures.gradientNorm / Math.hypot(...gradients)).toBeCloseTo(1, 5);
    expect(figures.droppedSamples).toBe(0);
    expect(figures.cleanedElements).toBe(0);
    expect(figures.deltaSquared > 0).toBe(network === "generator");
    free(batch);
  });

  test.prop({ network: networks }, { numRuns: 2 })(
    "dropped samples and cleaned elements are counted",
    async ({ network }) => {
      const batch = tinyBatch(5, 4);
      const values = numbers(batch.noise);
      values[0] = Number.NaN;
      const broken = { ...batch, noise: tensor(values, batch.noise.shape) };
      const { figures, weights } = await oneStep(network, [broken, batch], {
        hook: (g) => g.map((x, i) => tidy(() => mul(x, i === 0 ? Number.NaN : i === 1 ? Number.POSITIVE_INFINITY : 1))),
      });
      expect(figures.droppedSamples).toBe(1);
      expect(figures.gauge.length).toBe(network === "generator" ? 7 : 0);
      expect(figures.cleanedElements).toBe(12 + 4);
      expect(Number.isFinite(figures.gradientNorm)).toBe(true);
      expect(weights.every(Number.isFinite)).toBe(true);
      broken.noise.dispose();
      free(batch);
    },
  );

  test("a hook may replace the gradients, asynchronously", async () => {
    const batch = tinyBatch(5, 4);
    const plain = await oneStep("fake", [batch]);
    const halved = await oneStep("fake", [batch], {
      hook: async (g) => {
        await Promise.resolve();
        return g.map((x) => mul(x, 0.5));
      },
    });
    expect(halved.figures.gradientNorm / plain.figures.gradientNorm).toBeCloseTo(0.5, 5);
    free(batch);
  });

  test("each batch is made when it is its turn", async () => {
    const alive: number[] = [];
    function* rounds() {
      for (const seed of [1, 2, 3]) {
        const batch = tinyBatch(seed, 2);
        alive.push(seed);
        yield batch;
        free(batch);
        alive.pop();
        expect(alive).toEqual([]);
      }
    }
    const { figures } = await oneStep("generator", rounds());
    expect(figures.loss).not.toBe(0);
  });

  test("errors leave the weights alone and nothing behind", async () => {
    const batch = tinyBatch(5, 4);
    const before = tinyNetwork("train-steps/fake", 2);
    const teacher = tinyNetwork("train-steps/teacher", 1);
    const start = before.variables.flatMap((v) => numbers(v));
    const optimizer = adam(before.variables, { learningRate: 1 });
    const objective = { generator: generatorFrom(teacher), teacher, fakeScore: before };
    const code = async (run: Promise<Tensor1D>) => {
      try {
        dispose(await run);
      } catch (error) {
        return error instanceof SidError ? error.code : String(error);
      }
      return "no error";
    };
    expect(await code(fakeScoreStep(objective, [], { optimizer }))).toBe("invalid-argument");
    expect(await code(generatorStep(objective, [batch], { optimizer }))).toBe("invalid-argument");
    expect(await code(fakeScoreStep(objective, [batch, { ...batch, t: [1] }], { optimizer }))).toBe("shape-mismatch");
    expect(await code(fakeScoreStep(objective, [batch], { optimizer, onGradients: () => [] }))).toBe("shape-mismatch");
    const small = tinyBatch(5, 2);
    expect(await code(fakeScoreStep(objective, [batch, small], { optimizer }))).toBe("shape-mismatch");
    free(small);
    const disposed = (gradients: readonly Tensor[]) => {
      const [first, ...others] = gradients.map((x) => x.clone());
      first?.dispose();
      return [first as Tensor, ...others];
    };
    for (const hook of [() => 7, () => ({}), () => before.variables.map(() => 7), disposed])
      expect(await code(fakeScoreStep(objective, [batch], { optimizer, onGradients: hook as never }))).toBe(
        "invalid-argument",
      );
    const onGradients = () => Promise.reject(new Error("network down"));
    expect(await code(fakeScoreStep(objective, [batch], { optimizer, onGradients }))).toBe("Error: network down");
    expect(before.variables.flatMap((v) => numbers(v))).toEqual(start);
    optimizer.dispose();
    before.dispose();
    teacher.dispose();
    free(batch);
  });

  test("the gradient functions assign nothing", () => {
    const teacher = tinyNetwork("train-steps/teacher", 1);
    const fakeScore = tinyNetwork("train-steps/fake", 2);
    const batch = tinyBatch(5, 4);
    const start = [teacher, fakeScore].flatMap((m) => m.variables.flatMap((v) => numbers(v)));
    const objective = { generator: generatorFrom(teacher), teacher: fakeScore, fakeScore };
    dispose(fakeScoreGradients(objective, batch) as never);
    dispose(generatorGradients(objective, batch) as never);
    expect([teacher, fakeScore].flatMap((m) => m.variables.flatMap((v) => numbers(v)))).toEqual(start);
    teacher.dispose();
    fakeScore.dispose();
    free(batch);
  });
});

test("no steps have no figures", async () => {
  expect(await readFigures()).toEqual([]);
});
