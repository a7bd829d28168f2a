import { join } from "node:path";
import { randomStream, SidError } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import type { Reducer } from "sid-lsg/distributed";
import { writeFileAtomic } from "sid-lsg/io";
import { estimateMemory } from "sid-lsg/memory";
import type { GeneratorModel, TextConditioner } from "sid-lsg/models";
import type { LoraWeights, Vae } from "sid-lsg/models/sd";
import { type Divergence, distill, promptConditions } from "sid-lsg/train";
import { divergenceTable, divergenceText } from "../common/divergence";
import { makeFolder } from "../common/folders";
import { lockFolder } from "../common/lock";
import { shown } from "../common/paths";
import { interruptible, listen } from "../common/program";
import { startProgress } from "../common/progress";
import { isFirst, onRanks, threadsFor } from "../common/ranks";
import { readAdapter } from "./adapter";
import { describeRun } from "./describe";
import { arrange, decodePictures, encodePicture } from "./grid";
import { type ImageFolder, openImageFolder } from "./images/open";
import { imageFolderSource } from "./images/source";
import { openLog } from "./log";
import { loadParts, type OpenModel, openModel } from "./model";
import { makeNetworks, type Networks } from "./networks";
import type { DistillSettings } from "./options";
import { openPrompts, type Prompts } from "./prompts/open";
import { showPrompts } from "./prompts/show";
import { outputs, writeResult } from "./result";
import { checkResumed, checkStart, isBegun } from "./resume";
import { checkSpace, inUnits } from "./space";

/** Checks everything, distills, writes the result. Ctrl-C saves and stops. */
export async function runDistillation(settings: DistillSettings): Promise<void> {
  await onRanks(settings.ranks, (ranks) => runOn(settings, ranks));
}

async function runOn(settings: DistillSettings, ranks: Reducer | undefined): Promise<void> {
  const { out } = settings;
  checkStart(settings);
  await checkResumed(settings);
  console.log(describeRun(settings));
  const prompts = await openPrompts(settings.prompts, settings.captionKey);
  showPrompts(prompts);
  const images = await openImages(settings);
  const model = await openModel(settings.place);
  const change = settings.adapter === undefined ? undefined : await readAdapter(settings.adapter, model.configs.unet);
  checkTimes(model, settings);
  model.checkPrompts(prompts);
  makeFolder(outputs(out).samples);
  const release = isFirst(ranks) ? lockFolder("out", out) : () => {};
  try {
    checkStart(settings); // another run may have come and gone
    const { backend, arithmetic } = settings;
    await useBackend(backend, { ...arithmetic, ...(await threadsFor(settings.ranks, backend)) });
    await checkMemory(model, settings);
    await withNetworks({ settings, model, prompts, images, ranks }, change);
  } finally {
    release();
  }
}

/** Loads the networks, carries the run out, and frees them. */
async function withNetworks(opened: Opened, change: LoraWeights | undefined): Promise<void> {
  const { settings, model } = opened;
  const { out, recipe } = settings;
  const networks = await makeNetworks(model, settings, change);
  try {
    await checkSpace(out, networks, { beta1: recipe.adam.beta1, keep: settings.keep, others: model.otherBytes("f32") });
    const parts = await loadParts(model, ["text", "vae"], { weights: settings.frozenWeights });
    await carryOut({ ...opened, networks, ...parts }).finally(() => parts.dispose());
  } finally {
    networks.dispose();
  }
}

/** The run, once everything is loaded. */
async function carryOut(inputs: Inputs): Promise<void> {
  const { settings, model, networks, prompts, ranks } = inputs;
  const { out, dryRun } = settings;
  if (dryRun) {
    await distillation(inputs, { iterations: 0 });
    await ranks?.close();
    return console.log(`A dry run: ${prompts.length} prompts, all checks passed, nothing was trained.`);
  }
  if (isFirst(ranks) && !isBegun(settings)) await drawSamples(inputs, networks.generator, 0);
  const finished = await train(inputs);
  // What is left is rank 0's, and nobody waits for it.
  await ranks?.close();
  if (!finished || !isFirst(ranks)) return;
  const result = { network: networks.result, generator: settings.generator, output: settings.lora?.output ?? "merged" };
  const written = await interruptible("the generator is still being written", () => writeResult(out, model, result));
  console.log(
    `The generator is in ${written.map(shown).join(" and ")}, samples are in ${shown(outputs(out).samples)}.`,
  );
}

/** What is there before the first weight is loaded. */
interface Opened {
  readonly settings: DistillSettings;
  readonly model: OpenModel;
  readonly prompts: Prompts;
  /** For methods that learn from real images. */
  readonly images: ImageFolder | undefined;
  /** The other programs of this run. */
  readonly ranks: Reducer | undefined;
}

interface Inputs extends Opened {
  readonly networks: Networks;
  readonly text: TextConditioner;
  readonly vae: Vae;
}

async function openImages({ images, imageCaptionKey }: DistillSettings): Promise<ImageFolder | undefined> {
  if (images === undefined) return undefined;
  const folder = await openImageFolder(images, { captionKey: imageCaptionKey });
  console.log(`Real images: ${folder.description}.`);
  return folder;
}

/** Height and width of the latents. */
function sizeOf({ scale }: OpenModel, { resolution }: DistillSettings): [number, number] {
  return [resolution / scale, resolution / scale];
}

/** Throws for times that the model's schedule lacks. */
function checkTimes({ schedule }: OpenModel, { tMax, generator }: DistillSettings): void {
  const count = schedule.numTimesteps;
  if (tMax !== undefined && tMax > count)
    throw new Error(`--t-max is at most ${count}, the model's number of timesteps, got ${tMax}.`);
  if (generator.tInit >= count)
    throw new Error(`--t-init must be below ${count}, the model's number of timesteps, got ${generator.tInit}.`);
}

/** Tells what the run takes; throws where that is more than the WASM backend can hold. */
async function checkMemory(model: OpenModel, settings: DistillSettings): Promise<void> {
  const { recipe, lora, memory, microBatch, emaHalfLife, backend, generator, ranks } = settings;
  const { weights, peak } = await estimateMemory({
    ...{
      unet: model.configs.unet,
      size: sizeOf(model, settings),
      batch: microBatch / (ranks?.size ?? 1),
      tokens: model.tokenizer.maxLength,
      ...(ranks && { ranks: ranks.size, shardOptimizer: ranks.shardOptimizer }),
    },
    ...{ method: settings.method, backward: recipe.backward, beta1: recipe.adam.beta1, ema: emaHalfLife > 0 },
    ...{
      ...memory,
      generator,
      frozenWeights: settings.frozenWeights,
      lora: lora && { rank: lora.rank, networks: lora.networks },
    },
  });
  const others = model.otherBytes(settings.frozenWeights);
  const most = peak + others;
  console.log(
    `Memory: about ${inUnits(most)} at most, ${inUnits(weights)} of it U-Nets' weights, ` +
      `${inUnits(others)} those of the text encoder and the VAE.`,
  );
  if (backend === "wasm" && most > 2 ** 32)
    throw new Error(
      "The wasm backend holds at most 4.29 GB. Take --backend webgpu or node-gpu, or try --gradient-checkpointing, --lora-rank and a lower --resolution.",
    );
}

/** The run as `distill` wants it. */
function distillation(inputs: Inputs, over: { readonly iterations?: number; readonly signal?: AbortSignal }) {
  const { settings, model, networks, text, vae, prompts, images, ranks } = inputs;
  const { teacher, fakeScore, discriminator, generator, average } = networks;
  const { recipe, checkpointEvery, snapshotEvery, emaHalfLife: halfLife, emaRamp: rampUp } = settings;
  const { resume, keep, allowOtherArithmetic } = settings;
  return distill({
    ...recipe,
    ...{ teacher, fakeScore, discriminator, generator, ema: average && { target: average, halfLife, rampUp } },
    sampleShape: [...sizeOf(model, settings), model.configs.unet.inChannels],
    accumulationRounds: recipe.batch / settings.microBatch,
    ...(ranks && {
      distributed: ranks,
      checkRanks: settings.ranks?.checkRanks,
      shardOptimizer: settings.ranks?.shardOptimizer,
    }),
    method: settings.method,
    conditions: promptConditions({ prompts, conditioner: text }),
    images: images && imageFolderSource(images, { vae, conditioner: text, size: settings.resolution }),
    checkpoint: {
      path: outputs(settings.out).checkpoint,
      every: checkpointEvery,
      ...{ keep, resume, allowOtherArithmetic },
    },
    snapshots: { every: snapshotEvery, run: (shot) => drawSamples(inputs, shot.generator, shot.iteration) },
    ...over,
  });
}

/** Trains with a progress line and a log; false when Ctrl-C stopped it. */
async function train(inputs: Inputs): Promise<boolean> {
  const { recipe, method, out, checkpointEvery, ranks } = inputs.settings;
  const { iterations } = recipe;
  const log = isFirst(ranks) ? openLog(outputs(out).log) : undefined;
  const progress = startProgress("distilling", iterations);
  let iteration = 0;
  let stopped = false;
  let saved: number | undefined;
  let last: Divergence | undefined;
  const run = async (signal: AbortSignal) => {
    console.log(`Ctrl-C stops and saves; --resume goes on. Checkpoints are ${shown(outputs(out).checkpoint)}.`);
    const job = distillation(inputs, { signal });
    for await (const metrics of job) {
      if (iteration === 0 && metrics.iteration > 1) saved = metrics.iteration - 1;
      iteration = metrics.iteration;
      if (iteration % checkpointEvery === 0) saved = iteration;
      const { divergence, fakeLoss, generatorLoss, droppedSamples } = metrics;
      last = divergence;
      const kl = divergence && { KL: divergenceText(divergence) };
      const figures = method.fakeScore ? { ...kl, "fake loss": fakeLoss } : { "generator loss": generatorLoss };
      progress.update(iteration, { ...figures, "NaN samples": droppedSamples === 0 ? undefined : droppedSamples });
      await log?.add(metrics);
    }
    // Another rank may have been asked.
    stopped = (await job).ended === "signal";
  };
  try {
    // A launcher that has lost a rank asks the others, and soon kills them.
    const before = () =>
      ranks && saved !== undefined ? `; until then the last checkpoint is of iteration ${saved}` : "";
    await interruptible(() => `stopping after this iteration, then the run is saved${before()}`, run);
  } catch (error) {
    if (!(error instanceof SidError && error.code === "aborted")) throw error;
    stopped = true;
  } finally {
    progress.finish();
  }
  if (last) console.log(divergenceTable(last).join("\n"));
  if (!stopped || iteration === iterations) return true;
  console.log(
    iteration > 0
      ? `Stopped; the run is saved at iteration ${iteration}. Go on with --resume and the same options.`
      : "Stopped before an iteration was done; nothing new was saved.",
  );
  return false;
}

/** Writes a grid of samples: the first prompts, with the same noise each time. */
async function drawSamples(inputs: Inputs, generator: GeneratorModel, iteration: number): Promise<void> {
  const { settings, model, text, vae, prompts } = inputs;
  const stream = randomStream(settings.recipe.seed);
  const shape = [1, ...sizeOf(model, settings), model.configs.unet.inChannels];
  const pictures = [];
  for (let i = 0; i < settings.samples; i++) {
    const cond = text.encode([prompts.get(i % prompts.length)]);
    const noises = Array.from({ length: generator.steps }, () => stream.normal(shape));
    const latents = generator.generate(noises, cond);
    pictures.push(...(await decodePictures(vae, latents)));
    for (const tensor of [cond, latents, ...noises]) tensor.dispose();
    await listen();
  }
  const path = join(outputs(settings.out).samples, `${String(iteration).padStart(6, "0")}.png`);
  await writeFileAtomic(path, encodePicture(arrange(pictures, Math.ceil(Math.sqrt(settings.samples)))));
}
