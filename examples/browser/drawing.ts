import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import {
  addNoise,
  convertPrediction,
  ddimTimesteps,
  guidedPrediction,
  noiseLevel,
  SidError,
  type WeightSource,
} from "sid-lsg";
import { type ByteSource, openSafetensors, urlFolder, urlSource } from "sid-lsg/io";
import { type GeneratorModel, generatorFrom, loadWeights, type Unet } from "sid-lsg/models";
import { teacherSteps } from "../text-to-image/methods";
import { type ModelFolder, makeText, makeUnet, readFolder, type Text } from "../text-to-image/model-folder";
import { type PictureFormat, pixelByte, unpack } from "../text-to-image/picture-format";
import { fromEightBits, widened } from "./eight-bit";

/** Guidance of the teacher: the quick start's κ. */
const guidanceScale = 1.5;

/** The pause between two looks at pictures that are being drawn, in milliseconds. */
const pause = 50;

/** The networks of the page, on the backend. */
export interface Networks {
  readonly text: Text;
  readonly teacher: Unet;
  readonly generator: GeneratorModel;
  /** The words of captions. */
  readonly words: readonly string[];
  readonly pictures: PictureFormat;
}

/** The pictures after so many steps. */
export interface Look {
  readonly step: number;
  /** Picture by picture and row by row: red, green, blue and 255. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
}

/** Loads what lies beside that address: the folder `teacher/` and the distilled `generator.safetensors`. */
export async function loadNetworks(files: string): Promise<Networks> {
  const model = await readModel(new URL("teacher", files));
  const networks = {
    text: makeText(model, "text"),
    teacher: makeUnet(model, "teacher"),
    generator: generatorFrom(makeUnet(model, "generator")),
    words: model.words,
    pictures: model.pictures,
  };
  await openGenerator(networks.generator, await urlSource(new URL("generator.safetensors", files)));
  return networks;
}

async function readModel(address: URL): Promise<ModelFolder> {
  const { unet, textEncoder, ...rest } = await readFolder(urlFolder(address));
  return {
    ...rest,
    unet: { ...unet, weights: await widened(unet.weights) },
    textEncoder: { ...textEncoder, weights: await widened(textEncoder.weights) },
  };
}

/** Gives the generator the weights of a safetensors file; it keeps the old ones where that fails. */
export async function openGenerator(generator: GeneratorModel, source: ByteSource): Promise<void> {
  await loadWeights(generator, finite(source.name, fromEightBits(await openSafetensors(source))));
}

/** The same weights; reading throws where one is not finite. */
function finite(file: string, weights: WeightSource): WeightSource {
  return {
    ...weights,
    async read(name) {
      const tensor = await weights.read(name);
      const bad = (tensor.data as Float32Array).find((x) => !Number.isFinite(x));
      if (bad !== undefined) throw new SidError("not-finite", `${file}: the weight "${name}" holds ${bad}.`);
      return tensor;
    },
  };
}

/** Draws a caption in one pass of the generator, once for each row of the noise. */
export async function drawInOneStep(networks: Networks, caption: string, noise: Tensor): Promise<Look> {
  const { text, generator } = networks;
  const samples = tidy(() => generator.generate([noise], text.encode(repeated(caption, noise))));
  try {
    return { step: 1, pixels: await readPixels(samples, networks) };
  } finally {
    samples.dispose();
  }
}

/**
 * Draws a caption in the teacher's many steps, once for each row of the noise: `ddimSample` from its parts, one step at
 * a time. Now and then it gives a look at the pictures, at last at the finished ones; whoever stops looking stops the
 * drawing.
 */
export async function* drawInManySteps(networks: Networks, caption: string, noise: Tensor): AsyncGenerator<Look, void> {
  const { text, teacher } = networks;
  const { schedule, predicts } = teacher;
  const times = ddimTimesteps({ numTimesteps: schedule.tMax + 1, steps: teacherSteps });
  const [cond, uncond] = [text.encode(repeated(caption, noise)), text.encode([""])];
  const step = (xt: Tensor, now: number, next: number | undefined): Tensor => {
    const t = repeated(now, noise);
    const prediction = guidedPrediction(teacher.predict, { xt, t, cond, uncond, guidanceScale });
    const known = { prediction, xt, level: noiseLevel(schedule, t), predicts };
    const x0 = convertPrediction({ ...known, to: "x0" });
    if (next === undefined) return x0;
    const level = noiseLevel(schedule, repeated(next, noise));
    return addNoise({ x0, noise: convertPrediction({ ...known, to: "eps" }), level });
  };
  let x = noise.clone();
  let looked = performance.now();
  try {
    for (const [i, t] of times.entries()) {
      const before = x;
      x = tidy(() => step(before, t, times[i + 1]));
      before.dispose();
      if (i + 1 < times.length && performance.now() - looked < pause) continue;
      yield { step: i + 1, pixels: await readPixels(x, networks) };
      looked = performance.now();
    }
  } finally {
    for (const tensor of [x, cond, uncond]) tensor.dispose();
  }
}

/** The same for each row of the noise. */
function repeated<T>(item: T, noise: Tensor): T[] {
  return Array<T>(noise.shape[0] as number).fill(item);
}

/** Red, green, blue and 255 for each pixel of what a network made. */
async function readPixels(samples: Tensor, { pictures }: Networks): Promise<Uint8ClampedArray<ArrayBuffer>> {
  const images = unpack(samples, pictures);
  const values = await images.data<"float32">();
  images.dispose();
  if (!values.every(Number.isFinite))
    throw new SidError("not-finite", "the pictures are not made of finite numbers: the weights are of no use.");
  const pixels = new Uint8ClampedArray((values.length / 3) * 4).fill(255);
  values.forEach((value, i) => {
    pixels[Math.floor(i / 3) * 4 + (i % 3)] = pixelByte(value, pictures);
  });
  return pixels;
}
