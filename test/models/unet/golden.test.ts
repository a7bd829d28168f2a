import { readdirSync, readFileSync } from "node:fs";
import { type Tensor, tensor, transpose } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { type HostTensor, pullback, vjp, type WeightMap } from "../../../src/core";
import { decodeSafetensors } from "../../../src/io";
import { parseUnetConfig, unet, unetParameterSpecs } from "../../../src/models";
import { ddpmSchedule } from "../../../src/schedules";
import { relativeError } from "../../support/matchers";

const folder = new URL("../../golden/", import.meta.url);
const cases = readdirSync(folder).filter((name) => /^unet-.*\.safetensors$/.test(name));

/** Relative L2 error that every compared tensor may have. */
const tolerance = 1e-4;

test.each(cases)("%s: output and all gradients are diffusers'", (file) => {
  const { tensors, metadata } = decodeSafetensors(readFileSync(new URL(file, folder)));
  const config = parseUnetConfig(JSON.parse(metadata["config"] as string));
  const model = unet(config, {
    name: file,
    schedule: ddpmSchedule(),
    predicts: "eps",
    weights: under("weight", tensors),
  });
  const host = (name: string) => tensors.get(name) as HostTensor;
  const onDevice = (name: string) => tensor(host(name).data as Float32Array, [...host(name).shape]);
  const xt = onDevice("xt");
  const cond = onDevice("cond");
  const cotangent = onDevice("cotangent");
  const t = Array.from(host("t").data, Number);
  const errors: Record<string, number> = {};
  const compare = (name: string, actual: Tensor) => {
    expect(actual.shape, name).toEqual(host(name).shape);
    errors[name] = relativeError(actual, host(name).data as Float32Array);
    actual.dispose();
  };

  compare("output", model.predict(xt, t, cond));
  const [dx, dcond] = vjp((x, c) => model.predict(x as Tensor, t, c), [xt, cond], cotangent);
  compare("gradient_xt", dx as Tensor);
  compare("gradient_cond", dcond as Tensor);
  const gradients = pullback(() => model.predict(xt, t, cond), cotangent, model.variables);
  const specs = unetParameterSpecs(config);
  expect(gradients.length).toBe(specs.length);
  gradients.forEach((gradient, i) => {
    const { name, layout } = specs[i] as (typeof specs)[number];
    const axes = { conv: [3, 2, 0, 1], linear: [1, 0], "as-is": [0] }[layout];
    compare(`gradient.${name}`, transpose(gradient, axes));
    gradient.dispose();
  });

  const bad = Object.entries(errors).filter(([, error]) => !(error <= tolerance));
  expect(bad, "relative L2 errors").toEqual([]);
  for (const x of [xt, cond, cotangent]) x.dispose();
  model.dispose();
});

/** Tensors under `${prefix}.`, the prefix stripped. */
function under(prefix: string, all: WeightMap): WeightMap {
  const inside = [...all].filter(([name]) => name.startsWith(`${prefix}.`));
  return new Map(inside.map(([name, x]) => [name.slice(prefix.length + 1), x]));
}
