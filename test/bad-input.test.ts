import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { dispose, memory, mul, square, sum, type Tensor, tensor, type Variable } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect } from "vitest";
import * as backends from "../src/backends";
import * as core from "../src/core";
import * as guidance from "../src/guidance";
import * as io from "../src/io";
import * as losses from "../src/losses";
import * as metrics from "../src/metrics";
import * as models from "../src/models";
import * as features from "../src/models/features";
import * as sd from "../src/models/sd";
import * as predict from "../src/predict";
import * as schedules from "../src/schedules";
import * as train from "../src/train";
import { expectSidError } from "./support/errors";
import { weight } from "./support/weights";

const subpaths = { core, schedules, predict, guidance, losses, models, sd, features, metrics, train, io, backends };

/**
 * What is not called: a class, which without `new` is JavaScript's own error; what would ask the hub in earnest; networks too
 * large to be made hundreds of times, whose own tests refuse.
 */
const excluded = ["SidError", "hubFolder", "inceptionV3", "efficientNetLite0"];

/** Makes a value anew for each call, since a call may dispose of it or advance it. */
type Make = () => unknown;

/** These values, as they are. */
const each = (values: object) => Object.entries(values).map(([name, value]) => [name, () => value] as const);

const x = () => tensor([1, 2, 3, 4], [2, 2]);
const image = () => tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], [1, 2, 2, 4]);
const level = () => ({ alpha: [0.8, 0.6], sigma: [0.6, 0.8] });
const stream = () => core.randomStream(1);
let count = 0;
let newest: Variable;
const variable = () => {
  newest = weight(`v${count++}`, [1]);
  return newest;
};
const owned = () => [variable()];

/** Every field of options, inputs, models and networks, with a value that would do. */
const fields: Readonly<Record<string, Make>> = {
  ...{ x0: x, noise: x, prediction: x, xt: x, generated: x, teacher: x, fake: x, cond: x, level, stream },
  ...{ uncond: () => tensor([[1, 2]]), valid: () => tensor([1, 0]), schedule: schedules.flowSchedule, weights: stream },
  variables: owned,
  ...Object.fromEntries([
    ...each({ name: "w", predicts: "eps", to: "x0", weight: "none", reduction: "mean" }),
    ...each({ alpha: 1, t: [0.2, 0.4], seed: 1, position: 0, kappa1: 1, kappa2: 1, kappa4: 1 }),
    ...each({ predictWithFeatures: (y: Tensor) => ({ prediction: y, features: y }), features: (y: Tensor) => y }),
    ...each({ reads: "fakeScore", channels: 2, logits: "sample", sampleShape: [2] }),
    ...each({ predict: (y: Tensor) => y, dispose: () => {}, apply: (y: Tensor[]) => y[0], trainableWeights: [] }),
    ...each({ mean: [1, 2], variance: 1, means: [[1, 2]], variances: [1], std: 1, covariance: new Float64Array(4) }),
    ...each({
      dim: 2,
      hidden: 4,
      depth: 1,
      condDim: 0,
      timeDim: 4,
      dimension: 2,
      directions: 2,
      classes: 2,
      splits: 1,
      subsets: 2,
      subsetSize: 2,
      steps: 2,
      tInit: 0.5,
    }),
    ...each({ gradientThrough: "all", times: [0.9, 0.4], guidanceScale: 1, stepsOffset: 0, setAlphaToOne: true }),
    ...each({ data: new Uint8Array(24), shape: [2, 2, 2, 3] }),
    ...each({ batch: 2, preprocessing: { edge: 4 } }),
    ...each({ spacing: "leading", clip: 1, eta: 0 }),
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
  const makers = Object.entries({ ...fields, ...changes });
  return () => Object.fromEntries(makers.map(([name, make]) => [name, make()]));
});

const all = (): object => Object.fromEntries(Object.entries(fields).map(([name, make]) => [name, make()]));
const is =
  (value: unknown): Make =>
  () =>
    value;
const [two, name, times, list] = [is(2), is("w"), is([0.2, 0.4]), () => [x(), x()]];
const numbers = is([1, 2, 3, 4]);
const specs = is([{ name: "w", shape: [2, 2], layout: "linear", init: { normal: 1 } }]);
const weights = is(new Map([["w", { dtype: "F32", shape: [2, 2], data: new Float32Array(4) }]]));
const bytes = () => io.blobSource(new Blob([new Uint8Array(io.encodeSafetensors(weights() as core.WeightMap))]));
const opened = (): core.WeightSource => ({
  entries: weights() as core.WeightMap,
  read: async (name) => (weights() as core.WeightMap).get(name) as core.HostTensor,
  close: async () => {},
});
const files = () =>
  io.blobFolder(
    new Map(
      ["unet/config.json", "model_index.json", "unet/diffusion_pytorch_model.safetensors"].map((path) => [
        path,
        new Blob(["{}"]),
      ]),
    ),
  );
const web = is({ headers: {}, retries: 0, fetch: async () => new Response("w") });
const quiet = is({ onWarning: () => {} });
const statistics = () => metrics.featureStatistics([1, 2, 3, 4, 5, 7], 2);
const textConfig = () =>
  models.parseClipTextConfig({ hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1, vocab_size: 9 });
const clipConfig = () => {
  const layers = { hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 2 };
  return features.parseClipConfig({
    projection_dim: 2,
    text_config: { ...layers, vocab_size: 9, eos_token_id: 1 },
    vision_config: { ...layers, image_size: 4, patch_size: 2 },
  });
};
const unetConfig = () =>
  models.parseUnetConfig({
    ...{ block_out_channels: [8], norm_num_groups: 4, cross_attention_dim: 6, attention_head_dim: 2 },
    ...{ down_block_types: ["CrossAttnDownBlock2D"], up_block_types: ["CrossAttnUpBlock2D"] },
  });

const vaeConfig = () => sd.parseVaeConfig({ block_out_channels: [8], norm_num_groups: 4 });

/** A network that trains, and what training takes of it. */
const network = () => {
  const w = variable();
  const predict = (xt: Tensor) => mul(xt, w);
  return models.functionModel({
    name: w.name,
    predicts: "eps",
    schedule: schedules.ddpmSchedule(),
    variables: [w],
    predict,
  });
};
const objective = () => {
  const [teacher, fakeScore, generator] = [network(), network(), models.generatorFrom(network())];
  return { teacher, fakeScore, generator, guidance: guidance.lsg(1), alpha: 1, weight: "l1", lossScale: 1 };
};
const batch = () => ({ noises: [x()], noise: x(), t: [20, 30] });

/** Arguments that would do, for functions of which one object is not enough. */
const calls: Readonly<Record<string, readonly Make[]>> = {
  ...{ perSample: [times, two], noiseLevel: [schedules.flowSchedule, times], copyWeights: [all, all] },
  ...{
    noGrad: [is(x)],
    vjp: [is((y: Tensor) => square(y)), () => [x()], x],
    cleanGradients: [list],
    finiteSamples: [x, x],
  },
  ...{
    pullback: [is(() => square(newest)), () => tensor([1]), owned],
    valueAndGradients: [is(() => sum(square(newest))), owned],
  },
  guide: [() => ({ cond: x(), uncond: x(), guidanceScale: 2 })],
  changeCoordinates: [() => ({ xt: x(), level: level(), to: "edm" })],
  gaussianMixtureModel: [() => ({ ...all(), weights: [1] })],
  ...{ snr: [schedules.flowSchedule, is(0.5)], logSnr: [schedules.flowSchedule, is(0.5)] },
  ...{
    guidedPrediction: [is((y: Tensor) => y.clone()), all],
    predictX0: [all, all],
    predictX0WithFeatures: [all, all],
    sidLoss: [all, all],
  },
  ...{ sidCotangents: [all, all], fakeScoreLoss: [all, all], generatorFrom: [all, all], ddimSample: [all, all] },
  ...{ patchify: [image, two], unpatchify: [image, two] },
  ...{ createParameters: [name, specs, stream], wordTokenizer: [is(["red"]), all] },
  ...{
    layersModel: [all, all],
    mlp: [all, all],
    clipTextEncoder: [textConfig, all],
    clipTextParameterSpecs: [textConfig],
  },
  ...{ clipModel: [clipConfig, all], clipParameterSpecs: [clipConfig] },
  headDiscriminator: [() => ({ ...all(), features: "vector" })],
  ...{ unet: [unetConfig, all], unetParameterSpecs: [unetConfig], featureStatistics: [numbers, two] },
  loadFeatureNetwork: [bytes, all],
  ...{ resizePictures: [all, is([2, 3]), is("bicubic")], resizeToFloats: [all, is([2, 3]), is("pytorch")] },
  ...{ vae: [vaeConfig, all], vaeParameterSpecs: [vaeConfig] },
  ...{ fakeScoreGradients: [objective, batch], generatorGradients: [objective, batch] },
  readFigures: [() => tensor([1, 2, 3, 4, 5])],
  ...{ adam: [owned, is({ learningRate: 1, beta1: 0.5 })], updateEma: [owned, owned, is(0.5)] },
  emaBeta: [is({ nimg: 1, batch: 1, halfLife: 1, rampUp: 1 })],
  imageSource: [() => ({ images: x(), conditions: x() })],
  promptConditions: [is({ prompts: ["a"], conditioner: { encode: x } })],
  distill: [
    () => ({
      ...objective(),
      sampleShape: [2],
      iterations: 1,
      batch: 2,
      accumulationRounds: 1,
      seed: 1,
      onWarning: () => {},
    }),
  ],
  ...{ slicedWasserstein: [numbers, numbers, all], frechetDistance: [statistics, statistics, quiet] },
  ...{ kernelDistance: [numbers, numbers, all], kernelDistanceOfSubsets: [numbers, numbers, all] },
  ...{ neighbourMetrics: [numbers, numbers, is({ dimension: 1, k: 2 })], inceptionScore: [numbers, all] },
  ...{ clipScore: [numbers, numbers, all], retrievalAccuracy: [numbers, numbers, is({ dimension: 1, k: 1 })] },
  mergeClipScores: [is([{ count: 1, cosine: 0.3, score: 0.3 }])],
  ...{ encodeSafetensors: [weights, is({})], writeSafetensors: [name, weights, is({})], writeFileAtomic: [name, name] },
  ...{ fileSource: [name], blobSource: [() => new Blob(["w"]), name], openSafetensors: [bytes], diskFolder: [name] },
  ...{ urlSource: [is("http://127.0.0.1:9"), web], urlFolder: [is("http://127.0.0.1:9"), web] },
  ...{ blobFolder: [() => new Map([["w", new Blob(["w"])]])], readText: [files, is("model_index.json")] },
  ...{ readModelIndex: [files], readComponent: [files, is("unet"), is({ variant: "w", subfolder: "w" })] },
  ...{ openComponent: [files, is("unet"), is({ subfolder: "unet" })], writeModelFolder: [name, is({}), is({})] },
  ...{ loadParameters: [name, specs, opened], loadWeights: [() => ({ name: "w", variables: owned() }), opened] },
};

/** Arguments that would do. */
const fittingOf = (name: string): readonly Make[] =>
  (calls[name] ?? [all]).map((make, at) => () => known(name, at, make()));

const anything = fc.oneof(garbage, spoilt);
/** For the methods of what is returned. */
const further = fc.array(fc.oneof(anything, fc.constantFrom(x, list, stream, two, times)), { maxLength: 3 });

/** What the options and inputs of each function may have; filled before the tests, by asking for a key that none has. */
const keysOf = new Map<string, (readonly string[] | undefined)[]>();

/** The keys that a function takes at that place, as its refusal of another one lists them. */
async function takenKeys(f: unknown, fitting: readonly Make[], at: number): Promise<readonly string[] | undefined> {
  const given = fitting.map((make, i) => (i === at ? { qqqqqqqqqq: 1 } : make()));
  try {
    free(await (f as (...given: readonly unknown[]) => unknown)(...given));
  } catch (error) {
    const [, keys] = /has no "qqqqqqqqqq"; it takes (.+)\.$/.exec((error as Error).message) ?? [];
    return keys?.split(", ");
  } finally {
    dispose(given as never);
  }
  return undefined;
}

/** An argument without the fields that the function would refuse. */
function known(name: string, at: number, value: unknown): unknown {
  const keys = keysOf.get(name)?.[at];
  if (keys === undefined || !isPlain(value)) return value;
  const entries = Object.entries(value);
  free(Object.fromEntries(entries.filter(([key]) => !keys.includes(key))));
  return Object.fromEntries(entries.filter(([key]) => keys.includes(key)));
}

/** A list of anything, or arguments of which all would do but one. */
const argumentsOf = (name: string) => {
  const fitting = fittingOf(name);
  return fc.oneof(
    fc.array(anything, { maxLength: 3 }).map((makers) => makers.map((make, at) => () => known(name, at, make()))),
    fc
      .tuple(fc.nat(fitting.length - 1), fc.oneof(anything, fc.constant(undefined)))
      .map(([at, other]) => fitting.map((make, i) => (i === at && other ? () => known(name, at, other()) : make))),
    fc
      .tuple(fc.nat(fitting.length - 1), fc.nat(20), garbage)
      .map(([at, key, other]) => fitting.map((make, i) => (i === at ? () => withOther(make(), key, other) : make))),
  );
};

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Options or inputs of which one field is another. */
function withOther(value: unknown, index: number, other: Make): unknown {
  if (!isPlain(value)) return value;
  const names = Object.keys(value);
  const name = names[index % names.length] as string;
  const [mine, spoilt] = [(value as Record<string, unknown>)[name], other()];
  // A function that returns what it should not is a broken promise, not bad input.
  if (typeof mine === "function" && typeof spoilt === "function") return value;
  free(mine);
  return { ...value, [name]: spoilt };
}

/** What a call answers; undefined where that is a SidError. */
async function answer(f: unknown, given: readonly unknown[]): Promise<unknown> {
  try {
    return await (f as (...given: readonly unknown[]) => unknown)(...given);
  } catch (error) {
    if (error instanceof core.SidError) return undefined;
    throw error;
  }
}

/** Does one iteration of a run that takes no more than this file's example of one. */
async function begun(options: train.DistillOptions): Promise<void> {
  const run = train.distill(options)[Symbol.asyncIterator]();
  if (options.batch === 2) await run.next().finally(() => run.return());
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
  beforeAll(async () => {
    for (const [name, f] of functions) {
      const found: (readonly string[] | undefined)[] = [];
      keysOf.set(name, found);
      for (const at of fittingOf(name).keys()) found.push(await takenKeys(f, fittingOf(name), at));
    }
  });
  for (const [name, f] of functions)
    test.prop({ first: argumentsOf(name), second: further }, { numRuns: 300 })(
      `${name}, and the methods of what it returns, answer or throw a SidError, and keep no tensor`,
      async ({ first, second }) => {
        const before = memory().numTensors;
        const [given, more] = [first, second].map((makers) => makers.map((make) => make())) as [unknown[], unknown[]];
        let result: unknown;
        try {
          result = await answer(name === "distill" ? begun : f, given);
          for (const method of [result, ...Object.values(Object(result))])
            if (typeof method === "function") free(await answer(method, more));
        } finally {
          free(result);
          dispose([given, more] as never);
        }
        expect(memory().numTensors, "tensors left").toBe(before);
      },
    );
});

describe("what could pass for an answer is refused too", () => {
  const as = (value: unknown) => value as never;
  const nan = { ...schedules.flowSchedule(), sigma: () => Number.NaN };
  const law = { weights: [1, 1], means: [[0], [1]], variances: [1, 1], schedule: schedules.flowSchedule() };
  const [nearly, hardly] = [
    { alpha: [1, 1], sigma: [1e-30, 1e-30] },
    { alpha: [1e-60, 1e-60], sigma: [1, 1] },
  ];
  const network = { name: "w", predicts: "x0", schedule: nan, predict: (xt: Tensor) => xt } as const;
  let text: Tensor;
  beforeAll(() => {
    text = tensor(["a", "b"]);
  });
  afterAll(() => text.dispose());
  const mean = Float64Array.of(Number.NaN);

  const refused: Readonly<Record<string, readonly [core.SidErrorCode, (x: Tensor) => unknown]>> = {
    "text for options": ["invalid-argument", () => schedules.ddpmSchedule(as("scaled_linear"))],
    "a number for options": ["invalid-argument", (x) => losses.sidLoss({ generated: x, teacher: x, fake: x }, as(1.2))],
    "text for a flag": ["invalid-argument", () => schedules.ddpmSchedule({ zeroTerminalSnr: as("yes") })],
    "too many timesteps": ["out-of-range", () => schedules.ddpmSchedule({ numTimesteps: 2 ** 40 })],
    "text for a list": ["invalid-argument", () => models.gaussianMixtureModel({ ...law, means: as("zz") })],
    "a tensor of text": ["invalid-argument", () => losses.cleanGradients([text])],
    "a tensor of text for a flag per sample": [
      "invalid-argument",
      (x) => losses.sidLoss({ generated: x, teacher: x, fake: x }, { valid: as(text) }),
    ],
    "a model that predicts nothing known": [
      "invalid-argument",
      () => models.generatorFrom(as({ ...network, variables: [], dispose: () => {}, predicts: Symbol("s") })),
    ],
    "null for variables": ["invalid-argument", () => models.functionModel({ ...network, variables: as(null) })],
    "an incomplete configuration": ["invalid-argument", () => models.clipTextParameterSpecs(as({}))],
    "a key of every object": ["unsupported", () => models.parseUnetConfig({ toString: 3 })],
    "another such key": ["unsupported", () => models.parseClipTextConfig({ constructor: 3 })],
    "text for a size": ["invalid-argument", () => models.parseUnetConfig({ sample_size: "zz" })],
    "a layout that does not fit": [
      "shape-mismatch",
      () => models.createParameters("w", [{ name: "w", shape: [2], layout: "conv", init: { normal: 1 } }], stream()),
    ],
    "statistics with NaN": ["not-finite", () => metrics.frechetDistance({ count: 2, mean, covariance: mean }, as({}))],
    "a schedule of NaN": ["not-finite", () => predict.noiseLevel(nan, [1])],
    "its signal-to-noise ratio": ["not-finite", () => schedules.snr(nan, 1)],
    "its exact model": [
      "not-finite",
      (x) => models.gaussianModel({ mean: [0, 0], variance: 1, schedule: nan }).predict(x, [1, 1]),
    ],
    "a weight beyond float32": [
      "out-of-range",
      (x) => losses.fakeScoreLoss({ prediction: x, generated: x, noise: x, level: nearly }, { predicts: "x0" }),
    ],
    "another weight beyond float32": [
      "out-of-range",
      (x) => losses.sidLoss({ generated: x, teacher: x, fake: x }, { weight: "snr", level: nearly }),
    ],
    "a factor beyond float32": [
      "out-of-range",
      (x) => predict.convertPrediction({ prediction: x, xt: x, level: hardly, predicts: "eps", to: "x0" }),
    ],
  };
  test.each(Object.entries(refused))("%s", (_, [code, call]) => {
    const given = x();
    expectSidError(code, () => call(given), /^\w+[\w. ]*: .+\.$/);
    given.dispose();
  });

  test("a condition of NaN or below zero gives NaN", () => {
    const { predict: ask } = models.gaussianMixtureModel(law);
    const [xt, cond] = [tensor([[0.5], [0.5], [0.5]]), tensor([...[Number.NaN, 1], ...[-5, 1], ...[0, 1]], [3, 2])];
    const answered = ask(xt, [0.5, 0.5, 0.5], cond);
    expect([...answered.dataSync()].map(Number.isNaN)).toEqual([true, true, false]);
    dispose([xt, cond, answered]);
  });
});
