import { existsSync, readFileSync } from "node:fs";
import { dispose, memory, type Tensor, tensor, tidy, transpose } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { type HostTensor, pullback, randomStream, type WeightMap } from "../../../src/core";
import { decodeSafetensors, encodeSafetensors } from "../../../src/io";
import { generatorFrom, parseUnetConfig, type Unet, unet } from "../../../src/models";
import { type Lora, lora, loraFile, mergeLora, parseLora } from "../../../src/models/sd";
import { ddpmSchedule } from "../../../src/schedules";
import { distill } from "../../../src/train";
import { expectClose, numbers, relativeError } from "../../support/matchers";

const golden = (path: string) => new URL(`../../golden/${path}`, import.meta.url);
const read = (path: string) => decodeSafetensors(readFileSync(golden(path)));
const { tensors: base, metadata } = read("lora-case.safetensors");
const config = parseUnetConfig(JSON.parse(metadata["config"] as string));
const outputs = read("lora-formats/outputs.safetensors").tensors;
const host = (name: string) => base.get(name) as HostTensor;
const onDevice = (name: string) => tensor(host(name).data as Float32Array, [...host(name).shape]);
const t = Array.from(host("t").data, Number);

const ways = [
  ...["peft", "peft-rslora", "peft-state-dict", "diffusers", "diffusers-network", "diffusers-processor"],
  ...["diffusers-older", "attn-procs", "kohya", "kohya-attention-alphas", "kohya-original"],
];

/** A file, or a folder of PEFT's. */
function parse(way: string, architecture = config) {
  const folder = existsSync(golden(`lora-formats/${way}/adapter_config.json`));
  const file = read(`lora-formats/${way}${folder ? "/adapter_model" : ""}.safetensors`);
  const peftConfig = folder
    ? JSON.parse(readFileSync(golden(`lora-formats/${way}/adapter_config.json`), "utf8"))
    : undefined;
  const warnings: string[] = [];
  const parsed = parseLora(file, architecture, { peftConfig, onWarning: (warning) => warnings.push(warning) });
  return { file, parsed, warnings };
}

function weights(change: (name: string, x: HostTensor) => HostTensor = (_, x) => x): WeightMap {
  const inside = [...base].filter(([name]) => name.startsWith("weight."));
  return new Map(inside.map(([full, x]) => [full.slice("weight.".length), change(full, x)]));
}

async function withBase(body: (base: Unet) => void | Promise<void>, gradientCheckpointing = false): Promise<void> {
  const options = { name: "base", schedule: ddpmSchedule(), predicts: "eps", gradientCheckpointing } as const;
  const network = unet(config, { ...options, weights: weights() });
  try {
    await body(network);
  } finally {
    network.dispose();
  }
}

function answer(model: Pick<Lora, "predict">): number[] {
  return tidy(() => numbers(model.predict(onDevice("xt"), t, onDevice("cond"))));
}

const output = (way: string) => outputs.get(way)?.data as Float32Array;

describe("files of PEFT, diffusers and kohya-ss", () => {
  test.each(ways)("%s: the output is that of PEFT and diffusers", (way) =>
    withBase((base) => {
      const { parsed, warnings } = parse(way);
      const model = lora(base, { name: way, ...parsed });
      expect(relativeError(answer(model), output(way))).toBeLessThan(1e-5);
      expect(relativeError(answer(base), output(way))).toBeGreaterThan(0.05);
      const told = { kohya: /6 of 63 tensors change the text encoder/, "peft-state-dict": /adapter_config\.json/ };
      const warning = told[way as keyof typeof told];
      expect(warnings).toEqual(warning ? [expect.stringMatching(warning)] : []);
      model.dispose();
    }),
  );

  test("ranks and alphas are those of each layer", () => {
    const { parsed } = parse("peft");
    expect(parsed).toMatchObject({ rank: 1, alpha: 2 });
    expect(parsed.layers["mid_block.resnets.1.conv2"]).toEqual({ rank: 2, alpha: 1 });
    expect(parsed.targets.length).toBe(19);
    expect(parsed.layers["down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"]).toEqual({ rank: 3, alpha: 6 });
    const rooted = parse("peft-rslora").parsed;
    expect(rooted).toMatchObject({ rank: 1, alpha: 0.5 });
    const query = rooted.layers["down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"];
    expect(query).toEqual({ rank: 2, alpha: 2 * Math.SQRT2 });
  });

  test("linear layers and 1×1 convolutions pass for one another", () => {
    const linear = parseUnetConfig({ ...JSON.parse(metadata["config"] as string), use_linear_projection: true });
    const squeezed = weights((name, x) =>
      /proj_(in|out)\.weight$/.test(name) ? { ...x, shape: x.shape.slice(0, 2) } : x,
    );
    const options = { name: "linear", schedule: ddpmSchedule(), predicts: "eps", weights: squeezed } as const;
    const network = unet(linear, options);
    const model = lora(network, { name: "adapter", ...parse("kohya", linear).parsed });
    expect(relativeError(answer(model), output("kohya"))).toBeLessThan(1e-5);
    for (const { dispose } of [model, network]) dispose();
  });
});

describe("adapters of convolutions", () => {
  test.each([false, true])("gradients are PEFT's, checkpointing %s", (gradientCheckpointing) =>
    withBase((base) => {
      const model = lora(base, { name: "peft", ...parse("peft").parsed });
      const [xt, cond, cotangent] = ["xt", "cond", "cotangent"].map(onDevice) as [Tensor, Tensor, Tensor];
      const gradients = pullback(() => model.predict(xt, t, cond), cotangent, model.variables);
      tidy(() => {
        gradients.forEach((gradient, i) => {
          const name = model.variables[i]?.name.slice("peft/".length);
          const { data, shape } = outputs.get(`gradient.${name}`) as HostTensor;
          const axes = shape.length === 4 ? [3, 2, 0, 1] : [1, 0];
          // Golden gradients are rounded to half precision.
          expectClose(transpose(gradient, axes), tensor(data as Float32Array, [...shape]), 2e-3);
        });
      });
      expect(gradients.length).toBe([...outputs.keys()].filter((name) => name.startsWith("gradient.")).length);
      dispose([xt, cond, cotangent, ...gradients]);
      model.dispose();
    }, gradientCheckpointing),
  );

  test.each(["peft", "kohya"])("%s, merged, is a plain U-Net with the same output", (way) =>
    withBase(async (base) => {
      const model = lora(base, { name: way, ...parse(way).parsed });
      const options = { name: "merged", schedule: ddpmSchedule(), predicts: "eps" } as const;
      const merged = unet(config, { ...options, weights: await mergeLora(model) });
      expect(relativeError(answer(merged), output(way))).toBeLessThan(1e-5);
      for (const network of [merged, model]) network.dispose();
    }),
  );

  test.each(ways)("%s goes out in diffusers' form and comes in the same", (way) =>
    withBase(async (base) => {
      const { parsed } = parse(way);
      const model = lora(base, { name: way, ...parsed });
      const out = await loraFile(model);
      expect([...out.tensors.keys()].every((name) => /^unet\..+\.lora_[AB]\.weight$/.test(name))).toBe(true);
      const { tensors, metadata } = decodeSafetensors(encodeSafetensors(out.tensors, out.metadata));
      const again = lora(base, { name: "again", ...parseLora({ tensors, metadata }, config) });
      expect(again.layers).toEqual(model.layers);
      expect(answer(again)).toEqual(answer(model));
      for (const network of [again, model]) network.dispose();
    }),
  );

  test.each(["staged", "joint"] as const)("train, %s, from a file and from nothing", (backward) =>
    withBase(async (base) => {
      const stream = randomStream(1);
      const targets = ["to_q", "conv1", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "conv_in"];
      const layers = { conv1: { rank: 1, alpha: 2 }, conv_in: { rank: 3 } };
      const fakeScore = lora(base, { name: "fake", rank: 2, targets, layers, weights: stream });
      expect(answer(fakeScore)).toEqual(answer(base));
      expect([...fakeScore.layers.values()].filter(({ rank, alpha }) => rank === 1 && alpha === 2).length).toBe(8);
      expect(fakeScore.layers.get("conv_in")).toEqual({ rank: 3, alpha: 3 });
      const adapted = lora(base, { name: "generator", ...parse("kohya").parsed });
      const before = [base, fakeScore, adapted].map((network) => network.variables.map((v) => numbers(v)));
      const generator = generatorFrom(adapted);
      const tensors = memory().numTensors;
      for await (const { deltaSquared } of distill({
        ...{ teacher: base, fakeScore, generator, backward, batch: 2, iterations: 2, learningRate: 1e-2 },
        sampleShape: [4, 6, 3],
        conditions: {
          sample: (source, count) => source.normal([count, 5, 6]),
          unconditional: () => randomStream(0).normal([1, 5, 6]),
        },
        checkTeacher: false,
      }))
        expect(deltaSquared).toBeGreaterThan(0);
      expect(memory().numTensors).toBe(tensors);
      const after = [base, fakeScore, adapted].map((network) => network.variables.map((v) => numbers(v)));
      expect(after[0]).toEqual(before[0]);
      for (const i of [1, 2]) {
        expect(after[i]?.flat().every(Number.isFinite)).toBe(true);
        after[i]?.forEach((values, j) => {
          expect(values, `variable ${j} of network ${i}`).not.toEqual(before[i]?.[j]);
        });
      }
      for (const network of [fakeScore, generator]) network.dispose();
    }),
  );
});
