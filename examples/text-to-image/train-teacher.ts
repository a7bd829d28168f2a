import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { mean, mul, type Scalar, square, sub, type Tensor, tensor, tidy, type Variable } from "@tensorflow/tfjs-core";
import {
  addNoise,
  type HostTensor,
  noiseLevel,
  predictionTarget,
  type RandomStream,
  randomStream,
  valueAndGradients,
  type WeightMap,
} from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { type JsonObject, readSafetensors, writeSafetensors } from "sid-lsg/io";
import {
  clipTextEncoder,
  copyWeights,
  parseClipTextConfig,
  parseUnetConfig,
  patchify,
  readWeights,
  type TextConditioner,
  unet,
} from "sid-lsg/models";
import { scheduleFromConfig } from "sid-lsg/schedules";
import { type Adam, type AdamOptions, adam, updateEma } from "sid-lsg/train";
import { commandLine } from "../common/command-line";
import { makeFolder } from "../common/folders";
import { lockFolder } from "../common/lock";
import { projectPath, shown } from "../common/paths";
import { interruptible, listen, runProgram } from "../common/program";
import { startProgress } from "../common/progress";
import { withTokenizer } from "./model-folder";
import type { World } from "./world";
import { writeFolder } from "./write-folder";

/** How a teacher is trained. */
export interface TeacherRecipe {
  readonly unetConfig: JsonObject;
  readonly textConfig: JsonObject;
  readonly schedulerConfig: JsonObject;
  readonly backend: "wasm" | "node";
  readonly iterations: number;
  readonly batch: number;
  readonly optimizer: AdamOptions;
  /** Of the averaged weights, which are those that are kept. */
  readonly emaDecay: number;
  readonly saveEvery: number;
  readonly seed: number;
}

/** Where a run keeps its checkpoint and the teacher so far, and what stops it. */
interface TeacherRun {
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Share of captions that become "", so that the teacher also knows the unconditional score. */
const captionDropout = 0.1;

type Network = ReturnType<typeof createNetwork>;

/** The program that trains a world's teacher: it saves itself and goes on from there. */
export async function runTeacherTraining(world: World, recipe: TeacherRecipe): Promise<void> {
  await runProgram(async () => {
    commandLine(process.argv.slice(2), {});
    const folder = projectPath(`${world.out}-teacher`);
    makeFolder(folder);
    lockFolder("out", folder);
    await useBackend(recipe.backend, { compile: recipe.backend === "node" });
    const done = await interruptible("stopping after this iteration, then the run is saved", (signal) =>
      trainTeacher(world, recipe, { folder, signal }),
    );
    if (done === recipe.iterations) console.log(`Wrote ${shown(world.teacherFolder)}.`);
    else console.log(`Stopped after ${done} iterations, saved in ${shown(folder)}; the same command goes on.`);
  });
}

/**
 * Trains to the end or the signal, from where the checkpoint is; returns the iterations done. The teacher so far is
 * `teacher/` beside the checkpoint; the world's own gives way to the finished one only.
 */
export async function trainTeacher(world: World, recipe: TeacherRecipe, run: TeacherRun): Promise<number> {
  const { iterations, saveEvery, emaDecay, unetConfig, textConfig, schedulerConfig } = recipe;
  const { folder, signal } = run;
  const checkpoint = join(folder, "checkpoint.safetensors");
  const name = nameOf(world, recipe);
  const real = world.loadPictures();
  const draw = (stream: RandomStream) => {
    const scenes = world.drawScenes("trained", recipe.batch, stream);
    const captions = scenes.map((scene) => world.caption(scene, stream));
    return { captions, x0: tidy(() => patchify(real.draw(scenes, stream), world.pictures.patch_size)) };
  };
  let stream = randomStream(recipe.seed);
  const network = createNetwork(world, recipe, "trained", stream);
  const average = createNetwork(world, recipe, "average", stream);
  const optimizer = adam(network.variables, recipe.optimizer);
  const state = { network: network.variables, average: average.variables };
  const write = async (to: string) =>
    writeFolder(to, {
      unet: { config: unetConfig, weights: halves(await readWeights(average.unet)) },
      textEncoder: { config: textConfig, weights: halves(await readWeights(average.encoder)) },
      scheduler: schedulerConfig,
      words: world.words,
      pictures: world.pictures,
    });
  const progress = startProgress("training the teacher", iterations);
  let [done, smoothLoss] = [0, Number.NaN];
  try {
    copyWeights(network.unet, average.unet);
    copyWeights(network.encoder, average.encoder);
    if (existsSync(checkpoint)) [done, stream] = await resume(checkpoint, name, state, optimizer);
    while (done < iterations && !signal.aborted) {
      const { value, gradients } = denoisingLoss(network, draw(stream), stream);
      optimizer.step(gradients);
      done++;
      updateEma(average.variables, network.variables, Math.min(emaDecay, done / (done + 9)));
      const loss = (await value.data())[0] as number;
      for (const tensor of [value, ...gradients]) tensor.dispose();
      if (!Number.isFinite(loss)) throw new Error(`The loss of iteration ${done} is ${loss}; the last save is good.`);
      smoothLoss = Number.isNaN(smoothLoss) ? loss : smoothLoss + 0.02 * (loss - smoothLoss);
      progress.update(done, { loss: smoothLoss });
      if (done % saveEvery === 0 || done === iterations || signal.aborted) {
        await save(checkpoint, name, done, stream, state, optimizer);
        await write(join(folder, "teacher"));
      }
      await listen();
    }
    if (done === iterations) await write(world.teacherFolder);
  } finally {
    progress.finish();
    for (const used of [optimizer, network, average]) used.dispose();
  }
  return done;
}

/** What a run is, so that no other one goes on from its checkpoint; a rate that changes is told by some of its values. */
function nameOf({ words, pictures }: World, { optimizer, ...recipe }: TeacherRecipe): string {
  const { learningRate } = optimizer;
  const rates = [0, 0.5, 0.9].map((share) => Math.floor(share * recipe.iterations));
  const rate = typeof learningRate === "function" ? rates.map(learningRate) : learningRate;
  return JSON.stringify({ ...recipe, optimizer: { ...optimizer, learningRate: rate }, words, pictures });
}

/** Weights to be written in half precision. */
function halves(weights: WeightMap): WeightMap {
  return new Map([...weights].map(([name, tensor]) => [name, { ...tensor, dtype: "F16" }]));
}

/** A U-Net and a text encoder at a random start. */
function createNetwork({ words }: World, recipe: TeacherRecipe, name: string, weights: RandomStream) {
  const { unetConfig, textConfig, schedulerConfig } = recipe;
  const { schedule, predicts } = scheduleFromConfig(schedulerConfig);
  const made = unet(parseUnetConfig(unetConfig), { name: `${name}-unet`, schedule, predicts, weights });
  const encoder = clipTextEncoder(parseClipTextConfig(textConfig), { name: `${name}-text`, weights });
  // CLIP's small start of the word vectors suits a vocabulary of 49,408 words; with a few dozen, distinct ones learn far sooner.
  const [table] = encoder.variables;
  if (table) tidy(() => void table.assign(mul(table, 50)));
  const text: TextConditioner = withTokenizer(encoder, words);
  const dispose = () => {
    made.dispose();
    encoder.dispose();
  };
  return { schedule, unet: made, encoder, text, variables: [...made.variables, ...encoder.variables], dispose };
}

/** `‖f(x_t, t, caption) − target‖²`, mean over a fresh batch, in the network's own prediction; times are stratified. */
function denoisingLoss(
  { schedule, unet, text, variables }: Network,
  { x0, captions }: { readonly x0: Tensor; readonly captions: readonly string[] },
  stream: RandomStream,
) {
  const { predicts } = unet;
  const batch = captions.length;
  const kept = stream.uniform(batch).map((u, i) => (u < captionDropout ? "" : (captions[i] as string)));
  const t = stream.uniform(batch).map((u, i) => Math.floor(((i + u) / batch) * schedule.numTimesteps));
  const { xt, target } = tidy(() => {
    const noise = stream.normal(x0.shape);
    const at = { x0, noise, level: noiseLevel(schedule, t) };
    return { xt: addNoise(at), target: predictionTarget({ ...at, predicts }) };
  });
  const loss = (): Scalar => mean(square(sub(unet.predict(xt, t, text.encode(kept)), target)));
  const result = valueAndGradients(loss, variables);
  for (const tensor of [x0, xt, target]) tensor.dispose();
  return result;
}

type State = Readonly<Record<string, readonly Variable[]>>;

/** All tensors of a run by name. */
function tensorsOf(state: State, optimizer: Adam): [string, Tensor][] {
  return Object.entries({ ...state, moments: optimizer.state().moments }).flatMap(([name, all]) =>
    all.map((x, i): [string, Tensor] => [`${name}.${i}`, x]),
  );
}

async function save(
  path: string,
  run: string,
  done: number,
  stream: RandomStream,
  state: State,
  optimizer: Adam,
): Promise<void> {
  makeFolder(dirname(path));
  const tensors = tensorsOf(state, optimizer).map(async ([name, x]): Promise<[string, HostTensor]> => {
    return [name, { dtype: "F32", shape: x.shape, data: (await x.data()) as Float32Array }];
  });
  const progress = JSON.stringify({ done, stream: stream.state(), step: optimizer.state().step });
  await writeSafetensors(path, new Map(await Promise.all(tensors)), { run, progress });
}

async function resume(path: string, run: string, state: State, optimizer: Adam): Promise<[number, RandomStream]> {
  const { tensors, metadata } = await readSafetensors(path);
  if (metadata["run"] !== run)
    throw new Error(`${shown(path)} is of another recipe, words or pictures: move it away to begin anew.`);
  const { done, stream, step } = JSON.parse(metadata["progress"] ?? "null");
  tidy(() => {
    const read = tensorsOf(state, optimizer).map(([name, { shape }]) => {
      const found = tensors.get(name);
      if (found?.shape.join() !== shape.join())
        throw new Error(`${shown(path)} is damaged ("${name}"): move it away to begin anew.`);
      return tensor(found.data as Float32Array, [...shape]);
    });
    const variables = Object.values(state).flat();
    variables.forEach((v, i) => void v.assign(read[i] as Tensor));
    optimizer.restore({ step, moments: read.slice(variables.length) });
  });
  return [done, randomStream(stream)];
}
