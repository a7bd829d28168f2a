import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { dispose } from "@tensorflow/tfjs-core";
import { useBackend } from "sid-lsg/backends";
import { writeFileAtomic } from "sid-lsg/io";
import { type LoraWeights, lora } from "sid-lsg/models/sd";
import type { PromptSource } from "sid-lsg/train";
import { makeFolder } from "../common/folders";
import { lockFolder } from "../common/lock";
import { shown } from "../common/paths";
import { interruptible } from "../common/program";
import { startProgress } from "../common/progress";
import { readAdapter } from "./adapter";
import type { GenerateSettings } from "./generate-options";
import { arrange, decodePictures, encodePicture, readPicture } from "./grid";
import { enterJob, type Job } from "./job";
import { loadParts, type OpenModel, openModel } from "./model";
import { firstPrompts, listedPrompts, type PictureOrder, type Pictures, planPictures } from "./pictures";
import { openPrompts } from "./prompts/open";
import { showPrompts } from "./prompts/show";
import { makeSampler, type Sampling, samplingOf } from "./sampler";

const gridFile = "grid.png";

/** Draws the pictures that are asked for, each into a file of its own; memory does not grow with their number. */
export async function drawPictures(settings: GenerateSettings): Promise<void> {
  if (settings.prompt !== undefined) return draw(settings, listedPrompts(settings.prompt));
  const file = await openPrompts(settings.prompts as string, settings.captionKey);
  try {
    showPrompts(file);
    await draw(settings, file);
  } finally {
    file.close();
  }
}

async function draw(settings: GenerateSettings, all: PromptSource): Promise<void> {
  const { out, skipExisting } = settings;
  const prompts = firstPrompts(all, settings.first);
  const pictures = planPictures(prompts, settings);
  const sampling = samplingOf(settings);
  const model = await openModel(settings.place);
  const change = settings.adapter === undefined ? undefined : await readAdapter(settings.adapter, model.configs.unet);
  model.checkPrompts(prompts);
  makeFolder(out);
  const release = lockFolder("out", out);
  try {
    const isThere = ({ name }: PictureOrder) => existsSync(join(out, name));
    const there = count(pictures, isThere);
    if (there > 0 && !skipExisting)
      throw new Error(
        `--out: ${shown(out)} holds ${there} of these ${pictures.count} pictures; ` +
          "--skip-existing draws the others, or take another folder.",
      );
    await enterJob(out, jobOf(settings, sampling, prompts.fingerprint), skipExisting);
    if (there > 0) console.log(`${there} of ${pictures.count} pictures are there and stay.`);
    const missing = { pictures, wanted: pictures.count - there, isThere };
    if (missing.wanted > 0)
      await interruptible("stopping after these pictures", (signal) =>
        drawMissing(settings, { model, change, sampling }, missing, signal),
      );
    const own = count(pictures, isThere);
    if (own === pictures.count) await writeGrid(settings, pictures);
    console.log(account(settings, pictures, own));
  } finally {
    release();
  }
}

function jobOf({ place, adapter, resolution }: GenerateSettings, sampling: Sampling, prompts: string): Job {
  const { model, hub, variant } = place;
  return { model, hub, variant, adapter, resolution, prompts, ...sampling };
}

function count(pictures: Pictures, which: (picture: PictureOrder) => boolean): number {
  let found = 0;
  for (let i = 0; i < pictures.count; i++) found += Number(which(pictures.at(i)));
  return found;
}

interface Missing {
  readonly pictures: Pictures;
  readonly wanted: number;
  isThere(picture: PictureOrder): boolean;
}

/** What draws. */
interface Artist {
  readonly model: OpenModel;
  readonly change: LoraWeights | undefined;
  readonly sampling: Sampling;
}

/** Draws until all are there, or the signal comes. */
async function drawMissing(
  settings: GenerateSettings,
  { model, change, sampling }: Artist,
  missing: Missing,
  signal: AbortSignal,
): Promise<void> {
  const { out, resolution, batch } = settings;
  await useBackend(settings.backend, settings.arithmetic);
  const owned: { dispose(): void }[] = [];
  const own = <T extends { dispose(): void }>(x: T): T => {
    owned.unshift(x);
    return x;
  };
  const progress = startProgress("drawing", missing.wanted);
  try {
    const { unet, text, vae } = own(await loadParts(model, ["unet", "text", "vae"]));
    const network = change ? own(lora(unet, { name: "adapter", ...change })) : unet;
    const sampler = own(makeSampler(network, sampling, model, text));
    const shape = [1, resolution / model.scale, resolution / model.scale, model.configs.unet.inChannels];
    let done = 0;
    for (const orders of batches(missing, batch)) {
      const cond = text.encode(orders.map(({ prompt }) => prompt));
      const seeds = orders.map(({ seed }) => seed);
      const latents = sampler.sample(seeds, shape, cond);
      const drawn = await decodePictures(vae, latents).finally(() => dispose([cond, latents]));
      for (const [i, picture] of drawn.entries()) {
        await writeFileAtomic(join(out, (orders[i] as PictureOrder).name), encodePicture(picture));
        progress.update(++done);
      }
      if (signal.aborted) return;
    }
  } finally {
    progress.finish();
    for (const x of owned) x.dispose();
  }
}

/** The pictures that are not there, some at a time. */
function* batches({ pictures, isThere }: Missing, size: number): Generator<PictureOrder[]> {
  let batch: PictureOrder[] = [];
  for (let i = 0; i < pictures.count; i++) {
    const picture = pictures.at(i);
    if (isThere(picture)) continue;
    batch.push(picture);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** The first pictures in one: a row per prompt where each has a few, else a square. */
async function writeGrid({ out, grid }: GenerateSettings, pictures: Pictures): Promise<void> {
  const inGrid = shownInGrid(grid, pictures);
  if (inGrid === 0) return;
  const files = Array.from({ length: inGrid }, (_, i) => readPicture(join(out, pictures.at(i).name)));
  await writeFileAtomic(join(out, gridFile), encodePicture(arrange(files, columnsOf(pictures, inGrid))));
}

function shownInGrid(grid: number, pictures: Pictures): number {
  const most = Math.min(grid, pictures.count);
  const columns = columnsOf(pictures, most);
  return most < pictures.count && most > columns ? most - (most % columns) : most;
}

function columnsOf({ perPrompt }: Pictures, count: number): number {
  return perPrompt > 1 && perPrompt <= 16 ? perPrompt : Math.ceil(Math.sqrt(count));
}

/** What the folder holds in the end, as it is found there. */
function account({ out, grid }: GenerateSettings, pictures: Pictures, own: number): string {
  if (own < pictures.count)
    return `Stopped; ${own} of ${pictures.count} pictures are in ${shown(out)}. Go on with --skip-existing and the same options.`;
  const inGrid = shownInGrid(grid, pictures);
  const others = readdirSync(out).filter((name) => name.endsWith(".png") && name !== gridFile).length - own;
  return [
    `${own} ${own === 1 ? "picture is" : "pictures are"} in ${shown(out)}`,
    inGrid > 0 ? `; ${gridFile} shows ${inGrid === own ? "them" : `the first ${inGrid}`}` : "",
    others > 0 ? `; ${others} other pictures were there before` : "",
    ".",
  ].join("");
}
