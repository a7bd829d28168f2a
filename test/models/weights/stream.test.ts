import { engine, memory } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import {
  type HostTensor,
  randomStream,
  SidError,
  type WeightInfo,
  type WeightMap,
  type WeightSource,
} from "../../../src/core";
import { blobSource, encodeSafetensors, openSafetensors } from "../../../src/io";
import {
  clipTextEncoder,
  clipTextParameterSpecs,
  createParameters,
  loadParameters,
  loadWeights,
  type ParameterSpec,
  parseClipTextConfig,
  parseUnetConfig,
  readWeights,
  type Unet,
  unet,
  unetParameterSpecs,
} from "../../../src/models";
import { ddpmSchedule } from "../../../src/schedules";

const config = parseUnetConfig({
  in_channels: 3,
  out_channels: 3,
  block_out_channels: [4],
  layers_per_block: 1,
  down_block_types: ["CrossAttnDownBlock2D"],
  up_block_types: ["CrossAttnUpBlock2D"],
  norm_num_groups: 2,
  attention_head_dim: 2,
  cross_attention_dim: 5,
});
const specs = unetParameterSpecs(config);
const make = (name: string, weights: Parameters<typeof unet>[1]["weights"] = randomStream(1)) =>
  unet(config, { name, schedule: ddpmSchedule(), predicts: "v", weights });

/** The weights as a file in memory, read by offset; half precision keeps them as exactly as they are. */
function stored(weights: WeightMap): Promise<WeightSource> {
  return openSafetensors(blobSource(new Blob([new Uint8Array(encodeSafetensors(weights))])));
}

const live = () => ({ tensors: memory().numTensors, variables: Object.keys(engine().registeredVariables).length });

/** What `f` is refused with; nothing may be left of it. */
async function refusal(f: () => Promise<unknown>): Promise<SidError> {
  const before = live();
  const error = await f().then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error, "wanted a SidError").toBeInstanceOf(SidError);
  expect(live()).toEqual(before);
  return error;
}

/** Both ways of taking weights from a source. */
const ways = {
  loadParameters: (source: WeightSource) => loadParameters("fresh", specs, source),
  loadWeights: (source: WeightSource, model: Unet) => loadWeights(model, source),
};

async function withModel(f: (model: Unet, weights: WeightMap) => Promise<void>): Promise<void> {
  const model = make("net");
  try {
    await f(model, await readWeights(model));
  } finally {
    model.dispose();
  }
}

describe("a network from weights that are read one by one", () => {
  test("is the network of the same weights in memory", () =>
    withModel(async (model, weights) => {
      const parameters = await loadParameters("copy", specs, await stored(weights));
      expect(parameters.list.map((v) => v.name)).toEqual(specs.map(({ name }) => `copy/${name}`));
      const copy = make("copy", parameters);
      expect(await readWeights(copy)).toEqual(weights);
      expect(copy.variables.map((v) => v.shape)).toEqual(model.variables.map((v) => v.shape));
      copy.dispose();

      const other = make("other", randomStream(2));
      await loadWeights(other, await stored(weights));
      expect(await readWeights(other)).toEqual(weights);
      other.dispose();
    }));

  test("half precision is widened exactly", () =>
    withModel(async (_, weights) => {
      const halves = new Map([...weights].map(([name, w]): [string, HostTensor] => [name, { ...w, dtype: "F16" }]));
      const source = await stored(halves);
      const rounded = new Map<string, unknown>();
      for (const name of source.entries.keys()) rounded.set(name, (await source.read(name)).data);
      const copy = make("half", await loadParameters("half", specs, source));
      for (const [name, { data }] of await readWeights(copy)) expect(data).toEqual(rounded.get(name));
      copy.dispose();
    }));

  test("holds one tensor on the host at a time", () =>
    withModel(async (_, weights) => {
      const source = await stored(weights);
      const before = live().variables;
      let reads = 0;
      const watched: WeightSource = {
        ...source,
        read: async (name) => {
          expect(live().variables - before).toBe(reads++);
          return source.read(name);
        },
      };
      (await loadParameters("one", specs, watched)).dispose();
      expect(reads).toBe(specs.length);
    }));

  test("the position buffer of an older text encoder is neither missed nor read", async () => {
    const architecture = parseClipTextConfig({
      ...{ vocab_size: 9, hidden_size: 4, intermediate_size: 4, num_hidden_layers: 1, num_attention_heads: 1 },
    });
    const encoder = clipTextEncoder(architecture, { name: "text", weights: randomStream(0) });
    const weights = new Map(await readWeights(encoder));
    const name = "text_model.embeddings.position_ids";
    const source = await stored(
      new Map([...weights, [name, { dtype: "I64", shape: [1, 2], data: new BigInt64Array(2) }]]),
    );
    const parameters = await loadParameters("copy", clipTextParameterSpecs(architecture), source);
    const copy = clipTextEncoder(architecture, { name: "copy", weights: parameters });
    expect(await readWeights(copy)).toEqual(weights);
    for (const network of [encoder, copy]) network.dispose();
  });
});

describe("tensors of types that no network holds", () => {
  /** The same source with other types. */
  const typed = (source: WeightSource, types: Record<string, WeightInfo["dtype"]>): WeightSource => ({
    ...source,
    entries: new Map([
      ...source.entries,
      ...Object.entries(types).map(([name, dtype]): [string, WeightInfo] => [
        name,
        { dtype, shape: source.entries.get(name)?.shape ?? [1] },
      ]),
    ]),
  });
  test("are passed over where no parameter needs them", () =>
    withModel(async (_, weights) => {
      const source = typed(await stored(weights), { a: "F64", b: "U16", c: "BOOL", d: "F8_E4M3" });
      const copy = make("copy", await loadParameters("copy", specs, source));
      expect(await readWeights(copy)).toEqual(weights);
      copy.dispose();
    }));
  test.each(["F64", "F8_E4M3", "F8_E5M2", "F4", "C64"] as const)("%s is refused by name where one does", (dtype) =>
    withModel(async (_, weights) => {
      const source = typed(await stored(weights), { "conv_out.bias": dtype });
      const error = await refusal(() => loadParameters("copy", specs, source));
      expect(error.code).toBe("unsupported");
      expect(error.message).toMatch(new RegExp(`"conv_out.bias" is ${dtype}; only F32, F16, BF16`));
    }),
  );
});

describe.each(Object.entries(ways))("%s leaves nothing half done", (_, load) => {
  test("weights that do not fit are refused before any is read", () =>
    withModel(async (model, weights) => {
      const good = weights.get("conv_out.bias") as HostTensor;
      const cases: [Record<string, HostTensor | undefined>, string, string][] = [
        [{ "conv_out.bias": undefined }, "missing-weight", "conv_out.bias"],
        [{ "conv_extra.bias": good }, "surplus-weight", "conv_extra.bias"],
        [{ "conv_out.bias": { ...good, shape: [1, 3] } }, "shape-mismatch", "conv_out.bias"],
        [{ "conv_out.bias": { dtype: "I32", shape: [3], data: new Int32Array(3) } }, "shape-mismatch", "conv_out.bias"],
      ];
      for (const [changes, code, name] of cases) {
        const map = new Map(weights);
        for (const [key, value] of Object.entries(changes)) value ? map.set(key, value) : map.delete(key);
        const source = { ...(await stored(map)), read: () => expect.fail("a tensor was read") };
        const error = await refusal(() => load(source, model));
        expect(error.code).toBe(code);
        expect(error.message).toContain(`"${name}"`);
      }
      expect(await readWeights(model)).toEqual(weights);
    }));

  test("a source that fails in the middle, or gives other than it said", () =>
    withModel(async (model, weights) => {
      const source = await stored(
        new Map([...weights].map(([name, w]) => [name, { ...w, data: new Float32Array(w.data.length).fill(7) }])),
      );
      const names = [...source.entries.keys()];
      const good = await source.read(names[3] as string);
      const odd: [() => unknown, string][] = [
        [() => Promise.reject(new SidError("io", "the disk is gone")), "io"],
        [() => ({ ...good, data: new Float32Array(good.data.length + 1) }), "shape-mismatch"],
        [() => ({ ...good, data: new Int32Array(good.data.length) }), "shape-mismatch"],
        [() => undefined, "shape-mismatch"],
      ];
      for (const [give, code] of odd) {
        const failing: WeightSource = {
          ...source,
          read: async (name) => (name === names[3] ? (give() as HostTensor) : source.read(name)),
        };
        expect((await refusal(() => load(failing, model))).code).toBe(code);
      }
      expect(await readWeights(model)).toEqual(weights);
    }));

  test("what is no source", () =>
    withModel(async (model) => {
      for (const bad of [undefined, null, 3, {}, new Set(), { read: () => 1, close: () => 1 }])
        expect((await refusal(() => load(bad as never, model))).code).toBe("invalid-argument");
    }));
});

test("a map of weights is what loadWeights takes too, and no source for a new network", () =>
  withModel(async (model) => {
    expect(await refusal(() => loadWeights(model, new Map()))).toMatchObject({ code: "missing-weight" });
    expect(await refusal(() => loadParameters("fresh", specs, new Map() as never))).toMatchObject({
      code: "invalid-argument",
    });
  }));

describe("names", () => {
  const one: ParameterSpec[] = ["a", "b"].map((name) => ({ name, shape: [1], layout: "as-is", init: { constant: 0 } }));
  const weights: WeightMap = new Map(
    one.map(({ name }) => [name, { dtype: "F32", shape: [1], data: Float32Array.of(1) } as const]),
  );

  test("that another network takes while weights are read", async () => {
    const source = await stored(weights);
    const other = () => createParameters("x", one.slice(1), randomStream(0));
    let made: ReturnType<typeof other> | undefined;
    const slow: WeightSource = {
      ...source,
      read: async (name) => {
        if (name === "b") made = other();
        return source.read(name);
      },
    };
    await expect(loadParameters("x", one, slow)).rejects.toMatchObject({ code: "invalid-argument" });
    expect(live()).toEqual({ tensors: 1, variables: 1 });
    made?.dispose();
  });

  test("that are taken, or not those of the network, are refused", async () => {
    const parameters = await loadParameters("x", one, await stored(weights));
    expect((await refusal(async () => loadParameters("x", one, await stored(weights)))).message).toContain('"x"');
    const refused = (prefix: string, specs: readonly ParameterSpec[]) =>
      refusal(async () => createParameters(prefix, specs, parameters));
    expect((await refused("y", one)).message).toContain('"y/…"');
    expect((await refused("x", one.slice(1))).code).toBe("invalid-argument");
    expect((await refused("x", [...one].reverse())).code).toBe("invalid-argument");
    expect(
      (
        await refused(
          "x",
          one.map((spec) => ({ ...spec, shape: [1, 1] })),
        )
      ).code,
    ).toBe("invalid-argument");
    expect(createParameters("x", one, parameters)).toBe(parameters);
    expect((await refused("x", one)).message).toContain("another network");
    parameters.dispose();
    expect((await refused("x", one)).message).toContain("live");
  });

  test("a network that is disposed of while its weights are read is not brought back", async () => {
    const { list, dispose } = createParameters("x", one, randomStream(0));
    const source = await stored(weights);
    const slow: WeightSource = {
      ...source,
      read: async (name) => {
        dispose();
        return source.read(name);
      },
    };
    await expect(loadWeights({ name: "x", variables: list }, slow)).rejects.toMatchObject({
      code: "invalid-argument",
    });
  });
});
