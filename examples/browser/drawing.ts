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
import { teacherSteps } from "../quickstart/methods";
import { pixelByte } from "../quickstart/pixels";
import { makeText, makeUnet, readFolder, type Text } from "../quickstart/text-to-image";

/** Guidance of the teacher: the quick start's κ. */
const guidanceScale = 1.15;

/** The pause between two looks at a picture that is being drawn, in milliseconds. */
const pause = 50;

/** The networks of the page, on the backend. */
export interface Networks {
  readonly text: Text;
  readonly teacher: Unet;
  readonly generator: GeneratorModel;
  /** The words of captions. */
  readonly words: readonly string[];
}

/** A picture after so many steps. */
export interface Look {
  readonly step: number;
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
}

/** Loads what lies beside the page: the folder `teacher/` and the distilled `generator.safetensors`. */
export async function loadNetworks(page: string): Promise<Networks> {
  const model = await readFolder(urlFolder(new URL("teacher", page)));
  const networks = {
    text: makeText(model, "text"),
    teacher: makeUnet(model, "teacher"),
    generator: generatorFrom(makeUnet(model, "generator")),
    words: model.words,
  };
  await openGenerator(networks.generator, await urlSource(new URL("generator.safetensors", page)));
  return networks;
}

/** Gives the generator the weights of a safetensors file; it keeps the old ones where that fails. */
export async function openGenerator(generator: GeneratorModel, source: ByteSource): Promise<void> {
  await loadWeights(generator, finite(source.name, await openSafetensors(source)));
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

/** Draws a caption in one pass of the generator, from the noise `[1, 8, 8, 3]`. */
export async function drawInOneStep({ text, generator }: Networks, caption: string, noise: Tensor): Promise<Look> {
  const image = tidy(() => generator.generate([noise], text.encode([caption])));
  try {
    return { step: 1, pixels: await readPixels(image) };
  } finally {
    image.dispose();
  }
}

/**
 * Draws a caption in the teacher's many steps: `ddimSample` from its parts, one step at a time. Now and then it gives
 * a look at the picture, at last at the finished one; whoever stops looking stops the drawing.
 */
export async function* drawInManySteps(
  { text, teacher }: Networks,
  caption: string,
  noise: Tensor,
): AsyncGenerator<Look, void> {
  const { schedule, predicts } = teacher;
  const times = ddimTimesteps({ numTimesteps: schedule.tMax + 1, steps: teacherSteps });
  const [cond, uncond] = [text.encode([caption]), text.encode([""])];
  const step = (xt: Tensor, t: number, next: number | undefined): Tensor => {
    const prediction = guidedPrediction(teacher.predict, { xt, t: [t], cond, uncond, guidanceScale });
    const now = { prediction, xt, level: noiseLevel(schedule, [t]), predicts };
    const x0 = convertPrediction({ ...now, to: "x0" });
    if (next === undefined) return x0;
    return addNoise({ x0, noise: convertPrediction({ ...now, to: "eps" }), level: noiseLevel(schedule, [next]) });
  };
  let x = noise.clone();
  let looked = performance.now();
  try {
    for (const [i, t] of times.entries()) {
      const before = x;
      x = tidy(() => step(before, t, times[i + 1]));
      before.dispose();
      if (i + 1 < times.length && performance.now() - looked < pause) continue;
      yield { step: i + 1, pixels: await readPixels(x) };
      looked = performance.now();
    }
  } finally {
    for (const tensor of [x, cond, uncond]) tensor.dispose();
  }
}

/** Red, green, blue and 255 for each pixel of an image `[1, 8, 8, 3]`. */
async function readPixels(image: Tensor): Promise<Uint8ClampedArray<ArrayBuffer>> {
  const values = await image.data<"float32">();
  if (!values.every(Number.isFinite))
    throw new SidError("not-finite", "the picture is not made of finite numbers: the weights are of no use.");
  const pixels = new Uint8ClampedArray((values.length / 3) * 4).fill(255);
  values.forEach((value, i) => {
    pixels[Math.floor(i / 3) * 4 + (i % 3)] = pixelByte(value);
  });
  return pixels;
}
