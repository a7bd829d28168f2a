/** What of a contest is looked at: samples, fields, and the terms of the equation at some samples. */
import { clone, dispose, type Tensor, type TensorContainer, tensor2d, tidy, variable } from "@tensorflow/tfjs-core";
import { type Method, predictX0, randomStream } from "sid-lsg";
import type { GeneratorModel, ScoreModel } from "sid-lsg/models";
import { generatorGradients } from "sid-lsg/train";
import { classConditions, classShares, type Law } from "../plane/law";
import type { Contender } from "./contest";
import type { Stage } from "./stage";

/** Points of the plane, x and y in turn. */
export type Points = Float32Array;

/** Samples of a contender's average, `count` in all, by class: always from the same noises, so that they move and do not flicker. */
export async function samplesOf(
  { networks }: Contender,
  { world }: Stage,
  count: number,
  seed: number,
): Promise<Points[]> {
  const stream = randomStream(seed);
  const { average } = networks;
  const all: Points[] = [];
  for (const [c, share] of classShares(world.law).entries()) {
    const few = Math.max(1, Math.round(share * count));
    const noises = Array.from({ length: average.steps }, () => stream.normal([few, 2]));
    const cond = classConditions(world.law, Array<number>(few).fill(c));
    all.push(await read(average.generate(noises, cond)));
    dispose([...noises, cond]);
  }
  return all;
}

/** Where fields are looked at. */
export interface FieldView {
  /** A time of the process: 0 … 999, or 0 … 1 of a flow. */
  readonly t: number;
  /** A class; both where absent. */
  readonly class?: number | undefined;
  /** Arrows along an axis. */
  readonly across: number;
  /** Half the side of the square, in the plane of x_t. */
  readonly extent: number;
}

/** What two networks say x0 is at the same places: f_φ and f_ψ, with the method's own κ4 and κ2. */
export interface Fields {
  /** Places, row by row from below. */
  readonly xt: Points;
  readonly teacher: Points;
  /** Absent for methods without one. */
  readonly fake?: Points;
  /** The score of either is `(alpha·f − x_t)/sigma²`. */
  readonly alpha: number;
  readonly sigma: number;
}

/** Both fields on a grid. */
export async function fieldsOf({ networks, entry }: Contender, stage: Stage, view: FieldView): Promise<Fields> {
  const { t, across, extent } = view;
  const places = Float32Array.from({ length: 2 * across * across }, (_, i) => {
    const place = i >> 1;
    const at = i % 2 === 0 ? place % across : Math.floor(place / across);
    return across === 1 ? 0 : extent * ((2 * at) / (across - 1) - 1);
  });
  const xt = tensor2d(places, [across * across, 2]);
  const ask = (model: ScoreModel, of: "teacher" | "fakeScore") =>
    read(predict(model, stage.world.law, xt, t, view.class, guidanceOf(entry.method, of)));
  try {
    const teacher = await ask(stage.teacher, "teacher");
    const fake = networks.fakeScore && (await ask(networks.fakeScore, "fakeScore"));
    const { schedule } = stage.world;
    return { xt: places, teacher, ...(fake && { fake }), alpha: schedule.alpha(t), sigma: schedule.sigma(t) };
  } finally {
    xt.dispose();
  }
}

/** κ with which a method asks a network; 1 where it does not. */
function guidanceOf({ generator }: Method, of: "teacher" | "fakeScore"): number {
  if (!("asks" in generator)) return 1;
  return Object.values(generator.asks).find((question) => question.of === of)?.guidanceScale ?? 1;
}

/** x0 at x_t, all of one class and one time; the caller owns it. */
function predict(
  model: ScoreModel,
  law: Law,
  xt: Tensor,
  t: number,
  c: number | undefined,
  guidanceScale: number,
): Tensor {
  return tidy(() => {
    const rows = xt.shape[0] as number;
    const times = Array<number>(rows).fill(t);
    const cond = classConditions(law, Array<number | undefined>(rows).fill(c));
    const uncond = classConditions(law, [undefined]);
    return predictX0(model, { xt, t: times, cond, uncond, guidanceScale });
  });
}

/** Which samples the terms are looked at. */
export interface TermsView {
  readonly t: number;
  readonly class: number;
  readonly count: number;
  /** Of the noises; the same seed gives the same noises. */
  readonly seed: number;
}

/** The terms of a method's equation, a point or an arrow for each sample. */
export interface Terms {
  readonly generated: Points;
  readonly xt: Points;
  /** Answers of networks by the name that the method gives them, as f_φ is `teacher` and f_ψ is `fake`. */
  readonly answers: Readonly<Record<string, Points>>;
  /** `∂L/∂x_g` of each sample's own loss; the generator moves against it. */
  readonly gradient: Points;
  /** `x_t = alpha·x_g + sigma·ε`. */
  readonly alpha: number;
  readonly sigma: number;
}

/**
 * The terms at samples of the generator as it trains; undefined for methods that learn from real samples (LCM) or make x_t
 * within an interval of times (TDM).
 */
export async function termsOf(
  { networks, entry }: Contender,
  stage: Stage,
  view: TermsView,
): Promise<Terms | undefined> {
  const { method } = entry;
  if (!("asks" in method.generator) || method.noising === "interval") return undefined;
  const { world, teacher } = stage;
  const stream = randomStream(view.seed);
  const { count, t } = view;
  const { generator, fakeScore, discriminator } = networks;
  const normal = (many: number): Tensor[] => Array.from({ length: many }, () => stream.normal([count, 2]));
  const [noises, [noise, otherNoise]] = [normal(generator.steps), normal(2) as [Tensor, Tensor]];
  const cond = classConditions(world.law, Array<number>(count).fill(view.class));
  const uncond = classConditions(world.law, [undefined]);
  const generated = generator.generate(noises, cond);
  // A generator whose weights are its samples: the gradient in them is the one that the arrow shows.
  const samples = tidy(() => variable(generated, true, `${generator.name}/samples`));
  const fixed: GeneratorModel = {
    ...{ name: samples.name, steps: 1, variables: [samples] },
    generate: () => clone(samples),
    dispose: () => samples.dispose(),
  };
  const owned: TensorContainer[] = [...noises, noise, otherNoise, cond, uncond, generated, samples];
  try {
    const times = Array<number>(count).fill(t);
    const step = generatorGradients(
      { generator: fixed, teacher, fakeScore, discriminator, method },
      {
        ...{ noises: noises.slice(0, 1), noise, t: times, cond, uncond },
        other: method.generator.otherTimesteps && { noise: otherNoise, t: times },
      },
    );
    owned.push({ ...step });
    const [alpha, sigma] = [world.schedule.alpha(t), world.schedule.sigma(t)];
    const xg = await generated.data<"float32">();
    const epsilon = await noise.data<"float32">();
    const answers: Record<string, Points> = {};
    for (const [name, answer] of Object.entries(step.answers)) answers[name] = await answer.data<"float32">();
    const gradient = await (step.gradients[0] as Tensor).data<"float32">();
    return {
      generated: xg,
      xt: xg.map((x, i) => alpha * x + sigma * (epsilon[i] as number)),
      answers,
      // The loss is a mean over the batch.
      gradient: gradient.map((g) => g * count),
      ...{ alpha, sigma },
    };
  } finally {
    dispose(owned);
  }
}

/** The numbers of a tensor, which it frees. */
async function read(tensor: Tensor): Promise<Points> {
  const numbers = await tensor.data<"float32">();
  tensor.dispose();
  return numbers;
}
