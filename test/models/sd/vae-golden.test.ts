import { readdirSync, readFileSync } from "node:fs";
import { dispose, type Tensor, tensor, transpose, type Variable } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { type HostTensor, pullback, vjp, type WeightMap } from "../../../src/core";
import { decodeSafetensors } from "../../../src/io";
import type { ParameterSpec } from "../../../src/models";
import { parseVaeConfig, vae, vaeParameterSpecs } from "../../../src/models/sd";
import { relativeError } from "../../support/matchers";

const folder = new URL("../../golden/", import.meta.url);
const cases = readdirSync(folder).filter((name) => /^vae-.*\.safetensors$/.test(name));

/** Relative L2 error that every compared tensor may have. */
const tolerance = 1e-4;

test.each(cases)("%s: both ways and their gradients are diffusers'", (file) => {
  const { tensors, metadata } = decodeSafetensors(readFileSync(new URL(file, folder)));
  const config = parseVaeConfig(JSON.parse(metadata["config"] as string));
  const model = vae(config, { name: file, weights: under("weight", tensors) });
  const host = (name: string) => tensors.get(name) as HostTensor;
  const onDevice = (name: string) => tensor(host(name).data as Float32Array, [...host(name).shape]);
  const [images, noise, latents] = ["images", "noise", "latents"].map(onDevice) as [Tensor, Tensor, Tensor];
  const [dSample, dDecoded] = ["cotangent_sample", "cotangent_decoded"].map(onDevice) as [Tensor, Tensor];
  const errors: Record<string, number> = {};
  const compare = (name: string, actual: Tensor) => {
    expect(actual.shape, name).toEqual(host(name).shape);
    errors[name] = relativeError(actual, host(name).data as Float32Array);
    actual.dispose();
  };

  compare("mean", model.encode(images));
  compare("sample", model.encode(images, noise));
  compare("decoded", model.decode(latents));
  compare("gradient_images", vjp((x) => model.encode(x as Tensor, noise), [images], dSample)[0] as Tensor);
  compare("gradient_latents", vjp((z) => model.decode(z as Tensor), [latents], dDecoded)[0] as Tensor);
  const specs = vaeParameterSpecs(config);
  const half = (names: RegExp, run: () => Tensor, cotangent: Tensor) => {
    const mine = specs.flatMap((spec, i) =>
      names.test(spec.name) && tensors.has(`gradient.${spec.name}`)
        ? [{ ...spec, variable: model.variables[i] as Variable }]
        : [],
    );
    const variables = mine.map(({ variable }) => variable);
    pullback(run, cotangent, variables).forEach((gradient, i) => {
      const { name, layout } = mine[i] as ParameterSpec;
      compare(`gradient.${name}`, layout === "linear" ? transpose(gradient) : gradient.clone());
      gradient.dispose();
    });
  };
  half(/^(encoder|quant_conv)/, () => model.encode(images, noise), dSample);
  half(/^(decoder|post_quant_conv)/, () => model.decode(latents), dDecoded);

  const wanted = [...tensors.keys()].filter((name) => name.startsWith("gradient"));
  expect(
    Object.keys(errors)
      .filter((name) => name.startsWith("gradient"))
      .sort(),
  ).toEqual(wanted.sort());
  const bad = Object.entries(errors).filter(([, error]) => !(error <= tolerance));
  expect(bad, "relative L2 errors").toEqual([]);
  dispose([images, noise, latents, dSample, dDecoded]);
  model.dispose();
});

/** Tensors under `${prefix}.`, the prefix stripped. */
function under(prefix: string, all: WeightMap): WeightMap {
  const inside = [...all].filter(([name]) => name.startsWith(`${prefix}.`));
  return new Map(inside.map(([name, x]) => [name.slice(prefix.length + 1), x]));
}
