/**
 * Compiled by `npm run typecheck`, never run: what users may write, and what the compiler must refuse.
 * A line under `@ts-expect-error` that compiles fails the check.
 */
import { mul, type Scalar, type Tensor, type Tensor1D, zerosLike } from "@tensorflow/tfjs-core";
import * as sid from "sid-lsg";
import type { GeneratorModel, ScoreModel } from "sid-lsg/models";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Equal<A, B>): void => {};
declare const x: Tensor;
declare const model: ScoreModel;
declare const level: sid.NoiseLevel;
const inputs = { generated: x, teacher: x, fake: x };

/** Losses: scalars; their options are spelled out. */
export function losses(): void {
  same<ReturnType<typeof sid.sidLoss>, Scalar>(true);
  same<ReturnType<typeof sid.finiteSamples>, Tensor1D>(true);
  sid.sidLoss(inputs);
  sid.sidLoss(inputs, { alpha: 1.2, weight: "snr", level, reduction: "mean" });
  sid.sidLoss(inputs, { weight: ({ generated }) => zerosLike(generated) as Tensor1D });
  sid.fakeScoreLoss({ prediction: x, generated: x, noise: x, level }, { predicts: "v" });
  // @ts-expect-error: no such weight
  sid.sidLoss(inputs, { weight: "l2" });
  sid.sidLoss(inputs, { alpha: undefined, weight: undefined, reduction: undefined });
  // @ts-expect-error: no such option
  sid.sidLoss(inputs, { aplha: 1 });
  // @ts-expect-error: the fake score's output is missing
  sid.sidLoss({ generated: x, teacher: x });
  // @ts-expect-error: what the network predicts is not a matter of default
  sid.fakeScoreLoss({ prediction: x, generated: x, noise: x, level });
}

/** What a caller may or may not have at hand can be handed on as it is: undefined is the default everywhere. */
export function absent(options: sid.DistillOptions): void {
  const signal = undefined as AbortSignal | undefined;
  const nothing = { conditions: undefined, ema: undefined, snapshots: undefined, checkpoint: undefined };
  sid.distill({ ...options, ...nothing, onGradients: undefined, signal });
  sid.sidLoss(inputs, { level: undefined, valid: undefined });
  sid.distill({ ...options, batch: undefined, method: undefined });
  // @ts-expect-error: what has no default must have a value
  sid.distill({ ...options, iterations: undefined });
}

/** A network is anything of the right shape: no class to extend. */
export const network: ScoreModel = {
  name: "mine",
  predicts: "eps",
  schedule: sid.ddpmSchedule(),
  variables: [],
  predict: (xt, t) => mul(xt, t.length),
  dispose() {},
};

/** Times are numbers, one per sample; schedules and guidance are plain read-only data. */
export function plainData(): void {
  same<sid.Timesteps, readonly number[]>(true);
  same<sid.PredictionType, "eps" | "x0" | "v" | "score" | "flow">(true);
  const guidance: sid.Guidance = { ...sid.lsg(1.5), kappa4: 1 };
  sid.convertPrediction({
    prediction: x,
    xt: x,
    level: sid.noiseLevel(sid.flowSchedule(), [0.5]),
    predicts: "flow",
    to: "x0",
  });
  // @ts-expect-error: read-only
  guidance.kappa1 = 2;
  // @ts-expect-error: a tensor of times would have to be read back
  model.predict(x, x);
  // @ts-expect-error: no such prediction
  sid.convertPrediction({ prediction: x, xt: x, level, predicts: "noise", to: "x0" });
}

/** Generators are what they do, whatever made them; errors have a closed set of codes. */
export function generators(): void {
  const generator: GeneratorModel = sid.generatorFrom(model, { tInit: 625, steps: 2 });
  generator.generate([x, x]);
  // @ts-expect-error: one tensor of noise per step, in an array
  generator.generate(x);
  // @ts-expect-error: no such code
  throw new sid.SidError("oops", "nothing");
}

/** Patches take and give tensors, and one number says how large they are. */
export function patches(): void {
  same<ReturnType<typeof sid.patchify>, Tensor>(true);
  sid.unpatchify(sid.patchify(x, 3), 3);
  // @ts-expect-error: a patch has a size
  sid.patchify(x);
  // @ts-expect-error: patches are square
  sid.unpatchify(x, [3, 3]);
}

/** Methods are plain data with typed answers; one's own needs no class. */
export function methods(): void {
  same<ReturnType<typeof sid.sidLsg>, sid.ScoreMethod<"teacher" | "fake">>(true);
  same<ReturnType<typeof sid.sida>, sid.ScoreMethod<"teacher" | "fake" | "logit">>(true);
  const any: readonly sid.Method[] = [sid.sid(), sid.sida(), sid.lcm(), sid.sidDit({ guidance: sid.lsg(2) })];
  sid.withReward(sid.fewStepSid(), { reward: (x) => sid.finiteSamples(x), weight: any.length });
  const own: sid.ScoreMethod<"teacher"> = {
    name: "own",
    settings: {},
    generator: {
      timesteps: sid.uniformTimesteps(),
      asks: { teacher: { of: "teacher" } },
      cotangents: (tensors) => sid.cotangentsOf(({ generated }) => mul(generated, 2) as Scalar, tensors, ["generated"]),
    },
  };
  // @ts-expect-error: no such answer
  own.generator.cotangents({ generated: x, fake: x });
  // @ts-expect-error: no such weight
  sid.sidLsg({ weight: "l2" });
  // @ts-expect-error: a reward has a weight
  sid.withReward(own, { reward: (samples) => sid.finiteSamples(samples) });
  // @ts-expect-error: LCM has no fake score to choose times for
  sid.lcm({ fakeTimesteps: sid.uniformTimesteps() });
}
