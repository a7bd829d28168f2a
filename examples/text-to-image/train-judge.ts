import {
  add,
  image,
  logSoftmax,
  mean,
  mul,
  neg,
  oneHot,
  type Scalar,
  sub,
  sum,
  type Tensor2D,
  type Tensor4D,
  tensor1d,
  tensor4d,
  tidy,
} from "@tensorflow/tfjs-core";
import { type HostTensor, type RandomStream, randomStream, valueAndGradients, type WeightMap } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { decodeSafetensors, encodeSafetensors, writeSafetensors } from "sid-lsg/io";
import { adam } from "sid-lsg/train";
import { shown } from "../common/paths";
import { runProgram } from "../common/program";
import { startProgress } from "../common/progress";
import { type ClassifierConfig, createClassifier, type Heads, judgeConfig } from "./classifier";
import { type DrawLabelled, examineJudge, type Labelled, soften } from "./examine-judge";
import type { RealPictures, World } from "./world";

/** How a judge is trained. */
export interface JudgeRecipe {
  readonly iterations: number;
  readonly batch: number;
  /** At the start; it falls to 0 down a cosine. */
  readonly learningRate: number;
  readonly seed: number;
  /** Pictures to learn from, and others to examine on, where the world's are not one and the same set of all. */
  readonly real?: { readonly learn: RealPictures; readonly examine: RealPictures };
}

/** Share of the held-out pairs among all pairs, in each world. */
const heldOutShare = 1 / 8;

/** The program that trains a world's judge on real pictures of all pairs, examines it, and writes it. */
export async function runJudgeTraining(world: World, recipe: JudgeRecipe): Promise<void> {
  await runProgram(async () => {
    await useBackend("auto");
    const all = world.loadPictures();
    const { learn, examine } = recipe.real ?? { learn: all, examine: all };
    const drawFrom =
      (real: RealPictures): DrawLabelled =>
      (count, stream) => {
        const heldOut = Math.round(heldOutShare * count);
        const groups = [
          world.drawScenes("trained", count - heldOut, stream),
          world.drawScenes("heldOut", heldOut, stream),
        ];
        const scenes = groups.flat();
        return { scenes, pictures: real.draw(scenes, stream) };
      };
    const config = judgeConfig(world.pictures.size, world.aspects);
    const weights = await trainJudge(config, drawFrom(learn), recipe);
    // What is examined is what others will read.
    const judge = createClassifier(config, decodeSafetensors(encodeSafetensors(weights)).tensors);
    const examinations = await examineJudge(judge, drawFrom(examine));
    judge.dispose();
    for (const [hardship, { figures, mistakes }] of Object.entries(examinations))
      console.log(`${hardship}: ${figures}.${mistakes.length > 0 ? ` Misread: ${mistakes.join(", ")}.` : ""}`);
    const metadata = Object.entries(examinations).map(([hardship, { figures }]) => [hardship, figures]);
    await writeSafetensors(world.judgeFile, weights, Object.fromEntries(metadata));
    console.log(`Wrote ${shown(world.judgeFile)}.`);
  });
}

/** The largest deviations of noise and of blotches: a judge must stand a generator's small errors. */
const [mostNoise, mostBlotch] = [0.4, 0.3];
/** What it learns to read beside, in bins, and forgets at the end: so its features, and the distance, see such flaws. */
const flaws = { noise: ["0", "1", "2", "3"], softness: ["0", "1", "2", "3"] } as const;
/** Of their loss: more would make the distance see little else. */
const flawWeight = 0.3;

/** Trains a judge on real pictures, spoilt ones among them; its weights in half precision. */
async function trainJudge(
  config: ClassifierConfig,
  draw: DrawLabelled,
  { iterations, batch, learningRate, seed }: JudgeRecipe,
): Promise<WeightMap> {
  const stream = randomStream(seed);
  const heads: Heads = { ...config.heads, ...flaws };
  const judge = createClassifier({ ...config, heads }, stream);
  const rate = (step: number) => learningRate * 0.5 * (1 + Math.cos((Math.PI * step) / iterations));
  const optimizer = adam(judge.variables, { learningRate: rate, beta1: 0.9 });
  const progress = startProgress("training the judge", iterations);
  for (let i = 1; i <= iterations; i++) {
    const { pictures, scenes } = spoil(draw(batch, stream), stream);
    const { value, gradients } = valueAndGradients(() => {
      const losses = Object.entries(judge.logits(pictures)).map(([aspect, scores]) => {
        const ids = scenes.map((scene) => (heads[aspect] as readonly string[]).indexOf(scene[aspect] as string));
        return mul(crossEntropy(scores, ids), aspect in flaws ? flawWeight : 1) as Scalar;
      });
      return losses.reduce((a, b) => add(a, b));
    }, judge.variables);
    optimizer.step(gradients);
    progress.update(i, { loss: (await value.data())[0] });
    for (const tensor of [pictures, value, ...gradients]) tensor.dispose();
  }
  progress.finish();
  const weights = await judge.weights();
  optimizer.dispose();
  judge.dispose();
  return halved(weights);
}

/** Pictures each softened by a share of its own, with blotches and noise of a deviation of its own; the scenes tell. */
function spoil({ pictures, scenes }: Labelled, stream: RandomStream): Labelled {
  const [count, side] = pictures.shape;
  const [noise, soft, blotch] = [0, 1, 2].map(() => stream.uniform(count)) as [number[], number[], number[]];
  const scale = (values: number[]) => tensor4d(values, [count, 1, 1, 1]);
  const worse = tidy(() => {
    const softness = scale(soft.map((u) => Math.max(0, 2 * u - 1)));
    const softened = add(pictures, mul(softness, sub(soften(pictures), pictures)));
    const coarse = stream.normal([count, Math.ceil(side / 3), Math.ceil(side / 3), 3]) as Tensor4D;
    const blotches = mul(scale(blotch.map((u) => mostBlotch * u)), image.resizeNearestNeighbor(coarse, [side, side]));
    const fine = mul(scale(noise.map((u) => mostNoise * u)), stream.normal(pictures.shape));
    return add(add(softened, blotches), fine) as Tensor4D;
  });
  pictures.dispose();
  const bin = (u: number | undefined) => String(Math.floor(4 * (u as number)));
  return {
    pictures: worse,
    scenes: scenes.map((scene, i) => ({ ...scene, noise: bin(noise[i]), softness: bin(soft[i]) })),
  };
}

/** `−log p` of the right class, mean over the batch. */
function crossEntropy(logits: Tensor2D, classes: readonly number[]): Scalar {
  return tidy(() => {
    const right = oneHot(tensor1d([...classes], "int32"), logits.shape[1]);
    return neg(mean(sum(mul(right, logSoftmax(logits)), 1))) as Scalar;
  });
}

/** In half precision, without what reads the flaws: their heads stand last. */
function halved(weights: WeightMap): WeightMap {
  const last = Object.values(flaws).flat().length;
  const tensors = [...weights].map(([name, { shape, data }]): [string, HostTensor] => {
    const columns = shape.at(-1) as number;
    const kept = name.startsWith("heads.") ? columns - last : columns;
    const values = (data as Float32Array).filter((_, i) => i % columns < kept);
    return [name, { dtype: "F16", shape: [...shape.slice(0, -1), kept], data: values }];
  });
  return new Map(tensors);
}
