import { engine, memory, tensor, tidy, variable } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { type HostTensor, noGrad, randomStream, SidError, type WeightMap } from "../../../src/core";
import {
  copyWeights,
  createParameters,
  loadWeights,
  type ParameterSpec,
  parseUnetConfig,
  readWeights,
  type Unet,
  unet,
  unetParameterSpecs,
} from "../../../src/models";
import { ddpmSchedule } from "../../../src/schedules";
import { expectClose, numbers } from "../../support/matchers";

const config = parseUnetConfig({
  in_channels: 3,
  out_channels: 3,
  block_out_channels: [4, 8],
  layers_per_block: 1,
  down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"],
  up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
  norm_num_groups: 2,
  attention_head_dim: 2,
  cross_attention_dim: 5,
});

const make = (name: string, weights: Parameters<typeof unet>[1]["weights"] = randomStream(1)) =>
  unet(config, { name, schedule: ddpmSchedule(), predicts: "v", weights });

/** Runs `f`, which must throw, and checks that nothing is left of it. */
function refusal(f: () => unknown): SidError {
  const before = { tensors: memory().numTensors, variables: Object.keys(engine().registeredVariables).length };
  try {
    f();
  } catch (error) {
    expect({ tensors: memory().numTensors, variables: Object.keys(engine().registeredVariables).length }).toEqual(
      before,
    );
    if (error instanceof SidError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** The weights with some replaced, added or (undefined) taken away. */
function changed(weights: WeightMap, changes: Record<string, HostTensor | undefined>): WeightMap {
  const map = new Map(weights);
  for (const [name, value] of Object.entries(changes)) value ? map.set(name, value) : map.delete(name);
  return map;
}

async function withModels(count: number, f: (...models: Unet[]) => Promise<void> | void): Promise<void> {
  const models = Array.from({ length: count }, (_, i) => make(`net${i}`, randomStream(i)));
  try {
    await f(...models);
  } finally {
    for (const model of models) model.dispose();
  }
}

const one = (model: Unet) =>
  tidy(() => {
    const stream = randomStream(5);
    return Array.from(
      numbers(noGrad(() => model.predict(stream.normal([1, 6, 5, 3]), [40], stream.normal([1, 2, 5])))),
    );
  });

describe("unet", () => {
  test("declares what it predicts, its schedule and its architecture", () =>
    withModels(1, (model) => {
      expect(model.predicts).toBe("v");
      expect(model.config).toBe(config);
      expect(model.schedule.kind).toBe("vp");
      expect(model.variables.map((v) => v.name)).toEqual(unetParameterSpecs(config).map(({ name }) => `net0/${name}`));
    }));

  test("a wrong channel count, token width or missing condition is refused", () =>
    withModels(1, (model) =>
      tidy(() => {
        const [xt, cond] = [randomStream(0).normal([2, 4, 4, 3]), randomStream(0).normal([2, 3, 5])];
        const cases: [() => unknown, string][] = [
          [() => model.predict(randomStream(0).normal([2, 4, 4, 4]), [1, 2], cond), "[B, H, W, 3]"],
          [() => model.predict(randomStream(0).normal([2, 16, 3]), [1, 2], cond), "[B, H, W, 3]"],
          [() => model.predict(xt, [1, 2], randomStream(0).normal([2, 3, 6])), "[2, tokens, 5]"],
          [() => model.predict(xt, [1, 2], randomStream(0).normal([1, 3, 5])), "[2, tokens, 5]"],
          [() => model.predict(xt, [1, 2]), "condition"],
        ];
        for (const [f, text] of cases) {
          expect(f).toThrow(SidError);
          expect(f).toThrow(text);
        }
      }),
    ));

  test("the same seed gives the same weights, another seed others, all within PyTorch's bounds", () =>
    withModels(2, (a, b) => {
      const again = make("again", randomStream(0));
      again.variables.forEach((v, i) => {
        const spec = unetParameterSpecs(config)[i] as ParameterSpec;
        const values = numbers(v);
        expect(values).toEqual(numbers(a.variables[i] as typeof v));
        if ("constant" in spec.init) return;
        expect(values).not.toEqual(numbers(b.variables[i] as typeof v));
        const owner = spec.name.endsWith(".bias") ? spec.name.replace(/bias$/, "weight") : spec.name;
        const weight = unetParameterSpecs(config).find(({ name }) => name === owner) as ParameterSpec;
        const bound = 1 / Math.sqrt(weight.shape.slice(1).reduce((x, y) => x * y, 1));
        expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound);
        if (v.size > 100) expect(Math.max(...values.map(Math.abs))).toBeGreaterThan(0.9 * bound);
      });
      again.dispose();
    }));
});

describe("weights", () => {
  test("go out and come in again, bit for bit", () =>
    withModels(2, async (a, b) => {
      const weights = await readWeights(a);
      expect([...weights].map(([name, { shape }]) => [name, shape])).toEqual(
        unetParameterSpecs(config).map(({ name, shape }) => [name, shape]),
      );
      expect(one(a)).not.toEqual(one(b));
      await loadWeights(b, weights);
      expect(one(a)).toEqual(one(b));
      const third = make("third", weights);
      expect(one(third)).toEqual(one(a));
      third.dispose();
    }));

  test("keep PyTorch's order of axes", () =>
    withModels(1, async (model) => {
      const weights = await readWeights(model);
      const conv = weights.get("conv_in.weight") as HostTensor;
      expect(conv.shape).toEqual([4, 3, 3, 3]);
      const v = model.variables.find(({ name }) => name === "net0/conv_in.weight");
      // Element [out 2, in 1, row 0, column 2] there is element [row 0, column 2, in 1, out 2] here.
      expect(conv.data[((2 * 3 + 1) * 3 + 0) * 3 + 2]).toBe(numbers(v as never)[((0 * 3 + 2) * 3 + 1) * 4 + 2]);
      const linear = weights.get("time_embedding.linear_1.weight") as HostTensor;
      expect(linear.shape).toEqual([16, 4]);
    }));

  test("copyWeights makes two networks equal and independent", () =>
    withModels(2, (a, b) => {
      copyWeights(a, b);
      expect(one(a)).toEqual(one(b));
      const before = one(b);
      const first = a.variables[0] as (typeof a.variables)[number];
      tidy(() => first.assign(tensor(new Float32Array(first.size), first.shape)));
      expect(one(b)).toEqual(before);
      expect(one(a)).not.toEqual(before);
      copyWeights(b, b);
      expect(one(b)).toEqual(before);
    }));

  test("copyWeights outlives its source", () =>
    withModels(1, (b) => {
      const a = make("short-lived", randomStream(9));
      copyWeights(a, b);
      const before = one(a);
      a.dispose();
      expect(one(b)).toEqual(before);
    }));

  test("disposing twice harms neither a network of the same name nor one that shares buffers", () =>
    withModels(1, (b) => {
      const a = make("twice", randomStream(9));
      copyWeights(a, b);
      const before = one(b);
      a.dispose();
      const heir = make("twice", randomStream(9));
      a.dispose();
      expect(one(b)).toEqual(before);
      expect(one(heir)).toEqual(before);
      expect(refusal(() => make("twice")).code).toBe("invalid-argument");
      heir.dispose();
    }));

  test("a network that was disposed of is refused", async () => {
    const gone = make("gone");
    const weights = await readWeights(gone);
    gone.dispose();
    expect(refusal(() => one(gone)).message).toContain('"gone"');
    await expect(loadWeights(gone, weights)).rejects.toThrow('"gone"');
    await withModels(1, (live) => {
      expect(refusal(() => copyWeights(gone, live)).message).toContain('"gone"');
      expect(refusal(() => copyWeights(live, gone)).message).toContain('"gone"');
    });
    await expect(readWeights(gone)).rejects.toThrow(SidError);
  });

  test("copyWeights between different networks is refused, and changes nothing", () =>
    withModels(1, (a) => {
      const wider = unet(
        { ...config, crossAttentionDim: 6 },
        { name: "wide", schedule: ddpmSchedule(), predicts: "v", weights: randomStream(2) },
      );
      const before = one(a);
      const error = refusal(() => copyWeights(wider, a));
      expect(error.code).toBe("shape-mismatch");
      expect(error.message).toContain("attn2.to_k.weight");
      expect(one(a)).toEqual(before);
      wider.dispose();
    }));

  test("missing, surplus, mis-shaped, integer and NaN weights give one error that names the tensor", () =>
    withModels(1, async (model) => {
      const weights = await readWeights(model);
      const before = one(model);
      const good = weights.get("conv_out.bias") as HostTensor;
      const cases: [Record<string, HostTensor | undefined>, string, string][] = [
        [{ "conv_out.bias": undefined }, "missing-weight", "conv_out.bias"],
        [{ "conv_extra.bias": good }, "surplus-weight", "conv_extra.bias"],
        [{ "conv_out.bias": { ...good, shape: [1, 3] } }, "shape-mismatch", "conv_out.bias"],
        [{ "conv_out.bias": { ...good, shape: [2] } }, "shape-mismatch", "conv_out.bias"],
        [{ "conv_out.bias": { dtype: "I32", shape: [3], data: new Int32Array(3) } }, "shape-mismatch", "conv_out.bias"],
        [{ "conv_out.bias": { ...good, data: new Float32Array(2) } }, "shape-mismatch", "conv_out.bias"],
        [{ "conv_out.bias": { ...good, data: Float32Array.of(0, Number.NaN, 0) } }, "not-finite", "conv_out.bias"],
      ];
      for (const [changes, code, name] of cases) {
        const wanted = { code, message: expect.stringContaining(`"${name}"`) };
        expect(refusal(() => make("fresh", changed(weights, changes)))).toMatchObject(wanted);
        await expect(loadWeights(model, changed(weights, changes))).rejects.toMatchObject(wanted);
      }
      expect(one(model)).toEqual(before);
    }));

  test("a name is taken until its network is disposed of", () => {
    const first = make("taken");
    const error = refusal(() => make("taken"));
    expect(error.code).toBe("invalid-argument");
    expect(error.message).toContain('"taken"');
    first.dispose();
    make("taken").dispose();
    expect(refusal(() => make("")).code).toBe("invalid-argument");
  });
});

describe("createParameters", () => {
  const spec = (name: string, shape: number[], init: ParameterSpec["init"]): ParameterSpec => ({
    name,
    shape,
    layout: "as-is",
    init,
  });

  test("draws each law from the stream", () => {
    const parameters = createParameters(
      "laws",
      [
        spec("ones", [3], { constant: 1 }),
        spec("uniform", [4000], { uniform: 0.5 }),
        spec("normal", [4000], { normal: 0.02 }),
      ],
      randomStream(3),
    );
    expect(numbers(parameters.get("ones"))).toEqual([1, 1, 1]);
    const second = (name: string) => numbers(parameters.get(name)).reduce((sum, x) => sum + x * x, 0) / 4000;
    expectClose([second("uniform"), second("normal")], [0.25 / 3, 0.0004], 0.05);
    expect(() => parameters.get("other")).toThrow(SidError);
    parameters.dispose();
  });

  test("refuses a parameter that is declared twice", () => {
    const twice = [spec("w", [1], { constant: 0 }), spec("w", [1], { constant: 0 })];
    expect(refusal(() => createParameters("twice", twice, randomStream(0))).message).toContain('"w"');
  });

  test("variables of other makers keep their names and axes", async () => {
    const v = tidy(() => variable(tensor([[1, 2]]), true, "dense/kernel"));
    const model = { name: "wrapped", variables: [v] };
    const weights = await readWeights(model);
    expect([...weights]).toEqual([["dense/kernel", { dtype: "F32", shape: [1, 2], data: new Float32Array([1, 2]) }]]);
    await loadWeights(
      model,
      new Map([["dense/kernel", { dtype: "F32", shape: [1, 2], data: new Float32Array([3, 4]) }]]),
    );
    expect(numbers(v)).toEqual([3, 4]);
    v.dispose();
  });
});
