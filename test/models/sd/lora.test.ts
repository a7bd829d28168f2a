import { readFileSync } from "node:fs";
import { dispose, engine, memory, type Tensor, tensor, tidy, transpose } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { type HostTensor, pullback, randomStream, type WeightMap } from "../../../src/core";
import { decodeSafetensors, encodeSafetensors } from "../../../src/io";
import {
  copyWeights,
  type GeneratorModel,
  generatorFrom,
  parseUnetConfig,
  readWeights,
  type ScoreModel,
  type Unet,
  unet,
} from "../../../src/models";
import { type Lora, lora, loraFile, mergeLora, parseLora } from "../../../src/models/sd";
import { ddpmSchedule } from "../../../src/schedules";
import { distill } from "../../../src/train";
import { scoreModelContract } from "../../contracts/score-model-contract";
import { expectSidError } from "../../support/errors";
import { expectClose, numbers, relativeError } from "../../support/matchers";

const read = (name: string) => decodeSafetensors(readFileSync(new URL(`../../golden/${name}`, import.meta.url)));
const golden = read("lora-case.safetensors");
const file = read("lora-adapter.safetensors");
const config = parseUnetConfig(JSON.parse(golden.metadata["config"] as string));
const schedule = ddpmSchedule();

function under(prefix: string): WeightMap {
  const inside = [...golden.tensors].filter(([name]) => name.startsWith(`${prefix}.`));
  return new Map(inside.map(([name, x]) => [name.slice(prefix.length + 1), x]));
}

function makeBase(name = "base", gradientCheckpointing = false): Unet {
  return unet(config, { name, schedule, predicts: "eps", weights: under("weight"), gradientCheckpointing });
}

/** Runs a body with a base, disposed of afterwards. */
async function withBase(body: (base: Unet) => void | Promise<void>, gradientCheckpointing = false): Promise<void> {
  const base = makeBase("base", gradientCheckpointing);
  try {
    await body(base);
  } finally {
    base.dispose();
  }
}

const host = (name: string) => golden.tensors.get(name) as HostTensor;
const onDevice = (name: string) => tensor(host(name).data as Float32Array, [...host(name).shape]);
const t = Array.from(host("t").data, Number);

function answer(model: ScoreModel): number[] {
  return tidy(() => numbers(model.predict(onDevice("xt"), t, onDevice("cond"))));
}

// The contract suite disposes of the model alone: here the base goes with it.
scoreModelContract("lora", {
  make: () => {
    const base = makeBase("contract/base");
    const model = lora(base, { name: "contract", rank: 2, weights: randomStream(1) });
    return {
      ...model,
      dispose: () => {
        model.dispose();
        base.dispose();
      },
    };
  },
  sampleShape: [4, 6, 3],
  t: [0, 300, 999],
  cond: (batch) => randomStream(2).normal([batch, 5, 6]),
  features: [2, 3, 8],
});

describe("against PEFT", () => {
  test.each([false, true])("output and gradients are the same, gradientCheckpointing %s", (gradientCheckpointing) =>
    withBase((base) => {
      const model = lora(base, { name: "peft", ...parseLora(file, config) });
      expect(model.alpha / model.rank).toBeCloseTo(5 / 3, 12);
      const [xt, cond, cotangent] = ["xt", "cond", "cotangent"].map(onDevice) as [Tensor, Tensor, Tensor];
      expect(relativeError(answer(model), host("output").data as Float32Array)).toBeLessThan(1e-4);
      const gradients = pullback(() => model.predict(xt, t, cond), cotangent, model.variables);
      expect(gradients.length).toBe(under("gradient").size);
      tidy(() => {
        gradients.forEach((gradient, i) => {
          const name = model.variables[i]?.name.slice("peft/".length) as string;
          const wanted = under("gradient").get(name) as HostTensor;
          expectClose(transpose(gradient), tensor(wanted.data as Float32Array, [...wanted.shape]), 1e-4);
        });
      });
      dispose([xt, cond, cotangent, ...gradients]);
      model.dispose();
    }, gradientCheckpointing),
  );

  test("the file goes out as it came in", () =>
    withBase(async (base) => {
      const model = lora(base, {
        name: "out",
        ...parseLora(file, config),
        targets: ["to_q", "to_k", "to_v", "to_out.0", "proj"],
      });
      const out = await loraFile(model);
      const again = decodeSafetensors(encodeSafetensors(out.tensors, out.metadata));
      expect(new Map([...again.tensors].sort())).toEqual(new Map([...file.tensors].sort()));
      const peft = (metadata: typeof out.metadata) => JSON.parse(metadata["lora_adapter_metadata"] as string);
      expect(peft(out.metadata)["unet.r"]).toBe(peft(file.metadata)["unet.r"]);
      expect(peft(out.metadata)["unet.lora_alpha"]).toBe(peft(file.metadata)["unet.lora_alpha"]);
      expect(parseLora(again, config)).toEqual(parseLora(file, config));
      model.dispose();
    }));
});

describe("lora", () => {
  test("starts as its base is, with B at zero and A as PyTorch's linear layers start", () =>
    withBase((base) => {
      const model = lora(base, { name: "start", rank: 4, weights: randomStream(1) });
      expect(answer(model)).toEqual(answer(base));
      for (const v of model.variables) {
        const largest = Math.max(...numbers(v).map(Math.abs));
        if (v.name.includes("lora_B")) expect(largest).toBe(0);
        else {
          expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(v.shape[0] as number));
          expect(largest).toBeGreaterThan(0.5 / Math.sqrt(v.shape[0] as number));
        }
      }
      model.dispose();
    }));

  test("merged, it is a plain U-Net with the same output", () =>
    withBase(async (base) => {
      const model = lora(base, { name: "adapted", ...parseLora(file, config) });
      const merged = unet(config, { name: "merged", schedule, predicts: "eps", weights: await mergeLora(model) });
      expectClose(answer(merged), answer(model), 1e-5);
      expect(relativeError(answer(merged), answer(base))).toBeGreaterThan(0.01);
      tidy(() => {
        const at = [onDevice("xt"), t, onDevice("cond")] as const;
        const wanted = merged.features(...at);
        expectClose(model.features(...at), wanted, 1e-5);
        expectClose(model.predictWithFeatures(...at).features, wanted, 1e-5);
        expectClose(model.predictWithFeatures(...at).prediction, merged.predict(...at), 1e-5);
        expect(relativeError(base.features(...at), wanted)).toBeGreaterThan(0.01);
      });
      for (const network of [merged, model]) network.dispose();
    }));

  test("weights of one adapter become those of another", () =>
    withBase((base) => {
      const [a, b] = ["a", "b"].map((name) => lora(base, { name, ...parseLora(file, config) })) as [Lora, Lora];
      const fresh = lora(base, { name: "fresh", ...parseLora(file, config), weights: randomStream(5) });
      copyWeights(a, fresh);
      expect(answer(fresh)).toEqual(answer(b));
      for (const network of [a, b, fresh]) network.dispose();
    }));

  test("one base and two adapters train; the base stays, and only adapters have gradients and moments", () =>
    withBase(async (base) => {
      const stream = randomStream(1);
      const fakeScore = lora(base, { name: "fake", rank: 2, weights: stream });
      const adapted = lora(base, { name: "generator", rank: 2, weights: stream });
      const generator: GeneratorModel = generatorFrom(adapted);
      const before = await readWeights(base);
      const start = answer(adapted);
      const held = engine().state.numBytes;
      let during = 0;
      for await (const { deltaSquared } of distill({
        teacher: base,
        fakeScore,
        generator,
        sampleShape: [4, 6, 3],
        conditions: {
          sample: (source, count) => source.normal([count, 5, 6]),
          unconditional: () => randomStream(0).normal([1, 5, 6]),
        },
        batch: 2,
        iterations: 3,
        learningRate: 1e-2,
        checkTeacher: false,
      })) {
        expect(deltaSquared).toBeGreaterThan(0);
        during = engine().state.numBytes - held;
      }
      expect(await readWeights(base)).toEqual(before);
      expect(answer(adapted)).not.toEqual(start);
      const trained = [...fakeScore.variables, ...adapted.variables].reduce((sum, v) => sum + v.size, 0);
      expect(during).toBeLessThan(4 * trained + 1000);
      generator.dispose();
      fakeScore.dispose();
      expect(answer(base).every(Number.isFinite)).toBe(true);
    }));

  test("what cannot be is refused, and leaves nothing behind", () =>
    withBase((base) => {
      const make = (options: object) => () =>
        lora(base, { name: "bad", rank: 2, weights: randomStream(0), ...options } as never);
      const before = memory().numTensors;
      expectSidError(
        "invalid-argument",
        make({ targets: ["to_x"] }),
        /no linear or convolutional layer of "base" is called "to_x"/,
      );
      expectSidError("invalid-argument", make({ targets: ["norm1"] }), /norm1/);
      expectSidError("invalid-argument", make({ layers: { conv1: { rank: 2 } } }), /layers\["conv1"\] is none of the/);
      expectSidError("out-of-range", make({ layers: { to_q: { rank: 0 } } }), /layers\["to_q"\].rank/);
      expectSidError("invalid-argument", make({ layers: { to_q: 2 } }), /layers\["to_q"\] must be an object/);
      expectSidError("invalid-argument", make({ targets: [] }), /targets/);
      expectSidError("out-of-range", make({ rank: 0 }), /rank/);
      expectSidError("out-of-range", make({ alpha: -1 }), /alpha/);
      expectSidError("missing-weight", make({ weights: new Map() }), /lora_A/);
      expectSidError("shape-mismatch", make({ ...parseLora(file, config), rank: 2 }), /lora_A/);
      const adapter = parseLora(file, config);
      const [first, tensor] = [...adapter.weights][0] as [string, HostTensor];
      const broken = { ...tensor, data: (tensor.data as Float32Array).slice().fill(Number.NaN, 1, 2) };
      const weights = new Map([...adapter.weights, [first, broken]]);
      expectSidError("not-finite", make({ ...adapter, weights }), RegExp(`weight "${first}" holds NaN or infinities`));
      expectSidError("invalid-argument", () => lora({} as never, { name: "x", rank: 1, weights: randomStream(0) }));
      expectSidError("invalid-argument", make({ name: "" }), /name/);
      expect(memory().numTensors).toBe(before);
      const gone = lora(base, { name: "gone", rank: 1, weights: randomStream(0) });
      gone.dispose();
      tidy(() => expectSidError("invalid-argument", () => answer(gone), /"gone" was disposed/));
    }));
});
