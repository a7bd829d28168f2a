import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { concat, dispose, type Tensor } from "@tensorflow/tfjs-core";
import { randomStream } from "sid-lsg";
import { ddimSample, generatorFrom, type ScoreModel, type TextConditioner } from "sid-lsg/models";
import { adapterFolder } from "./adapter";
import type { GenerateSettings } from "./generate-options";
import type { OpenModel } from "./model";
import { settingsFile } from "./result";

/** Latents `[B, …]` of a sample per seed, from noise of shape `[1, …]` that is each seed's own; the caller owns them. */
export interface Sampler {
  sample(seeds: readonly number[], shape: readonly number[], cond: Tensor): Tensor;
  dispose(): void;
}

/** How pictures are drawn: in few steps by a generator, or by DDIM. */
export type Sampling =
  | { readonly kind: "generator"; readonly steps: number; readonly tInit: number }
  | { readonly kind: "ddim"; readonly steps: number; readonly guidanceScale: number };

/** What the options say, else what the generator's folder says, else the defaults. */
export function samplingOf(settings: GenerateSettings): Sampling {
  const { ddim, guidanceScale } = settings;
  if (ddim !== undefined) return { kind: "ddim", steps: ddim, guidanceScale };
  const trained = trainedSettings(settings);
  const { steps = trained.steps ?? 1, tInit = trained.tInit ?? 625 } = settings;
  return { kind: "generator", steps, tInit };
}

/** How the folder's generator was asked while it was trained. */
function trainedSettings({ place, adapter }: GenerateSettings): { readonly steps?: number; readonly tInit?: number } {
  const folder = adapter === undefined ? place.model : adapterFolder(adapter);
  const file = folder === undefined ? undefined : join(folder, settingsFile);
  if (file === undefined || !existsSync(file)) return {};
  try {
    const { steps, tInit } = JSON.parse(readFileSync(file, "utf8"));
    if ([steps, tInit].every(Number.isSafeInteger)) return { steps, tInit };
  } catch {
    // Said below.
  }
  throw new Error(`${file} must be as sd:distill wrote it, with whole numbers "steps" and "tInit".`);
}

/** The sampler of a network. */
export function makeSampler(network: ScoreModel, sampling: Sampling, model: OpenModel, text: TextConditioner): Sampler {
  if (sampling.kind === "generator") {
    const generator = generatorFrom(network, { steps: sampling.steps, tInit: sampling.tInit });
    return {
      sample(seeds, shape, cond) {
        const noises = noisesOf(seeds, shape, sampling.steps);
        const latents = generator.generate(noises, cond);
        dispose(noises);
        return latents;
      },
      dispose() {},
    };
  }
  const uncond = text.encode([""]);
  const { steps, guidanceScale } = sampling;
  return {
    sample(seeds, shape, cond) {
      const [noise] = noisesOf(seeds, shape, 1) as [Tensor];
      const latents = ddimSample(network, { ...model.sampling, noise, cond, uncond, steps, guidanceScale });
      noise.dispose();
      return latents;
    },
    dispose: () => uncond.dispose(),
  };
}

/** `count` noises `[B, …]`, of which a sample's part depends on its seed alone, not on its neighbours. */
function noisesOf(seeds: readonly number[], shape: readonly number[], count: number): Tensor[] {
  const streams = seeds.map((seed) => randomStream(seed));
  return Array.from({ length: count }, () => {
    const parts = streams.map((stream) => stream.normal(shape));
    const noise = concat(parts);
    dispose(parts);
    return noise;
  });
}
