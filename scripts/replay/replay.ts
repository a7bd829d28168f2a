import { dispose, type Tensor, type Tensor1D, tensor, tidy } from "@tensorflow/tfjs-core";
import { type Guidance, SidError, scheduleFromConfig, sidLsg, type WeightMap } from "sid-lsg";
import { generatorFrom, parseUnetConfig, readWeights, type Unet, unet } from "sid-lsg/models";
import {
  adam,
  emaBeta,
  fakeScoreGradients,
  fakeScoreStep,
  generatorGradients,
  generatorStep,
  readFigures,
  type StepFigures,
  type TrainBatch,
  updateEma,
} from "sid-lsg/train";
import { channelsLast, floats, found, integers, type ReplayCase } from "./case";
import { type Figure, figure, gradientErrors, movementError, relativeError } from "./compare";

/** What a replay found. */
export interface ReplayReport {
  /** Every figure with its limit. */
  readonly figures: Readonly<Record<string, Figure>>;
  /** The losses of every iteration, for the eye. */
  readonly losses: readonly { readonly fake: number; readonly generator: number }[];
  /** Whether every figure is within its limit. */
  readonly pass: boolean;
}

const limits = {
  loss: 5e-4,
  gradients: 5e-4,
  worstGradient: 2e-3,
  output: 2e-4,
  fakeMoves: 2e-3,
  generatorMoves: 2e-2,
};

type Phase = "fake" | "generator";

/** Runs a recorded case through the library's public steps and compares every figure. */
export async function replay(recorded: ReplayCase): Promise<ReplayReport> {
  const { settings, expected } = recorded;
  const config = parseUnetConfig(recorded.unet as never);
  const { schedule, predicts } = scheduleFromConfig(recorded.scheduler);
  const owned: { dispose(): void }[] = [];
  const own = <T extends { dispose(): void }>(x: T): T => {
    owned.push(x);
    return x;
  };
  const network = (name: string, weights: WeightMap): Unet =>
    own(unet(config, { name: `replay/${name}`, schedule, predicts, weights }));
  try {
    const teacher = network("teacher", recorded.teacher);
    const fakeScore = network("fake_score", recorded.fakeScore);
    const model = network("generator", recorded.generator);
    const average = network("generator_ema", recorded.generator);
    const shadow = network("gradients", recorded.generator);
    const generator = generatorFrom(model, { tInit: settings.tInit });
    const guidance: Guidance = {
      kappa1: settings.kappaTrainFake,
      kappa2: settings.kappaEvalFake,
      kappa4: settings.kappaEvalReal,
    };
    const { alpha, lossScale, fakeLossScale } = settings;
    const method = sidLsg({ guidance, alpha, lossScale, fakeLossScale });
    const objective = { generator, fakeScore, teacher, method };
    const [beta1, beta2] = settings.betas;
    const common = { beta1, beta2, epsilon: settings.epsilon };
    const fakeAdam = own(adam(fakeScore.variables, { ...common, learningRate: settings.fakeLearningRate }));
    const generatorAdam = own(adam(model.variables, { ...common, learningRate: settings.learningRate }));

    const figures: Record<string, Figure> = {};
    /** Keeps the worse of two figures of one name. */
    const note = (name: string, next: Figure) => {
      const before = figures[name];
      if (!before || !(next.value <= before.value)) figures[name] = next;
    };
    const noteOutput = async (figureName: string, key: string, ours: Tensor) => {
      const wanted = channelsLast(key, found("expected", expected, key)).data;
      note(figureName, figure(relativeError(key, await ours.data<"float32">(), wanted), limits.output, key));
    };
    const noteGradients = async (phase: Phase, gradients: readonly Tensor[]) => {
      // A network whose weights are the gradients gives them in PyTorch's names and layouts.
      shadow.variables.forEach((v, i) => void v.assign(gradients[i] as Tensor));
      const { all, worst, of } = gradientErrors(expected, `it0.${phase}.grad`, await readWeights(shadow));
      note(`${phase}Gradients`, figure(all, limits.gradients));
      note(`${phase}WorstGradient`, figure(worst, limits.worstGradient, of));
    };
    /** x_g, f_ψ and f_φ of iteration 0, which the steps themselves do not return. */
    const noteOutputs = async (phase: Phase) => {
      let round = 0;
      for (const batch of batches(recorded, 0, phase)) {
        const key = `it0.${phase}.round${round++}`;
        if (phase === "fake") {
          const result = fakeScoreGradients(objective, batch);
          await noteOutput("generated", `${key}.generated`, result.generated);
          dispose(result as never);
          continue;
        }
        const result = generatorGradients(objective, batch);
        const { teacher: yReal, fake: yFake } = result.answers;
        await noteOutput("generated", `${key}.generated`, result.generated as Tensor);
        await noteOutput("yFake", `${key}.y_fake`, yFake as Tensor);
        await noteOutput("yReal", `${key}.y_real`, yReal as Tensor);
        dispose(result as never);
      }
    };
    const step = async (iteration: number, phase: Phase): Promise<Tensor1D> => {
      if (iteration === 0) await noteOutputs(phase);
      const options = {
        optimizer: phase === "fake" ? fakeAdam : generatorAdam,
        onGradients: async (gradients: readonly Tensor[]) => {
          if (iteration === 0) await noteGradients(phase, gradients);
          return undefined;
        },
      };
      const rounds = batches(recorded, iteration, phase);
      return phase === "fake" ? fakeScoreStep(objective, rounds, options) : generatorStep(objective, rounds, options);
    };

    const losses: { fake: number; generator: number }[] = [];
    const images = settings.batch * settings.rounds;
    for (const [iteration, wanted] of recorded.losses.entries()) {
      const pending = [await step(iteration, "fake"), await step(iteration, "generator")];
      const [fake, ours] = (await readFigures(...pending)) as [StepFigures, StepFigures];
      const ema = { nimg: iteration * images, batch: images, halfLife: settings.emaHalfLife };
      updateEma(average.variables, model.variables, emaBeta({ ...ema, rampUp: settings.emaRampUp }));
      losses.push({ fake: fake.loss, generator: ours.loss });
      for (const [name, value, reference] of [
        ["fakeLosses", fake.loss, wanted.fake],
        ["generatorLosses", ours.loss, wanted.generator],
      ] as const)
        note(name, figure(Math.abs(value - reference) / Math.abs(reference), limits.loss, `iteration ${iteration}`));
    }
    const moved = async (name: string, start: WeightMap, record: string, ours: Unet, limit: number) =>
      note(name, figure(movementError(start, expected, `final.${record}`, await readWeights(ours)), limit));
    await moved("fakeWeights", recorded.fakeScore, "fake_score", fakeScore, limits.fakeMoves);
    await moved("generatorWeights", recorded.generator, "generator", model, limits.generatorMoves);
    await moved("emaWeights", recorded.generator, "generator_ema", average, limits.generatorMoves);
    return { figures, losses, pass: Object.values(figures).every(({ pass }) => pass) };
  } finally {
    for (const x of owned) x.dispose();
  }
}

/** The recorded batches of one phase of one iteration, each freed when its turn is over. */
function* batches({ inputs, settings }: ReplayCase, iteration: number, phase: Phase): Generator<TrainBatch> {
  const table = found("inputs", inputs, "context_table");
  const [contexts, tokens, dim] = table.shape as [number, number, number];
  const rows = floats("context_table", table);
  const size = tokens * dim;
  for (let round = 0; round < settings.rounds; round++) {
    const key = (name: string) => `it${iteration}.${phase}.round${round}.${name}`;
    const input = (name: string) => found("inputs", inputs, key(name));
    const image = (name: string) => {
      const { shape, data } = channelsLast(key(name), input(name));
      return tensor(data, shape);
    };
    const index = integers(input("context_index"));
    const odd = index.find((i) => i < 0 || i >= contexts);
    if (odd !== undefined)
      throw new SidError("out-of-range", `replay: ${key("context_index")} names row ${odd} of ${contexts}.`);
    const context = (of: readonly number[]) =>
      tidy(() => {
        const data = new Float32Array(of.length * size);
        of.forEach((row, i) => void data.set(rows.subarray(row * size, (row + 1) * size), i * size));
        return tensor(data, [of.length, tokens, dim]);
      });
    const z = image("z");
    const noise = image("noise");
    const cond = context(index);
    const uncond = context([0]);
    try {
      yield { noises: [z], noise, t: integers(input("timesteps")), cond, uncond };
    } finally {
      dispose([z, noise, cond, uncond]);
    }
  }
}
