import { type Tensor, tidy, tile } from "@tensorflow/tfjs-core";
import { type RandomStream, randomStream } from "sid-lsg";
import { type Canvas, encodePng } from "./canvas";
import type { Draw } from "./methods";
import { drawGrid, type Row } from "./picture";
import { type PictureFormat, pixelByte, sampleShape } from "./picture-format";
import type { RealPictures, World } from "./world";

/** What pictures need of a world. */
export type PicturesOf = Pick<World, "pictures" | "prompts" | "sceneOf" | "isHeldOut">;

/** What `samples.png` compares. */
export type Compared = Readonly<Record<"teacher50Guided" | "teacher1" | "generator", Draw>>;

/** The noises of every method; the first ones are the same. */
const seed = 7;

/** `samples.png`: the world's prompts from top to bottom, real pictures and methods side by side. */
export async function drawSamples(
  world: PicturesOf,
  drawReal: RealPictures["draw"],
  methods: Compared,
): Promise<Uint8Array> {
  const { prompts, pictures } = world;
  const draw = (method: Draw, count: number) => drawPrompts(pictures, method, prompts, count, randomStream(seed));
  const real = await drawRealPictures(world, drawReal, prompts, 2, randomStream(seed));
  const blocks = [
    { title: "real", note: "pictures", pictures: real ?? [] },
    { title: "teacher", note: "50 steps, guided", pictures: await draw(methods.teacher50Guided, 3) },
    { title: "teacher", note: "1 step", pictures: await draw(methods.teacher1, 2) },
    { title: "generator", note: "1 step", isSubject: true, pictures: await draw(methods.generator, 5) },
  ] as const;
  return encodePng(drawGrid(pictures, rowsOf(world, prompts), real ? blocks : blocks.slice(1)));
}

/** A caption of the user's: many times by the generator, real pictures beside where the world has such. */
export async function drawCaption(
  world: PicturesOf,
  drawReal: RealPictures["draw"],
  caption: string,
  generator: Draw,
  seed: number,
): Promise<Uint8Array> {
  const drawn = await drawPrompts(world.pictures, generator, [caption], 8, randomStream(seed));
  const real = await drawRealPictures(world, drawReal, [caption], 2, randomStream(seed));
  const blocks = [
    { title: "generator", note: "1 step", isSubject: true, pictures: drawn },
    { title: "real", note: "pictures", pictures: real ?? [] },
  ] as const;
  return encodePng(drawGrid(world.pictures, rowsOf(world, [caption]), real ? blocks : blocks.slice(0, 1)));
}

/** `count` pictures of each prompt, from the same `count` noises for every prompt. */
export async function drawPrompts(
  format: PictureFormat,
  draw: Draw,
  prompts: readonly string[],
  count: number,
  stream: RandomStream,
): Promise<Canvas[][]> {
  const pictures = tidy(() => {
    const noise = stream.normal([count, ...sampleShape(format)]);
    return draw(repeated(prompts, count), tile(noise, [prompts.length, 1, 1, 1]));
  });
  return inRows(await toBytes(pictures, format), count);
}

/** A picture of each prompt, each from a noise of its own. */
export async function drawEach(
  format: PictureFormat,
  draw: Draw,
  prompts: readonly string[],
  stream: RandomStream,
): Promise<Canvas[]> {
  return toBytes(
    tidy(() => draw(prompts, stream.normal([prompts.length, ...sampleShape(format)]))),
    format,
  );
}

/** `count` real pictures of each prompt; undefined where one of them is nothing that the world has. */
export async function drawRealPictures(
  { pictures, sceneOf }: PicturesOf,
  drawReal: RealPictures["draw"],
  prompts: readonly string[],
  count: number,
  stream: RandomStream,
): Promise<Canvas[][] | undefined> {
  const scenes = prompts.map((prompt) => sceneOf(prompt)).filter((scene) => scene !== undefined);
  if (scenes.length < prompts.length) return undefined;
  return inRows(await toBytes(drawReal(repeated(scenes, count), stream), pictures), count);
}

/** What screens show of standardised pictures `[B, size, size, 3]`, which are disposed of. */
async function toBytes(pictures: Tensor, format: PictureFormat): Promise<Canvas[]> {
  const { size } = format;
  const numbers = await pictures.data<"float32">().finally(() => pictures.dispose());
  const bytes = Uint8Array.from(numbers, (value) => pixelByte(value, format));
  const each = size * size * 3;
  return Array.from({ length: bytes.length / each }, (_, i) => ({
    width: size,
    height: size,
    data: bytes.slice(i * each, (i + 1) * each),
  }));
}

function rowsOf({ sceneOf, isHeldOut }: PicturesOf, prompts: readonly string[]): Row[] {
  return prompts.map((caption) => {
    const scene = sceneOf(caption);
    return { caption, isHeldOut: scene !== undefined && isHeldOut(scene) };
  });
}

function repeated<T>(items: readonly T[], count: number): T[] {
  return items.flatMap((item) => Array<T>(count).fill(item));
}

function inRows<T>(items: readonly T[], count: number): T[][] {
  return Array.from({ length: items.length / count }, (_, row) => items.slice(row * count, (row + 1) * count));
}
