import { tidy, tile } from "@tensorflow/tfjs-core";
import { type RandomStream, randomStream } from "sid-lsg";
import { encodePng } from "./canvas";
import { heldOutPairs, pairOf } from "./captions";
import type { Draw } from "./methods";
import { type Block, drawGrid } from "./picture";
import { imageShape } from "./pixels";

const columns = 5;

const prompts = [
  "a red seven",
  "the digit 3 in emerald",
  "a purple two",
  "9 in ivory",
  "a yellow zero",
  "the number 5 in cobalt",
  "a cyan six",
  "a blue four",
  "an orange eight",
  "a scarlet five",
];

/** Prompts from top to bottom, methods side by side, as a PNG: every method gets the same noise. */
export async function drawSamples(methods: Readonly<Record<string, Draw>>): Promise<Uint8Array> {
  const blocks: Block[] = [];
  for (const [title, draw] of Object.entries(methods)) {
    blocks.push({ title, images: await drawPrompts(draw, prompts, columns, randomStream(7)) });
  }
  return encodePng(drawGrid(prompts.map(labelled), blocks));
}

/** `count` images of each prompt, from the same `count` noises for every prompt. */
export async function drawPrompts(
  draw: Draw,
  prompts: readonly string[],
  count: number,
  stream: RandomStream,
): Promise<Float32Array[][]> {
  const images = tidy(() => {
    const noise = stream.normal([count, ...imageShape]);
    const captions = prompts.flatMap((prompt) => Array<string>(count).fill(prompt));
    return draw(captions, tile(noise, [prompts.length, 1, 1, 1]));
  });
  const numbers = await images.data<"float32">();
  images.dispose();
  const size = numbers.length / (prompts.length * count);
  return prompts.map((_, row) =>
    Array.from({ length: count }, (_, i) => numbers.slice((row * count + i) * size, (row * count + i + 1) * size)),
  );
}

/** Marks pairs that no training saw. */
function labelled(prompt: string): string {
  const { digit, colour } = pairOf(prompt);
  const isHeldOut = heldOutPairs.some((pair) => pair.digit === digit && pair.colour === colour);
  return isHeldOut ? `${prompt} *` : prompt;
}
