/** Every method trains on the digits' teacher, whose U-Net has features and text as Stable Diffusion's has. */
import { memory } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { caption, drawPairs, trainedPairs } from "../../../examples/digits/captions";
import { drawImages, loadDigits } from "../../../examples/digits/digits";
import { world } from "../../../examples/digits/world";
import { type ModelFolder, makeText, makeUnet, readFolder } from "../../../examples/text-to-image/model-folder";
import { useBackend } from "../../../src/backends";
import { randomStream } from "../../../src/core";
import { lsg } from "../../../src/guidance";
import * as methods from "../../../src/methods";
import {
  bottleneckDiscriminator,
  type GeneratorOptions,
  generatorFrom,
  headDiscriminator,
  readWeights,
} from "../../../src/models";
import { distill, type ImageSource, promptConditions } from "../../../src/train";

const chain = { steps: 2, tInit: 999, gradientThrough: "last" } as const;

const cases: readonly (readonly [methods.Method, GeneratorOptions?])[] = [
  [methods.sid()],
  [methods.sidLsg({ guidance: lsg(1.15) })],
  [methods.fewStepSid(), chain],
  [methods.sidDit(), chain],
  [methods.sida({ startsAt: 0, adversarialStartsAt: 0 })],
  [methods.sds()],
  [methods.csd()],
  [methods.vsd()],
  [methods.swiftBrush()],
  [methods.diffInstruct()],
  [methods.dmd()],
  [methods.dmd2({ adversarialWeight: 1e-3, fakeUpdates: 2 })],
  [methods.decoupledDmd({ fakeUpdates: 2 })],
  [methods.tdm(), { ...chain, between: "ddim" }],
  [methods.sim()],
  [methods.fDistill({ fakeUpdates: 2 })],
  [methods.lcm(), { tInit: 999 }],
];

let folder: ModelFolder;
let tensors: number;
beforeAll(async () => {
  await useBackend("wasm", { threads: 1 });
  folder = await readFolder(world.teacherFolder);
  tensors = memory().numTensors;
});
afterAll(() => expect(memory().numTensors, "leaked tensors").toBe(tensors));

test.each(cases.map(([method, generator]) => ({ name: method.name, method, generator })))(
  "$name",
  async ({ method, generator: options }) => {
    const unet = (name: string) => makeUnet(folder, name);
    const [teacher, text, fakeScore] = [unet("teacher"), makeText(folder, "text"), unet("fake-score")];
    const [generator, average] = [unet("generator"), unet("average")].map((network) => generatorFrom(network, options));
    if (!generator || !average) throw new Error("no generator");
    const weights = randomStream(3);
    const discriminator =
      method.name === "sida"
        ? bottleneckDiscriminator()
        : headDiscriminator({ name: "head", reads: "fakeScore", channels: 32, weights });
    const digits = loadDigits();
    const images: ImageSource = {
      sample(stream, count) {
        const pairs = drawPairs(trainedPairs, count, stream);
        return {
          images: drawImages(digits, pairs, stream),
          cond: text.encode(pairs.map((pair) => caption(pair, stream))),
        };
      },
    };
    const before = await readWeights(average);
    const { ended, metrics, droppedSamples, cleanedElements } = await distill({
      ...{ teacher, fakeScore, generator, discriminator, method, images, sampleShape: [8, 8, 3] },
      conditions: promptConditions({
        prompts: (stream, count) => drawPairs(trainedPairs, count, stream).map((pair) => caption(pair, stream)),
        conditioner: text,
      }),
      ...{ ema: { target: average, halfLife: 1, rampUp: null }, batch: 4, iterations: 2, onWarning: () => {} },
    });
    expect({ ended, droppedSamples, cleanedElements }).toEqual({
      ended: "iterations",
      droppedSamples: 0,
      cleanedElements: 0,
    });
    expect(metrics?.generatorGradientNorm).toBeGreaterThan(0);
    if (method.fakeScore) expect(metrics?.fakeGradientNorm).toBeGreaterThan(0);
    expect(await readWeights(average)).not.toEqual(before);
    for (const network of [teacher, text, fakeScore, generator, average, discriminator]) network.dispose();
  },
);
