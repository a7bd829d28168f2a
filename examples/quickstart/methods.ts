import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import { ddimSample, type GeneratorModel, generatorFrom, type TextConditioner, type Unet } from "sid-lsg/models";

/** Steps of the teacher's sampler. */
export const teacherSteps = 50;

/** Draws one image per caption from the noise `[B, 8, 8, 3]`. */
export type Draw = (captions: readonly string[], noise: Tensor) => Tensor;

/** A way to make images, and what it costs. */
export interface Method {
  readonly draw: Draw;
  /** Passes through the U-Net per image; guidance needs two per step. */
  readonly networkPasses: number;
}

export type TeacherMethods = Readonly<Record<"teacher50" | "teacher50Guided" | "teacher1", Method>>;

/** The teacher: 50 DDIM steps without and with guidance, and one step alone. */
export function teacherMethods(unet: Unet, text: TextConditioner, guidanceScale: number): TeacherMethods {
  const sampler =
    (scale: number): Draw =>
    (captions, noise) =>
      tidy(() => {
        const [cond, uncond] = [text.encode(captions), text.encode([""])];
        return ddimSample(unet, { noise, cond, uncond, steps: teacherSteps, guidanceScale: scale });
      });
  return {
    teacher50: { draw: sampler(1), networkPasses: teacherSteps },
    teacher50Guided: { draw: sampler(guidanceScale), networkPasses: 2 * teacherSteps },
    teacher1: generatorMethod(generatorFrom(unet), text),
  };
}

/** One pass of a generator. */
export function generatorMethod(generator: GeneratorModel, text: TextConditioner): Method {
  return {
    draw: (captions, noise) => tidy(() => generator.generate([noise], text.encode(captions))),
    networkPasses: generator.steps,
  };
}
