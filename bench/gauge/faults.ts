/** What can go wrong with a distillation, planted in one that is healthy. */
import { addN, mul, neg, reverse, sub, type Tensor, tidy } from "@tensorflow/tfjs-core";
import type { ScoreModel } from "sid-lsg";
import type { GeneratorModel } from "sid-lsg/models";
import type { DistillOptions } from "sid-lsg/train";

/** Changes the options of a healthy run. */
export type Fault = (options: DistillOptions) => DistillOptions;

const withTeacher = (options: DistillOptions, changes: Partial<ScoreModel>): DistillOptions => ({
  ...options,
  teacher: { ...options.teacher, ...changes },
});

export const faults: Readonly<Record<string, Fault>> = {
  "fake score frozen": (options) => ({ ...options, fakeLearningRate: 1e-12 }),
  "fake score's rate 100 times too small": (options) => ({
    ...options,
    fakeLearningRate: (options.fakeLearningRate as number) / 100,
  }),
  "teacher of another prediction type": (options) => withTeacher(options, { predicts: "v" }),
  "sign of δ": ({ method, ...options }) => {
    const update = method?.generator;
    if (!(method && update && "asks" in update)) return options;
    const cotangents: typeof update.cotangents = (...inputs) => {
      const { loss, ...given } = update.cotangents(...inputs);
      const turned = Object.entries(given).map(([name, x]) => [name, x && neg(x)]);
      return { loss, ...Object.fromEntries(turned) };
    };
    return { ...options, method: { ...method, generator: { ...update, cotangents } } };
  },
  "conditions shuffled between the networks": (options) =>
    withTeacher(options, {
      predict: (xt, t, cond) => tidy(() => options.teacher.predict(xt, t, cond && (reverse(cond, 0) as Tensor))),
    }),
  "generator collapsed": (options) => ({ ...options, generator: narrow(options.generator) }),
};

/** The generator with next to nothing of its noise, whatever its variables say of it. */
function narrow(generator: GeneratorModel): GeneratorModel {
  return {
    ...generator,
    generate: ([z], cond) =>
      tidy(() => {
        const centre = generator.generate([mul(z as Tensor, 0)], cond);
        const nothing = mul(sub(generator.generate([z as Tensor], cond), centre), 0);
        return addN([centre, mul(z as Tensor, 0.03), nothing]);
      }),
  };
}
