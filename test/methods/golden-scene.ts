import { readFileSync } from "node:fs";
import {
  add,
  matMul,
  mean,
  mul,
  reshape,
  type Tensor,
  type Tensor2D,
  tanh,
  tensor,
  type Variable,
} from "@tensorflow/tfjs-core";
import { type PredictionType, perSample, type Timesteps } from "../../src/core";
import { type Discriminator, generatorFrom, type ScoreModel } from "../../src/models";
import { noiseLevel } from "../../src/predict";
import { ddpmSchedule, edmSchedule, flowSchedule, type NoiseSchedule } from "../../src/schedules";
import { weight } from "../support/weights";

type Numbers = Readonly<Record<string, readonly number[]>>;

/** One method's batch in PyTorch: `test/golden/methods.py`. */
export interface GoldenCase {
  readonly name: string;
  readonly schedule: "vp" | "ve" | "flow";
  readonly predicts: Readonly<Record<"generator" | "teacher" | "fakeScore", PredictionType>>;
  readonly passes: number;
  readonly times: readonly number[];
  readonly t: readonly number[];
  readonly other: readonly number[];
  readonly nimg?: number;
  readonly gradientThrough?: "all";
  readonly discriminator?: { readonly form: "head" | "map" | "steep"; readonly reads: "fakeScore" | "teacher" };
  readonly generator: { readonly loss: number; readonly gradients: Numbers; readonly cotangents?: Numbers };
  readonly fakeScore?: { readonly loss: number; readonly gradients: Numbers };
}

interface Golden {
  readonly shape: readonly [number, number, number, number];
  readonly networks: Readonly<Record<"generator" | "average" | "teacher" | "fakeScore", Numbers>>;
  readonly head: Numbers;
  readonly batch: Numbers;
  readonly cases: readonly GoldenCase[];
}

/** What PyTorch computed. */
export const golden = JSON.parse(readFileSync(new URL("../golden/methods.json", import.meta.url), "utf8")) as Golden;

const [count, ...place] = golden.shape;
const shapes: Readonly<Record<string, readonly number[]>> = { w: place, u: [3, 12], v: place, r: place };

const schedules: Readonly<Record<GoldenCase["schedule"], NoiseSchedule>> = {
  vp: ddpmSchedule({ betaSchedule: "scaled_linear", betaStart: 0.00085, betaEnd: 0.012 }),
  ve: edmSchedule(),
  flow: flowSchedule(),
};

/** `r ⊙ tanh(w ⊙ x_t/√(a² + s²) + c·u + v·s/√(a² + s²))`; its features are what r multiplies. */
function network(name: keyof Golden["networks"], schedule: NoiseSchedule, predicts: PredictionType): ScoreModel {
  const [w, u, v, r] = Object.entries(shapes).map(([part, shape]) =>
    weight(`golden/${name}/${part}`, golden.networks[name][part] as readonly number[], shape),
  ) as [Variable, Variable, Variable, Variable];
  const features = (xt: Tensor, t: Timesteps, cond?: Tensor) => {
    const { alpha, sigma } = noiseLevel(schedule, t);
    const lengths = alpha.map((a, i) => Math.hypot(a, sigma[i] as number));
    const scaled = mul(
      xt,
      perSample(
        lengths.map((x) => 1 / x),
        4,
      ),
    );
    const noise = perSample(
      sigma.map((s, i) => s / (lengths[i] as number)),
      4,
    );
    const text = reshape(matMul(cond as Tensor2D, u as Tensor as Tensor2D), [-1, ...place]);
    return tanh(add(add(mul(w, scaled), text), mul(v, noise)));
  };
  const predictWithFeatures = (xt: Tensor, t: Timesteps, cond?: Tensor) => {
    const found = features(xt, t, cond);
    return { prediction: mul(r, found), features: found };
  };
  return {
    name: `golden/${name}`,
    predicts,
    schedule,
    variables: [w, u, v, r],
    predict: (xt, t, cond) => predictWithFeatures(xt, t, cond).prediction,
    features,
    predictWithFeatures,
    dispose: () => {
      for (const variable of [w, u, v, r]) variable.dispose();
    },
  };
}

/** One number per sample, by a linear head; or one per place, the mean over the channels or 30 times that. */
function discriminatorOf(form: "head" | "map" | "steep", reads: "fakeScore" | "teacher"): Discriminator {
  const [k, k0] =
    form !== "head"
      ? []
      : [
          weight("golden/head/k", golden.head["k"] as readonly number[], [12, 1]),
          weight("golden/head/k0", golden.head["k0"] as readonly number[], [1]),
        ];
  return {
    name: "golden/head",
    reads,
    variables: k && k0 ? [k, k0] : [],
    logit: (input) =>
      k && k0
        ? add(matMul(reshape(input, [-1, 12]) as Tensor2D, k as Tensor as Tensor2D), k0)
        : mul(mean(input, 3, true), form === "steep" ? 30 : 1),
    dispose() {
      k?.dispose();
      k0?.dispose();
    },
  };
}

/** The networks of a case, its batch and where it stands; `dispose` frees the networks. */
export function sceneOf(item: GoldenCase) {
  const { predicts, times, passes, t, other, nimg = 1e9, gradientThrough, discriminator: read } = item;
  const schedule = schedules[item.schedule];
  const chain = {
    tInit: times[0] as number,
    steps: passes > 1 ? times.length : 1,
    gradientThrough: gradientThrough ?? ("last" as const),
  };
  const discriminator = read && discriminatorOf(read.form, read.reads);
  const networks = {
    teacher: network("teacher", schedule, predicts.teacher),
    fakeScore: network("fakeScore", schedule, predicts.fakeScore),
    generator: generatorFrom(network("generator", schedule, predicts.generator), chain),
    average: generatorFrom(network("average", schedule, predicts.generator), chain),
    ...(discriminator && { discriminator }),
  };
  const noises = Array.from({ length: passes }, (_, i) => numbersOf("noises", golden.shape, i));
  const cond = numbersOf("cond", [count, 3]);
  const interval = { from: times[passes - 1] as number, to: times[passes] ?? 0 };
  return {
    networks,
    level: noiseLevel(schedule, t),
    moment: { schedule, nimg, iteration: 0, interval },
    batch: {
      noises,
      noise: numbersOf("noise"),
      t,
      cond,
      uncond: numbersOf("uncond", [1, 3]),
      other: { noise: numbersOf("otherNoise"), t: other },
      images: numbersOf("images"),
      imageCond: cond,
      nimg,
      uniforms: golden.batch["uniforms"] as readonly number[],
    },
    dispose() {
      for (const each of Object.values(networks)) each.dispose();
    },
  };
}

/** Part of the batch as a tensor, the i-th of several. */
export function numbersOf(name: string, shape: readonly number[] = golden.shape, i = 0): Tensor {
  const size = shape.reduce((a, b) => a * b);
  return tensor((golden.batch[name] as readonly number[]).slice(i * size, (i + 1) * size), [...shape], "float32");
}
