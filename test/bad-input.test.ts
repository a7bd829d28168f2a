import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { dispose, memory, type Tensor, tensor } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect } from "vitest";
import * as backends from "../src/backends";
import * as core from "../src/core";
import * as guidance from "../src/guidance";
import * as io from "../src/io";
import * as losses from "../src/losses";
import * as metrics from "../src/metrics";
import * as models from "../src/models";
import * as predict from "../src/predict";
import * as schedules from "../src/schedules";
import { weight } from "./support/weights";

const subpaths = { core, schedules, predict, guidance, losses, models, metrics, io, backends };

/** What is not called: a class, which without `new` is JavaScript's own error. */
const excluded = ["SidError"];

/** Makes a value anew for each call, since a call may dispose of it or advance it. */
type Make = () => unknown;

/** These values, as they are. */
const each = (values: object) => Object.entries(values).map(([name, value]) => [name, () => value] as const);

const x = () => tensor([1, 2, 3, 4], [2, 2]);
const level = () => ({ alpha: [0.8, 0.6], sigma: [0.6, 0.8] });
const stream = () => core.randomStream(1);
let count = 0;
const variable = () => weight(`v${count++}`, [1]);

/** Every field of options, inputs, models and networks, with a value that would do. */
const fields: Readonly<Record<string, Make>> = {
  ...{
    x0: x,
    noise: x,
    prediction: x,
    xt: x,
    generated: x,
    teacher: x,
    fake: x,
    cond: x,
    level,
    stream,
    weights: stream,
  },
  ...{ uncond: () => tensor([[1, 2]]), valid: () => tensor([1, 0]), schedule: schedules.flowSchedule },
  variables: () => [variable()],
  ...Object.fromEntries([
    ...each({ name: "w", predicts: "eps", type: "v", from: "eps", to: "x0", weight: "none", reduction: "mean" }),
    ...each({ alpha: 1, scale: 2, t: [0.2, 0.4], seed: 1, position: 0, kappa1: 1, kappa2: 1, kappa3: 1, kappa4: 1 }),
    ...each({ predict: (y: Tensor) => y, dispose: () => {}, apply: (y: Tensor[]) => y[0], trainableWeights: [] }),
    ...each({ mean: [1, 2], variance: 1, means: [[1, 2]], variances: [1], std: 1, covariance: new Float64Array(4) }),
    ...each({ dim: 2, hidden: 4, depth: 1, condDim: 0, timeDim: 4, dimension: 2, directions: 2, steps: 2, tInit: 0.5 }),
    ...each({ gradientThrough: "all", times: [0.9, 0.4], guidanceScale: 1, stepsOffset: 0, setAlphaToOne: true }),
    ...each({ numTimesteps: 3, betaSchedule: "linear", betas: [0.1, 0.2, 0.3], zeroTerminalSnr: true, portion: 0.5 }),
    ...each({ min: 1, max: 5, sigmaMin: 0.1, sigmaMax: 9, rho: 7, maxLength: 5, unknown: "token" }),
    ...each({ tokenizer: () => [[1]], encoder: { encode: x }, threads: 0, wasmPath: "zz", config: {} }),
  ]),
};

const garbage = fc.oneof(
  fc.constantFrom(undefined, null, 3, -1, Number.NaN, 2 ** 40, 1e-30, true, "zz", "", Symbol("s"), {}, [], [null]).map(
    (value): Make =>
      () =>
        value,
  ),
  fc.constantFrom<Make>(
    () => () => 1,
    () => Array(2),
    () => Object.fromEntries(Object.keys(fields).map((name) => [name, null])),
    () => tensor(["a", "b"]),
    () => {
      const gone = x();
      gone.dispose();
      return gone;
    },
  ),
);

/** An object whose fields would do but for a few. */
const spoilt = fc.dictionary(fc.constantFrom(...Object.keys(fields)), garbage, { maxKeys: 3 }).map((changes): Make => {
  const all = Object.entries({ ...fields, ...changes });
  return () => Object.fromEntries(all.map(([name, make]) => [name, make()]));
});

const spec = { name: "w", shape: [2, 2], layout: "linear", init: { normal: 1 } };
const host = { dtype: "F32", shape: [2, 2], data: new Float32Array(4) };
const fitting = fc.oneof(
  fc.constantFrom<Make>(
    x,
    level,
    stream,
    schedules.flowSchedule,
    () => [x(), x()],
    () => [variable()],
  ),
  fc
    .constantFrom(2, "w", [0.2, 0.4], ["red"], [spec], new Map([["w", host]]), new Map([["w", null]]), (y: Tensor) => y)
    .map(
      (value): Make =>
        () =>
          value,
    ),
);

const values = fc.array(fc.oneof(garbage, spoilt, fitting), { maxLength: 3 });

/** What a call answers; undefined where that is a SidError. */
async function answer(f: unknown, given: readonly unknown[]): Promise<unknown> {
  try {
    return await (f as (...given: readonly unknown[]) => unknown)(...given);
  } catch (error) {
    if (error instanceof core.SidError) return undefined;
    throw error;
  }
}

/** Disposes of a tensor, a network, or what an object or a list holds of them. */
function free(value: unknown): void {
  if (typeof (value as Tensor | undefined | null)?.dispose === "function") (value as Tensor).dispose();
  dispose(value as Tensor);
}

const home = process.cwd();
const folder = mkdtempSync(join(tmpdir(), "sid-lsg-"));
// Some text is taken for a path: what is written there goes away with the folder.
beforeAll(() => process.chdir(folder));
afterAll(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
});

describe.each(Object.entries(subpaths))("%s", (_, exported) => {
  const functions = Object.entries(exported).filter(([name, f]) => typeof f === "function" && !excluded.includes(name));
  for (const [name, f] of functions)
    test.prop({ first: values, second: values }, { numRuns: 300 })(
      `${name}, and the methods of what it returns, answer or throw a SidError, and keep no tensor`,
      async ({ first, second }) => {
        const before = memory().numTensors;
        const [given, more] = [first, second].map((makers) => makers.map((make) => make())) as [unknown[], unknown[]];
        try {
          const result = await answer(f, given);
          for (const method of [result, ...Object.values(Object(result))])
            if (typeof method === "function") free(await answer(method, more));
          free(result);
        } finally {
          dispose([given, more] as never);
        }
        expect(memory().numTensors, "tensors left").toBe(before);
      },
    );
});
