import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import { randomStream } from "sid-lsg";
import { ddimSample, type GeneratorModel, generatorFrom, type TextConditioner, type Unet } from "sid-lsg/models";
import { type PictureFormat, unpack } from "./picture-format";

/** Steps of the teacher's sampler. */
export const teacherSteps = 50;

/** Draws one picture `[size, size, 3]` per caption from noise of the networks' shape, `[B, …]`. */
export type Draw = (captions: readonly string[], noise: Tensor) => Tensor;

/** A way to make pictures, and what it costs. */
export interface Method {
  readonly draw: Draw;
  /** Passes through the U-Net per picture; guidance needs two per step. */
  readonly networkPasses: number;
}

export type TeacherMethods = Readonly<Record<"teacher50" | "teacher50Guided" | "teacher1", Method>>;

/** What the teacher draws with. */
export interface TeacherNetworks {
  readonly unet: Unet;
  readonly text: TextConditioner;
  readonly pictures: PictureFormat;
}

/** The teacher: 50 DDIM steps without and with guidance, and one step alone. */
export function teacherMethods({ unet, text, pictures }: TeacherNetworks, guidanceScale: number): TeacherMethods {
  const sampler =
    (scale: number): Draw =>
    (captions, noise) =>
      tidy(() => {
        const [cond, uncond] = [text.encode(captions), text.encode([""])];
        const samples = ddimSample(unet, { noise, cond, uncond, steps: teacherSteps, guidanceScale: scale });
        return unpack(samples, pictures);
      });
  return {
    teacher50: { draw: sampler(1), networkPasses: teacherSteps },
    teacher50Guided: {
      draw: sampler(guidanceScale),
      networkPasses: (guidanceScale === 1 || guidanceScale === 0 ? 1 : 2) * teacherSteps, // these ask one text alone
    },
    teacher1: generatorMethod({ generator: generatorFrom(unet), text, pictures }),
  };
}

/** A generator with all its passes; those after the first one draw their noise from a stream of their own. */
export function generatorMethod({
  generator,
  text,
  pictures,
}: Omit<TeacherNetworks, "unet"> & { readonly generator: GeneratorModel }): Method {
  const stream = randomStream(105);
  return {
    draw: (captions, noise) =>
      tidy(() => {
        const later = Array.from({ length: generator.steps - 1 }, () => stream.normal(noise.shape));
        return unpack(generator.generate([noise, ...later], text.encode(captions)), pictures);
      }),
    networkPasses: generator.steps,
  };
}
