/**
 * Distills an exact teacher in the plane: a ring of Gaussians whose score is known in closed form
 * becomes a network that draws from the ring in one pass. Run it with `npm run example:plane`.
 *
 * 1. A small network learns to denoise from the teacher's answers, as a stand-in for pretraining.
 * 2. Fake score and generator start as copies of it, and are distilled against the exact teacher.
 * 3. The sliced Wasserstein distance to the mixture says how far the generator's law is from it.
 */
import { join } from "node:path";
import { dispose, type Tensor, tensor2d, tidy } from "@tensorflow/tfjs-core";
import {
  addNoise,
  convertPrediction,
  ddpmSchedule,
  fakeScoreLoss,
  noiseLevel,
  randomStream,
  valueAndGradients,
} from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { writeFileAtomic } from "sid-lsg/io";
import { slicedWasserstein } from "sid-lsg/metrics";
import {
  copyWeights,
  type GeneratorModel,
  gaussianMixtureModel,
  generatorFrom,
  mlp,
  type ScoreModel,
} from "sid-lsg/models";
import { adam, distill } from "sid-lsg/train";
import { backends, choice, commandLine } from "../common/command-line";
import { makeFolder } from "../common/folders";
import { lockFolder } from "../common/lock";
import { projectPath, shown, userPath } from "../common/paths";
import { runProgram } from "../common/program";
import { type Point, plotPanels } from "./plot";

const drawn = 4000;
const extent = 2.2;
const seed = 1;

const schedule = ddpmSchedule({ betaSchedule: "scaled_linear", betaStart: 0.00085, betaEnd: 0.012 });
const angles = Array.from({ length: 6 }, (_, k) => (2 * Math.PI * k) / 6);
const teacher = gaussianMixtureModel({
  weights: [1, 2, 1, 2, 1, 2],
  means: angles.map((angle) => [1.4 * Math.cos(angle), 1.4 * Math.sin(angle)]),
  variances: angles.map(() => 0.02),
  schedule,
  predicts: "eps",
});
const network = (name: string) =>
  mlp({ dim: 2, hidden: 64, depth: 3 }, { name, schedule, predicts: "eps", weights: randomStream(seed) });

const stream = randomStream(seed);

await runProgram(async () => {
  const values = commandLine(process.argv.slice(2), { backend: { type: "string" }, out: { type: "string" } });
  const backend = choice("backend", values.backend, "wasm", backends);
  const out = values.out === undefined ? projectPath("runs/plane") : userPath("out", values.out);
  makeFolder(out);
  lockFolder("out", out);
  await useBackend(backend);
  const student = network("student");
  await pretrain(student, 1500);

  const [fakeScore, oneStep, average] = [network("fake-score"), network("generator"), network("average")];
  for (const copy of [fakeScore, oneStep, average]) copyWeights(student, copy);
  const generator = generatorFrom(oneStep);
  const ema = { target: generatorFrom(average), halfLife: 5_000, rampUp: null };

  const real = teacher.sample(stream, teacher.components(stream, drawn));
  const before = await draw(ema.target);
  const iterations = 600;
  const started = performance.now();
  for await (const { iteration, deltaSquared } of distill({
    teacher,
    fakeScore,
    generator,
    ema,
    sampleShape: [2],
    batch: 256,
    iterations,
    learningRate: 1e-3,
    seed,
  }))
    if (iteration % 100 === 0)
      console.log(`iteration ${iteration}/${iterations}: mean ‖δ‖² ${deltaSquared.toFixed(4)}`);
  const seconds = (performance.now() - started) / 1000;
  const after = await draw(ema.target);

  const truth = await points(real);
  const floor = teacher.sample(stream, teacher.components(stream, drawn));
  const distances = {
    before: slicedWasserstein(before.flat(), truth.flat(), { dimension: 2 }),
    after: slicedWasserstein(after.flat(), truth.flat(), { dimension: 2 }),
    floor: slicedWasserstein((await points(floor)).flat(), truth.flat(), { dimension: 2 }),
  };
  const panels = { mixture: truth, before, after };
  await writeFileAtomic(join(out, "plane.svg"), await picture(panels, fakeScore));
  await writeFileAtomic(
    join(out, "report.json"),
    `${JSON.stringify({ slicedWasserstein: distances, seconds }, null, 2)}\n`,
  );
  console.log(
    `sliced Wasserstein distance to the mixture: ${distances.before.toFixed(3)} before, ${distances.after.toFixed(3)} after, ` +
      `${distances.floor.toFixed(3)} between two draws of the mixture; ${seconds.toFixed(1)} s of distillation. Picture: ${shown(join(out, "plane.svg"))}`,
  );
  dispose([real, floor]);
  for (const model of [student, fakeScore, oneStep, average]) model.dispose();
  if (!(distances.after < 0.25 * distances.before)) {
    console.error("The generator's law did not approach the mixture's: expected a quarter of the distance at most.");
    process.exitCode = 1;
  }
});

/** Fits `model` to the exact teacher's law by denoising samples of the mixture. */
async function pretrain(model: ScoreModel, steps: number): Promise<void> {
  const optimizer = adam(model.variables, { learningRate: 3e-3, beta1: 0.9 });
  for (let step = 0; step < steps; step++) {
    const t = stream.integers(256, 0, 1000);
    const level = noiseLevel(schedule, t);
    const x0 = teacher.sample(stream, teacher.components(stream, 256));
    const noise = stream.normal([256, 2]);
    const xt = addNoise({ x0, noise, level });
    const { value, gradients } = valueAndGradients(
      () => fakeScoreLoss({ prediction: model.predict(xt, t), generated: x0, noise, level }, { predicts: "eps" }),
      model.variables,
    );
    optimizer.step(gradients);
    dispose([x0, noise, xt, value, ...gradients]);
  }
  optimizer.dispose();
}

/** Points that the generator draws in one pass. */
async function draw(generator: GeneratorModel): Promise<Point[]> {
  const noise = stream.normal([drawn, 2]);
  const samples = generator.generate([noise]);
  noise.dispose();
  const result = await points(samples);
  samples.dispose();
  return result;
}

async function points(tensor: Tensor): Promise<Point[]> {
  const numbers = await tensor.data();
  return Array.from({ length: numbers.length / 2 }, (_, i) => [numbers[2 * i] ?? 0, numbers[2 * i + 1] ?? 0]);
}

/** The score field of a model at one time, on a grid; scaled by σ so that arrows are of order 1. */
async function field(model: ScoreModel, t: number, colour: string) {
  const ticks = Array.from({ length: 17 }, (_, i) => extent * (-0.94 + (1.88 * i) / 16));
  const grid = ticks.flatMap((x) => ticks.map((y): Point => [x, y]));
  const vectors = tidy(() => {
    const xt = tensor2d(grid.map(([x, y]) => [x, y]));
    const times = grid.map(() => t);
    const level = noiseLevel(schedule, times);
    return convertPrediction({
      prediction: model.predict(xt, times),
      xt,
      level,
      predicts: model.predicts,
      to: "score",
    });
  });
  const { sigma } = noiseLevel(schedule, [t]);
  const arrows = (await points(vectors)).map(([x, y], i) => ({
    from: grid[i] ?? ([0, 0] as const),
    vector: [x * (sigma[0] ?? 1), y * (sigma[0] ?? 1)] as const,
    colour,
  }));
  vectors.dispose();
  return arrows;
}

async function picture(
  points: Record<"mixture" | "before" | "after", Point[]>,
  fakeScore: ScoreModel,
): Promise<string> {
  const [blue, grey, red] = ["#2563eb", "#9ca3af", "#dc2626"] as const;
  const few = (all: readonly Point[]) => all.slice(0, 1200);
  const t = 200;
  return plotPanels(
    [
      { title: "the mixture", dots: [{ points: few(points.mixture), colour: grey }] },
      { title: "one step before", dots: [{ points: few(points.before), colour: red }] },
      { title: "one step after", dots: [{ points: few(points.after), colour: blue }] },
      { title: `teacher's score, t = ${t}`, arrows: await field(teacher, t, grey) },
      { title: `generator's score, t = ${t}`, arrows: await field(fakeScore, t, blue) },
    ],
    extent,
  );
}
