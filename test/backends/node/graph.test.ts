import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  add,
  backend,
  dispose,
  memory,
  mul,
  reshape,
  type Scalar,
  square,
  sum,
  type Tensor,
  tidy,
  util,
  variable,
} from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { useBackend } from "../../../src/backends";
import { graphRunner } from "../../../src/backends/node/graph/run";
import { noGrad, pullback, randomStream, valueAndGradients, vjp } from "../../../src/core";
import { besideTape, mayNeedGradient, runTape } from "../../../src/core/tape";
import { asWholeGraph } from "../../../src/core/whole-graph";
import { lsg } from "../../../src/guidance";
import { sidLsg } from "../../../src/methods";
import {
  clipTextEncoder,
  generatorFrom,
  parseClipTextConfig,
  parseUnetConfig,
  type Unet,
  unet,
} from "../../../src/models";
import { attention } from "../../../src/models/nn/attention";
import { type Lora, type LoraOptions, lora } from "../../../src/models/sd";
import { ddpmSchedule } from "../../../src/schedules";
import { distill } from "../../../src/train";
import { expectSidError } from "../../support/errors";
import { relativeError } from "../../support/matchers";

type Native = Record<"executeOp" | "runSavedModel" | "deleteTensor", (...args: unknown[]) => unknown>;

const config = parseUnetConfig({
  in_channels: 3,
  out_channels: 3,
  block_out_channels: [8, 16],
  layers_per_block: 1,
  down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"],
  up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
  norm_num_groups: 4,
  attention_head_dim: 2,
  cross_attention_dim: 12,
});
const schedule = ddpmSchedule();
const network = (name: string, seed = 1, gradientCheckpointing = false): Unet =>
  unet(config, { name, schedule, predicts: "eps", weights: randomStream(seed), gradientCheckpointing });
const tape = { besideTape, mayNeedGradient, runTape };
const compile = (on: boolean) => useBackend("node", { compile: on });

/** How often TensorFlow ran a graph, how many elements each run gave, and how often it took one. */
function watch() {
  const { binding } = backend() as unknown as { binding: object };
  const seen = { runs: 0, loads: 0, given: [] as number[] };
  const counting = (name: "runSavedModel" | "loadSavedModel", count: "runs" | "loads") => ({
    value: (...args: unknown[]) => {
      seen[count]++;
      const result = (binding as Record<string, (...args: unknown[]) => unknown>)[name]?.(...args);
      if (Array.isArray(result)) seen.given.push(result.reduce((sum, { shape }) => sum + util.sizeFromShape(shape), 0));
      return result;
    },
  });
  const counted = Object.create(binding, {
    runSavedModel: counting("runSavedModel", "runs"),
    loadSavedModel: counting("loadSavedModel", "loads"),
  });
  Object.assign(backend(), { binding: counted });
  return { seen, end: () => Object.assign(backend(), { binding }) };
}

let watched: ReturnType<typeof watch>;
beforeAll(async () => {
  await compile(true);
  watched = watch();
});
afterAll(async () => {
  watched.end();
  await compile(false);
});

/** Values and gradients of a network, in every way that training asks for them. */
async function everything(on: boolean, model: Unet | Lora, size = 4): Promise<Record<string, Float32Array>> {
  await compile(on);
  const stream = randomStream(7);
  const [x, dy] = [stream.normal([2, size, size, 3]), stream.normal([2, size, size, 3])];
  const cond = stream.normal([2, 5, 12]);
  const run = (x: Tensor, cond: Tensor) => model.predict(x, [30, 700], cond);
  const plain = run(x, cond);
  const off = noGrad(() => run(x, cond));
  // A sum without cancellation: its error is then that of the network.
  const trained = valueAndGradients(() => sum(square(run(x, cond))) as Scalar, model.variables);
  const through = vjp((x, cond) => mul(run(mul(x, 2), cond), 3), [x, cond], dy);
  const twice = vjp((x) => run(run(x, cond), cond), [x], dy);
  const direct = vjp((x) => run(x, cond), [x], dy);
  const low = model.features(x, [30, 700], cond);
  const lower = vjp((x, cond) => square(model.features(x, [30, 700], cond)), [x, cond], low);
  // In one pass with the prediction.
  const joint = valueAndGradients(() => {
    const { prediction, features } = model.predictWithFeatures(x, [30, 700], cond);
    return add(sum(square(prediction)), sum(square(features))) as Scalar;
  }, model.variables);
  const both = model.predictWithFeatures(x, [30, 700], cond);
  const tensors = [plain, off, trained.value, ...trained.gradients, ...through, ...twice, ...direct];
  tensors.push(low, ...lower, joint.value, ...joint.gradients, both.prediction, both.features);
  const values = Object.fromEntries(tensors.map((tensor, i) => [`result ${i}`, tensor.dataSync<"float32">().slice()]));
  for (const tensor of [...tensors, x, dy, cond]) tensor.dispose();
  return values;
}

/** A network whose adapter changes something. */
function adapted(name: string, base: Unet): Lora {
  const layers = { conv1: { rank: 3, alpha: 6 } };
  const targets = ["to_q", "to_out.0", "conv1"];
  const model = lora(base, { name, rank: 2, targets, layers, weights: randomStream(5) });
  const stream = randomStream(6);
  for (const v of model.variables) tidy(() => v.assign(mul(stream.normal(v.shape), 0.1)));
  return model;
}

test.each([
  { kind: "plain", checkpointing: false, withAdapter: false },
  { kind: "checkpointed", checkpointing: true, withAdapter: false },
  { kind: "adapted", checkpointing: false, withAdapter: true },
  { kind: "adapted and checkpointed", checkpointing: true, withAdapter: true },
])("a compiled network ($kind) computes what it computes uncompiled, value and gradients", async (options) => {
  const { kind, checkpointing, withAdapter } = options;
  const base = network(`graph-same ${kind}`, 1, checkpointing);
  const model = withAdapter ? adapted(`graph-adapter ${kind}`, base) : base;
  const uncompiled = await everything(false, model);
  const first = await everything(true, model);
  const before = watched.seen.runs;
  for (const compiled of [first, await everything(true, model)])
    for (const [name, values] of Object.entries(uncompiled))
      expect(relativeError(compiled[name] as Float32Array, values), name).toBeLessThan(1e-5);
  // Each evaluation is one run, each backward pass another.
  expect(watched.seen.runs - before).toBe(2 + 2 + 2 + 4 + 2 + 1 + 2 + 2 + 1);
  for (const { dispose } of new Set([model, base])) dispose();
});

test("an adapter's scale is part of its graph, and an adapter of other layers another one", async () => {
  const base = network("graph-scales");
  const model = (name: string, options: Partial<LoraOptions>) => {
    const made = lora(base, { name, rank: 2, weights: randomStream(5), ...options });
    for (const v of made.variables) tidy(() => v.assign(mul(randomStream(6).normal(v.shape), 0.5)));
    return made;
  };
  const models = [model("s1", {}), model("s2", { alpha: 3 }), model("s3", { targets: ["to_k", "to_v", "to_q"] })];
  const [x, cond] = [randomStream(1).normal([2, 4, 4, 3]), randomStream(2).normal([2, 5, 12])];
  const predictions = async (on: boolean) => {
    await compile(on);
    return models.map((model) => {
      const y = model.predict(x, [30, 700], cond);
      const values = y.dataSync<"float32">().slice();
      y.dispose();
      return values;
    });
  };
  const [uncompiled, compiled] = [await predictions(false), await predictions(true)];
  for (const [i, values] of uncompiled.entries()) {
    expect(relativeError(compiled[i] as Float32Array, values)).toBeLessThan(1e-5);
    expect(relativeError(compiled[(i + 1) % 3] as Float32Array, values)).toBeGreaterThan(1e-3);
  }
  dispose([x, cond]);
  for (const { dispose } of [...models, base]) dispose();
});

test("weights are given to the graph, not part of it: networks of one plan share it", async () => {
  const [one, other] = [network("graph-one", 1), network("graph-other", 2)];
  await everything(true, one);
  const { loads } = watched.seen;
  const compiled = await everything(true, other);
  expect(watched.seen.loads).toBe(loads);
  const uncompiled = await everything(false, other);
  for (const [name, values] of Object.entries(uncompiled))
    expect(relativeError(compiled[name] as Float32Array, values), name).toBeLessThan(1e-5);
  for (const v of other.variables) tidy(() => v.assign(mul(v, 0.5)));
  const changed = await everything(true, other);
  expect(relativeError(changed["result 0"] as Float32Array, compiled["result 0"] as Float32Array)).toBeGreaterThan(
    0.01,
  );
  one.dispose();
  other.dispose();
});

test("weights in memory of another shape are found", async () => {
  const model = network("graph-reshaped");
  for (const v of model.variables) tidy(() => v.assign(reshape(mul(reshape(v, [-1]), 1), v.shape)));
  const [compiled, uncompiled] = [await everything(true, model, 8), await everything(false, model, 8)];
  for (const [name, values] of Object.entries(uncompiled))
    expect(relativeError(compiled[name] as Float32Array, values), name).toBeLessThan(1e-5);
  model.dispose();
});

test("a graph leaves no tensor and no file behind, and errors leave it usable", async () => {
  const model = network("graph-leak");
  // Other tests have folders there too.
  const files = () => readdirSync(tmpdir()).filter((name) => existsSync(join(tmpdir(), name, "saved_model.pb"))).length;
  const before = { tensors: memory().numTensors, files: files() };
  await everything(true, model, 6);
  expect({ tensors: memory().numTensors, files: files() }).toEqual(before);
  const x = randomStream(1).normal([2, 4, 4, 3]);
  expect(() => model.predict(x, [1, 2], x)).toThrow(/cond must be/);
  x.dispose();
  await everything(true, model, 6);
  model.dispose();
});

test("TensorFlow itself holds no tensor more after an iteration than before", async () => {
  const model = network("graph-native");
  await everything(true, model);
  const plain = (backend() as unknown as { binding: Native }).binding;
  const alive = new Set<number>();
  const making = (name: "executeOp" | "runSavedModel") => ({
    value: (...args: unknown[]) => {
      const made = plain[name](...args) as { id: number }[];
      for (const { id } of made) alive.add(id);
      return made;
    },
  });
  const counted = Object.create(plain, {
    executeOp: making("executeOp"),
    runSavedModel: making("runSavedModel"),
    deleteTensor: {
      value: (id: number) => {
        alive.delete(id);
        return plain.deleteTensor(id);
      },
    },
  });
  Object.assign(backend(), { binding: counted });
  await everything(true, model);
  Object.assign(backend(), { binding: plain });
  // What is left are the weights' other shapes, which go with them.
  model.dispose();
  expect(alive.size).toBe(0);
});

test("the backward pass takes what the forward pass computed, up to a limit", async () => {
  await compile(false);
  const stream = randomStream(3);
  const [q, k, v, dy] = [0, 1, 2, 3].map(() => stream.normal([2, 8, 16])) as [Tensor, Tensor, Tensor, Tensor];
  const f = (q: Tensor, k: Tensor, v: Tensor) => attention(q, k, v, { heads: 2 });
  const softmaxes: number[] = [];
  const fs = {
    mkdtempSync,
    rmSync,
    writeFileSync(path: string, data: Uint8Array) {
      softmaxes.push(Buffer.from(data).toString("latin1").split("Softmax").length - 1);
      writeFileSync(path, data);
    },
  };
  const run = (room: number) => {
    const runner = graphRunner(backend() as never, { fs, tmpdir: tmpdir() } as never, room);
    const graph = { key: "attention", f: f as never, weights: [] };
    return vjp((...inputs) => runner.run({ ...graph, inputs }, tape) as Tensor, [q, k, v], dy);
  };
  const plain = vjp(f as (...inputs: Tensor[]) => Tensor, [q, k, v], dy);
  const all = [plain, run(2 ** 28), run(0)];
  expect(softmaxes).toEqual([1, 2]);
  for (const results of all.slice(1))
    for (const [i, result] of results.entries())
      expect(relativeError(result.dataSync(), plain[i]?.dataSync() as Float32Array)).toBeLessThan(1e-6);
  for (const x of [q, k, v, dy, ...all.flat()]) x.dispose();
});

test("a disk that takes no graph is named, and nothing is left", async () => {
  await compile(true);
  const inputs = [randomStream(1).normal([2, 3])];
  const full = () => {
    throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
  };
  const disk = { fs: { mkdtempSync: full, writeFileSync: full, rmSync: full }, tmpdir: "/full" };
  const runner = graphRunner(backend() as never, disk as never);
  const before = memory().numTensors;
  const graph = { key: "disk", f: (x: Tensor | undefined) => mul(x as Tensor, 2), inputs, weights: [] };
  expectSidError("io", () => runner.run(graph, tape), /\/full/);
  expect(memory().numTensors).toBe(before);
  for (const x of inputs) x.dispose();
});

test("what a graph cannot do runs operation by operation", async () => {
  await compile(true);
  const [x, foreign] = [1, 2].map((seed) => tidy(() => mul(randomStream(seed).normal([2, 3]), 1))) as [Tensor, Tensor];
  const { runs } = watched.seen;
  const cases: Record<string, (x: Tensor) => Tensor> = {
    reads: (x) => mul(x, x.dataSync()[0] as number),
    captures: (x) => mul(x, foreign),
  };
  for (const [key, f] of Object.entries(cases)) {
    const [whole, plain] = [
      tidy(() => asWholeGraph({ key, f: f as never, inputs: [x], weights: [] })),
      tidy(() => f(x)),
    ];
    expect(whole.dataSync(), key).toEqual(plain.dataSync());
    for (const y of [whole, plain]) y.dispose();
  }
  expect(watched.seen.runs).toBe(runs);
  for (const y of [x, foreign]) y.dispose();
});

test("compile must be a boolean", async () => {
  await expect(useBackend("node", { compile: 1 as never })).rejects.toMatchObject({ code: "invalid-argument" });
});

test("with gradientCheckpointing a graph keeps what is between the parts, and no more", async () => {
  await compile(true);
  const kept = [false, true].map((checkpointing) => {
    const model = network(`graph-kept ${checkpointing}`, 1, checkpointing);
    const x = randomStream(1).normal([2, 8, 8, 3]);
    const cond = randomStream(2).normal([2, 5, 12]);
    const pass = () => valueAndGradients(() => sum(model.predict(x, [3, 4], cond)) as Scalar, model.variables);
    for (const tensors of [pass()]) dispose([tensors.value, ...tensors.gradients]);
    watched.seen.given = [];
    const { value, gradients } = pass();
    dispose([value, ...gradients, x, cond]);
    model.dispose();
    return watched.seen.given[0] as number;
  }) as [number, number];
  expect(kept[1]).toBeLessThan(kept[0] / 3);
});

test("graphs go with the last network that has them", async () => {
  await compile(true);
  const { binding } = backend() as unknown as { binding: { getNumOfSavedModels(): number } };
  const graphs = () => binding.getNumOfSavedModels();
  const before = graphs();
  const x = randomStream(1).normal([1, 4, 4, 3]);
  const cond = randomStream(2).normal([1, 5, 12]);
  const use = (model: Unet | Lora) => {
    const { value, gradients } = valueAndGradients(
      () => sum(square(model.predict(x, [3], cond))) as Scalar,
      model.variables,
    );
    dispose([value, ...gradients]);
    return model;
  };
  for (let i = 0; i < 3; i++) {
    const model = use(network("graph-gone"));
    expect(graphs()).toBe(before + 1);
    model.dispose();
    expect(graphs()).toBe(before);
  }
  const [one, other] = [use(network("graph-gone-1")), use(network("graph-gone-2")) as Unet] as const;
  const changes = ["a", "b"].map((name) => use(adapted(name, other)));
  expect(graphs()).toBe(before + 2);
  changes[0]?.dispose();
  one.dispose();
  expect(graphs()).toBe(before + 2);
  changes[1]?.dispose();
  expect(graphs()).toBe(before + 1);
  // Not by dispose(): they are found when the next graph is made.
  for (const v of other.variables) v.dispose();
  const last = use(network("graph-gone-3"));
  expect(graphs()).toBe(before + 1);
  last.dispose();
  expect(graphs()).toBe(before);
  dispose([x, cond]);
});

test.each(["loadSavedModel", "runSavedModel"])(
  "what TensorFlow refuses (%s) runs uncompiled, with one line",
  (name) => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const { binding } = backend() as unknown as { binding: { getNumOfSavedModels(): number } };
    const refuse = () => {
      throw new Error("Session fail to run with error: no such operation\n\t [[n1]]");
    };
    const refusing = Object.create(binding, { [name]: { value: refuse } });
    const before = { tensors: memory().numTensors, graphs: binding.getNumOfSavedModels() };
    Object.assign(backend(), { binding: refusing });
    try {
      const fs = { mkdtempSync, rmSync, writeFileSync };
      const runner = graphRunner(backend() as never, { fs, tmpdir: tmpdir() } as never);
      const v = tidy(() => variable(randomStream(1).normal([2, 3])));
      for (const key of ["a", "a", "b"])
        expect(runner.run({ key, f: () => mul(v, 2), inputs: [], weights: [v] }, tape)).toBeUndefined();
      v.dispose();
      runner.release();
      expect(warn.mock.calls).toEqual([[expect.stringMatching(/^useBackend: .*uncompiled: Session.*operation$/)]]);
    } finally {
      Object.assign(backend(), { binding });
      warn.mockRestore();
    }
    expect({ tensors: memory().numTensors, graphs: binding.getNumOfSavedModels() }).toEqual(before);
  },
);

test("a text encoder is one graph from its embeddings on, and trains", async () => {
  const config = parseClipTextConfig({
    ...{ vocab_size: 20, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 2, num_attention_heads: 2 },
  });
  const encoder = clipTextEncoder(config, { name: "graph-text", weights: randomStream(3) });
  const ids = [
    [1, 7, 9, 2],
    [1, 5, 2, 0],
  ];
  const run = async (on: boolean) => {
    await compile(on);
    const text = encoder.encode(ids);
    const dy = randomStream(4).normal(text.shape);
    const gradients = pullback(() => encoder.encode(ids), dy, encoder.variables);
    // Together: the gradient of a key's bias is 0 but for rounding.
    const values = [text, gradients].map((x) => [x].flat().flatMap((x) => [...x.dataSync()]));
    dispose([text, dy, ...gradients]);
    return values;
  };
  const uncompiled = await run(false);
  await run(true);
  const { runs } = watched.seen;
  const compiled = await run(true);
  expect(watched.seen.runs - runs).toBe(3);
  for (const [i, values] of uncompiled.entries())
    expect(relativeError(compiled[i] as number[], values), `result ${i}`).toBeLessThan(1e-5);
  encoder.dispose();
});

test("weights that share memory for a while are not one weight of the graph", async () => {
  await compile(true);
  const shared = randomStream(1).normal([3]);
  const [a, b] = [variable(shared), variable(shared)];
  const f = (x: Tensor) => tidy(() => add(mul(add(x, a), 2), mul(add(x, b), 3)));
  const run = (x: Tensor) => asWholeGraph({ key: "sharing", f, inputs: [x], weights: [a, b] });
  const x = randomStream(3).normal([3]);
  dispose(run(x));
  b.assign(x);
  const [whole, plain] = [run(x), f(x)];
  expect(relativeError(await whole.data(), (await plain.data()) as Float32Array)).toBeLessThan(1e-6);
  dispose([whole, plain, x, shared, a, b]);
});

test("distill makes the graphs of its iterations before the first one, and no others", async () => {
  await compile(true);
  const before = watched.seen.loads;
  const made = () => watched.seen.loads - before;
  const [teacher, fakeScore, generator] = ["teacher", "fake", "generator"].map((name) => network(`before-${name}`));
  const loads: number[] = [];
  const text = (count: number) => randomStream(2).normal([count, 5, 12]);
  try {
    await distill({
      ...{ teacher: teacher as Unet, fakeScore, generator: generatorFrom(generator as Unet) },
      method: sidLsg({ guidance: lsg(1.5) }),
      conditions: {
        sample(_, count) {
          loads.push(made());
          return text(count);
        },
        unconditional: () => text(1),
      },
      ...{ sampleShape: [8, 8, 3], batch: 8, iterations: 1, checkTeacher: false },
    });
    // The trial's batch first, then those of the iteration.
    expect(loads[0]).toBe(0);
    expect(loads[1]).toBeGreaterThan(0);
    expect(made()).toBe(loads[1]);
  } finally {
    for (const one of [teacher, fakeScore, generator]) one?.dispose();
  }
});

test("training: same figures, and a resumed run is the same bit for bit", async () => {
  const run = async (on: boolean, iterations: number, path?: string, resume = false): Promise<number[]> => {
    await compile(on);
    const names = ["graph-t", "graph-f", "graph-g"];
    const models = names.map((name) => network(path === undefined ? `${name} ${on}` : name)) as [Unet, Unet, Unet];
    const [teacher, fakeScore, student] = models;
    const text = (count: number) => randomStream(2).normal([count, 5, 12]);
    await distill({
      teacher,
      fakeScore,
      generator: generatorFrom(student),
      conditions: { sample: (_, count) => text(count), unconditional: () => text(1) },
      method: sidLsg({ guidance: lsg(1.5) }),
      sampleShape: [4, 4, 3],
      batch: 2,
      iterations,
      checkTeacher: false,
      ...(path ? { checkpoint: { path, every: 2, resume } } : {}),
    });
    const weights = student.variables.flatMap((v) => [...v.dataSync()]);
    // Those of the first runs stay, and with them the graphs for the others.
    if (path === undefined) first.push(...models);
    else for (const model of models) model.dispose();
    return weights;
  };
  const first: Unet[] = [];
  const [uncompiled, compiled] = [await run(false, 4), await run(true, 4)];
  expect(relativeError(compiled, uncompiled)).toBeLessThan(1e-5);
  const folder = mkdtempSync(join(tmpdir(), "graph-test-"));
  try {
    await run(true, 2, join(folder, "run.safetensors"));
    expect(await run(true, 4, join(folder, "run.safetensors"), true)).toEqual(compiled);
  } finally {
    rmSync(folder, { recursive: true });
    for (const model of first) model.dispose();
  }
});
