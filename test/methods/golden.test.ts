/** Every method against PyTorch in float64, one batch each: `test/golden/methods.py`. */
import { memory, type Tensor, tensor1d, type Variable } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import type { Method } from "../../src/methods";
import { fakeScoreGradients, generatorGradients } from "../../src/train";
import { testBackend } from "../support/backend";
import { expectClose, numbers, relativeError } from "../support/matchers";
import { free } from "../support/values";
import { goldenMethods } from "./golden-methods";
import { type GoldenCase, golden, sceneOf } from "./golden-scene";

const tolerance = 1e-6;

/** Of these two, which nearly cancel, TensorFlow's own tanh leaves 1.2e-6. */
const cancelling = ["sidDit, mean", "sim, scores"];
const toleranceOf = (name: string) => (testBackend === "node" && cancelling.includes(name) ? 2e-6 : tolerance);

/** Everything that a case takes, freed afterwards. */
function withScene(item: GoldenCase, run: (method: Method, scene: ReturnType<typeof sceneOf>) => void): void {
  free(() => {
    const scene = sceneOf(item);
    try {
      run((goldenMethods[item.name] as () => Method)(), scene);
    } finally {
      scene.dispose();
    }
  });
}

/** Each gradient by its variable's name; one that PyTorch does not have is exactly 0. */
function expectGradients(
  got: readonly Tensor[],
  variables: readonly Variable[],
  wanted: Readonly<Record<string, readonly number[]>>,
  limit = tolerance,
): void {
  expect(got).toHaveLength(variables.length);
  const names = variables.map(({ name }) => name.replace(/^.*\//, ""));
  expect(names).toEqual(expect.arrayContaining(Object.keys(wanted)));
  for (const [i, name] of names.entries()) {
    const gradient = got[i] as Tensor;
    if (wanted[name]) expectClose(gradient, wanted[name], limit);
    else expect(numbers(gradient).every((x) => x === 0)).toBe(true);
  }
}

const cases = golden.cases.filter(({ name }) => name in goldenMethods);
const withCotangents = cases.filter(({ generator }) => generator.cotangents);
const withFakeScore = cases.filter(({ fakeScore }) => fakeScore);

describe.each(["staged", "joint"] as const)("the generator's loss and gradient, %s", (backward) => {
  test.each(cases)("$name", (item) =>
    withScene(item, (method, { networks, batch }) => {
      const { loss, gradients } = generatorGradients({ ...networks, method, backward }, batch);
      const limit = toleranceOf(item.name);
      expectClose(loss, [item.generator.loss], limit);
      expectGradients(gradients, networks.generator.variables, item.generator.gradients, limit);
    }),
  );
});

test.each(withCotangents)("the gradient in samples and answers: $name", (item) =>
  withScene(item, (method, { networks, batch, moment, level }) => {
    const { generator: update } = method;
    if (!("asks" in update)) throw new Error(`${method.name} asks nothing`);
    const { generated, answers } = generatorGradients({ ...networks, method }, batch);
    const circumstances = { level, t: batch.t, moment, valid: tensor1d([1, 1, 1, 1]), cond: batch.cond };
    const before = memory().numTensors;
    const { loss, ...cotangents } = update.cotangents({ ...answers, generated: generated as Tensor }, circumstances);
    const kept = 1 + Object.keys(cotangents).length;
    expect(memory().numTensors - before, "tensors that it leaves").toBe(kept);
    const scaled = (x: Tensor) => numbers(x).map((value) => (update.lossScale ?? 1) * value);
    expectClose(scaled(loss), [item.generator.loss], tolerance);
    const wanted = item.generator.cotangents ?? {};
    expect(Object.keys(cotangents).sort()).toEqual(Object.keys(wanted).sort());
    for (const [name, values] of Object.entries(wanted))
      expect(relativeError(scaled(cotangents[name] as Tensor), values), name).toBeLessThanOrEqual(tolerance);
  }),
);

test.each(withFakeScore)("the fake score's loss and gradient: $name", (item) =>
  withScene(item, (method, { networks, batch }) => {
    const { loss, gradients } = fakeScoreGradients({ ...networks, method }, batch);
    const wanted = item.fakeScore as NonNullable<GoldenCase["fakeScore"]>;
    expectClose(loss, [wanted.loss], tolerance);
    const { fakeScore, discriminator } = networks;
    const trained = method.fakeScore?.discriminator ? (discriminator?.variables ?? []) : [];
    expectGradients(gradients, [...fakeScore.variables, ...trained], wanted.gradients);
  }),
);

test("each case has its method, and each method its case", () => {
  expect(Object.keys(goldenMethods).sort()).toEqual(golden.cases.map(({ name }) => name).sort());
});
