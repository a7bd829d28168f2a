import { readFileSync } from "node:fs";
import { dispose, type Tensor, type Tensor4D, tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import type { HostTensor } from "../../src/core";
import { decodeSafetensors } from "../../src/io";
import { ddimSample, functionModel, parseUnetConfig, unet } from "../../src/models";
import { scheduleFromConfig } from "../../src/schedules";
import { relativeError } from "../support/matchers";

const read = (name: string) => decodeSafetensors(readFileSync(new URL(`../golden/${name}`, import.meta.url)));
const network = read("unet-heads-per-level.safetensors");
const golden = read("ddim-unet.safetensors");
const host = (name: string) => golden.tensors.get(name) as HostTensor;
const data = (name: string) => host(name).data as Float32Array;
const cases = JSON.parse(golden.metadata["cases"] as string) as Record<
  string,
  { config: object; steps: number; guidanceScale: number; eta: number }
>;

/** Relative L2 error of every x_t. */
const tolerance = 1e-4;

test.each(Object.entries(cases))("%s: every state is diffusers'", (name, { config, ...options }) => {
  const { schedule, predicts, sampling } = scheduleFromConfig(config);
  const model = unet(parseUnetConfig(JSON.parse(network.metadata["config"] as string)), {
    ...{ name, schedule, predicts },
    weights: new Map(
      [...network.tensors].flatMap(([key, x]) => (key.startsWith("weight.") ? [[key.slice(7), x] as const] : [])),
    ),
  });
  const onDevice = (key: string) => tensor(data(key), [...host(key).shape]);
  const [noise, cond, uncond] = ["noise", "cond", "uncond"].map(onDevice) as [Tensor, Tensor, Tensor];
  const size = noise.size;
  const stepNoises = Array.from({ length: options.steps }, (_, i) =>
    tensor(data("step_noises").subarray(i * size, (i + 1) * size), noise.shape),
  );
  // What the network is shown at step i is where step i − 1 arrived; with guidance it is shown twice.
  const shown: Float32Array[] = [];
  const watched = functionModel({
    ...{ name: "watched", schedule, predicts },
    predict(xt, t, cond) {
      shown.push((xt as Tensor4D).dataSync().slice(0, size) as Float32Array);
      return model.predict(xt as Tensor4D, t, cond as never);
    },
  });

  const sample = ddimSample(watched, { noise, cond, uncond, stepNoises, ...options, ...sampling });
  const perStep = shown.length / options.steps;
  const states = [...shown.filter((_, i) => i > 0 && i % perStep === 0), sample.dataSync()];
  expect(states.length).toBe(options.steps);
  const errors = states.map((x, i) => relativeError(x, data(name).subarray(i * size, (i + 1) * size)));
  expect(errors.filter((error) => !(error <= tolerance))).toEqual([]);

  dispose([noise, cond, uncond, sample, ...stepNoises]);
  model.dispose();
});
