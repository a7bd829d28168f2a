import { fc, test } from "@fast-check/vitest";
import {
  add,
  cast,
  concat,
  gather,
  mean,
  memory,
  mul,
  type Scalar,
  square,
  sub,
  type Tensor,
  type Tensor1D,
  tensor1d,
  tensor2d,
  tidy,
} from "@tensorflow/tfjs-core";
import { input, layers, model as layersNetwork, sequential } from "@tensorflow/tfjs-layers";
import { describe, expect } from "vitest";
import { randomStream, SidError, valueAndGradients } from "../../src/core";
import {
  functionModel,
  generatorFrom,
  layersModel,
  mlp,
  parseUnetConfig,
  predictX0,
  readWeights,
  type ScoreModel,
  unet,
} from "../../src/models";
import { ddpmSchedule, edmSchedule, flowSchedule } from "../../src/schedules";
import { generatorContract } from "../contracts/generator-contract";
import { scoreModelContract } from "../contracts/score-model-contract";
import { expectClose, numbers } from "../support/matchers";

const schedule = ddpmSchedule();

const plainMlp = (name = "mlp") =>
  mlp({ dim: 2, hidden: 12 }, { name, schedule, predicts: "eps", weights: randomStream(1) });
const conditionalMlp = () =>
  mlp(
    { dim: 3, hidden: 8, depth: 1, condDim: 2, timeDim: 6 },
    { name: "mlp", schedule: edmSchedule(), predicts: "v", weights: randomStream(1) },
  );

/** A tf.layers network with two inputs, dropout and a batch norm: only its weights that train are variables. */
function twoInputs() {
  const x = input({ shape: [2] });
  const t = input({ shape: [1] });
  const joined = layers.concatenate().apply([x, t]) as typeof x;
  const hidden = layers.dense({ units: 5, activation: "tanh" }).apply(joined) as typeof x;
  const normed = layers.batchNormalization().apply(layers.dropout({ rate: 0.5 }).apply(hidden)) as typeof x;
  return layersNetwork({ inputs: [x, t], outputs: layers.dense({ units: 2 }).apply(normed) as typeof x });
}
const ofLayers = () => layersModel(twoInputs(), { name: "layers", schedule: flowSchedule(), predicts: "flow" });
const ofSequential = () =>
  layersModel(
    sequential({
      layers: [layers.dense({ units: 6, activation: "swish", inputShape: [5] }), layers.dense({ units: 2 })],
    }),
    {
      name: "layers",
      schedule,
      predicts: "eps",
      inputs: (xt, t, cond) => concat([xt, mul(t, 1e-3), cond as Tensor], 1),
    },
  );

const tinyUnet = () =>
  unet(
    parseUnetConfig({
      in_channels: 2,
      out_channels: 2,
      block_out_channels: [4, 8],
      layers_per_block: 1,
      down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"],
      up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
      norm_num_groups: 2,
      attention_head_dim: 2,
      cross_attention_dim: 3,
    }),
    { name: "unet", schedule, predicts: "eps", weights: randomStream(2) },
  );
const tokens = (batch: number) => randomStream(batch).normal([batch, 2, 3]);

scoreModelContract("mlp", { make: plainMlp, sampleShape: [2], t: [20, 400, 979], features: [12] });
scoreModelContract("mlp with a condition", {
  make: conditionalMlp,
  sampleShape: [3],
  t: [0.1, 1, 40],
  cond: (batch) => randomStream(batch).normal([batch, 2]),
  features: [8],
});
scoreModelContract("layersModel", { make: ofLayers, sampleShape: [2], t: [0, 0.5, 1], prefixedNames: false });
scoreModelContract("layersModel with a condition", {
  make: ofSequential,
  sampleShape: [2],
  t: [0, 500, 999],
  cond: (batch) => randomStream(batch).normal([batch, 2]),
  prefixedNames: false,
});
scoreModelContract("unet", {
  make: tinyUnet,
  sampleShape: [4, 5, 2],
  t: [0, 500, 999],
  cond: tokens,
  features: [2, 3, 8],
});
generatorContract("generatorFrom an mlp", { make: () => generatorFrom(plainMlp(), { steps: 2 }), sampleShape: [2] });
generatorContract("generatorFrom a layersModel", {
  make: () => generatorFrom(ofLayers(), { tInit: 0.9 }),
  sampleShape: [2],
  prefixedNames: false,
});
generatorContract("generatorFrom a unet", {
  make: () => generatorFrom(tinyUnet(), { steps: 2, gradientThrough: "last" }),
  sampleShape: [4, 4, 2],
  cond: tokens,
});

describe("mlp", () => {
  test("it is the perceptron of its formula", async () => {
    const network = mlp(
      { dim: 1, hidden: 2, depth: 2, timeDim: 2 },
      { name: "tiny", schedule: edmSchedule(), predicts: "x0", weights: randomStream(5) },
    );
    const weights = await readWeights(network);
    const data = (name: string) => weights.get(name)?.data as Float32Array;
    const layer = (name: string, x: number[]) =>
      Array.from(data(`${name}.bias`), (bias, i) =>
        x.reduce((all, v, j) => all + v * (data(`${name}.weight`)[i * x.length + j] as number), bias),
      );
    const silu = (x: number[]) => x.map((v) => v / (1 + Math.exp(-v)));
    const [x, sigma] = [0.7, 3];
    const time = (1000 * sigma) / (1 + sigma);
    const input = [x / Math.hypot(1, sigma), Math.sin(time), Math.cos(time)];
    const wanted = layer("out", silu(layer("layers.1", silu(layer("layers.0", input)))));
    tidy(() => expectClose(network.predict(tensor2d([[x]]), [sigma]), wanted, 1e-5));
    expect([...weights.keys()]).toEqual(
      ["layers.0", "layers.1", "out"].flatMap((name) => [`${name}.weight`, `${name}.bias`]),
    );
    network.dispose();
  });

  test("it learns: a few steps of gradient descent lower its loss", () => {
    const options = { name: "learner", schedule, predicts: "eps" as const, weights: randomStream(1) };
    const network = mlp({ dim: 2, hidden: 32, depth: 1 }, options);
    tidy(() => {
      const xt = randomStream(3).normal([32, 2]);
      const target = mul(xt, -0.5);
      const t = Array<number>(32).fill(300);
      const step = () => {
        const loss = () => mean(square(sub(network.predict(xt, t), target))) as Scalar;
        const { value, gradients } = valueAndGradients(loss, network.variables);
        network.variables.forEach((v, i) => void v.assign(sub(v, mul(gradients[i] as Tensor, 0.2))));
        return numbers(value)[0] as number;
      };
      const first = step();
      for (let i = 0; i < 30; i++) step();
      expect(step()).toBeLessThan(first / 4);
    });
    network.dispose();
  });

  test.prop({
    bad: fc.constantFrom<object>(
      { dim: 0 },
      { dim: 1.5 },
      { hidden: -1 },
      { depth: Number.NaN },
      { condDim: -1 },
      { timeDim: 0 },
      { dim: "2" },
    ),
  })("widths that are none are refused", ({ bad }) => {
    const options = { name: "bad", schedule, predicts: "eps" as const, weights: randomStream(0) };
    expect(() => mlp({ dim: 2, ...bad }, options)).toThrow(SidError);
  });

  test("options that make no sense leave nothing behind", () => {
    const options = { name: "bad", schedule, predicts: "eps" as const, weights: randomStream(0) };
    for (const bad of [
      { name: "" },
      { predicts: "noise" },
      { schedule: undefined },
      { weights: new Map() },
      { weights: undefined },
    ])
      expect(() => mlp({ dim: 2 }, { ...options, ...(bad as object) })).toThrow(SidError);
    const first = plainMlp("twice");
    const before = memory().numTensors;
    expect(() => plainMlp("twice")).toThrow(/exists already/);
    expect(memory().numTensors).toBe(before);
    first.dispose();
  });

  test("a condition where none belongs, or none where one belongs, is refused", () => {
    const [plain, conditional] = [plainMlp("plain"), conditionalMlp()];
    tidy(() => {
      const [two, three] = [randomStream(0).normal([1, 2]), randomStream(0).normal([1, 3])];
      expect(() => plain.predict(two, [5], two)).toThrow(/condDim 0/);
      expect(() => conditional.predict(three, [5])).toThrow(/condDim 2, but cond is undefined/);
      expect(() => conditional.predict(three, [5], three)).toThrow(/cond must be \[1, 2\]/);
      expect(() => conditional.predict(two, [5], two)).toThrow(/xt must be \[1, 3\]/);
    });
    plain.dispose();
    conditional.dispose();
  });
});

describe("layersModel", () => {
  test("its variables are the network's own: assigning one changes the network", () => {
    const network = twoInputs();
    const model = layersModel(network, { name: "layers", schedule: flowSchedule(), predicts: "flow" });
    expect(model.variables).toHaveLength(network.trainableWeights.length);
    expect(model.variables.length).toBeLessThan(network.weights.length);
    tidy(() => {
      const xt = randomStream(0).normal([2, 2]);
      const before = model.predict(xt, [0.2, 0.4]);
      const bias = model.variables.at(-1);
      bias?.assign(add(bias, 1) as never);
      expectClose(model.predict(xt, [0.2, 0.4]), add(before, 1), 1e-6);
      const direct = network.predict([xt, tensor2d([[0.2], [0.4]])]) as Tensor;
      expectClose(model.predict(xt, [0.2, 0.4]), direct, 1e-6);
    });
    model.dispose();
  });

  test("what is no tf.LayersModel is refused", () => {
    const options = { name: "layers", schedule, predicts: "eps" as const };
    const apply = () => undefined;
    for (const bad of [undefined, {}, { apply }, { apply, trainableWeights: [{ read: apply }], dispose: apply }])
      expect(() => layersModel(bad as never, options)).toThrow(SidError);
  });
});

describe("a model whose output does not fit x_t", () => {
  const cases: [string, (xt: Tensor) => unknown][] = [
    ["twice the channels, as a network that learns the variance", (xt) => concat([xt, xt], 1)],
    ["text", () => "a score"],
    ["integers", (xt) => cast(xt, "int32")],
    ["nothing", () => undefined],
    ["a list", (xt) => [xt]],
    ["one sample for two", (xt) => mean(xt, 0, true)],
  ];
  for (const [what, predict] of cases)
    test(`${what} is refused, named after the model, and leaks nothing`, () =>
      tidy(() => {
        const model = functionModel({ name: "teacher", schedule, predicts: "eps", predict: predict as never });
        const xt = randomStream(0).normal([2, 2]);
        const before = memory().numTensors;
        expect(() => model.predict(xt, [1, 2])).toThrow(SidError);
        expect(() => model.predict(xt, [1, 2])).toThrow(/^teacher: the network's output/);
        expect(() => predictX0(model, { xt, t: [1, 2] })).toThrow(SidError);
        expect(memory().numTensors).toBe(before);
      }));

  test.prop({
    bad: fc.constantFrom<object>(
      { name: "" },
      { name: undefined },
      { predicts: "noise" },
      { predicts: undefined },
      { schedule: undefined },
      { schedule: {} },
      { predict: undefined },
    ),
  })("a declaration that makes none is refused", ({ bad }) => {
    const options = { name: "teacher", schedule, predicts: "eps" as const, predict: (xt: Tensor) => xt, ...bad };
    expect(() => functionModel(options as never)).toThrow(SidError);
  });

  test("class labels may be integers, under guidance too", () => {
    const embedding = tensor2d([[0], [10], [20]]);
    const labelled = functionModel({
      name: "labelled",
      schedule,
      predicts: "x0",
      predict: (xt, _, labels) => add(mul(xt, 0), gather(embedding, labels as Tensor1D)),
    });
    tidy(() => {
      const batch = { cond: tensor1d([2, 1], "int32"), uncond: tensor1d([0], "int32") };
      const x0 = predictX0(labelled, { xt: tensor2d([[1], [1]]), t: [5, 6], ...batch, guidanceScale: 3 });
      expect(numbers(x0)).toEqual([60, 30]);
    });
    embedding.dispose();
  });

  test("a function that returns its input, or a constant, does not give them away", () => {
    const constant = tensor2d([[1, 2]]);
    const xt = tensor2d([[3, 4]]);
    for (const predict of [(x: Tensor) => x, () => constant]) {
      const model: ScoreModel = functionModel({ name: "teacher", schedule, predicts: "x0", predict });
      model.predict(xt, [5]).dispose();
      expect(xt.isDisposed || constant.isDisposed).toBe(false);
      expect(numbers(xt)).toEqual([3, 4]);
      expect(numbers(constant)).toEqual([1, 2]);
    }
    xt.dispose();
    constant.dispose();
  });
});
