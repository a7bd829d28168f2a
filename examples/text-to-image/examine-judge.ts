import { add, clone, depthwiseConv2d, mirrorPad, mul, type Tensor4D, tensor4d, tidy } from "@tensorflow/tfjs-core";
import { type RandomStream, randomStream } from "sid-lsg";
import { featureStatistics, frechetDistance } from "sid-lsg/metrics";
import type { Classifier } from "./classifier";
import type { Scene } from "./world";

/** Real pictures, standardised, with what each shows. */
export interface Labelled {
  readonly pictures: Tensor4D;
  readonly scenes: readonly Scene[];
}
export type DrawLabelled = (count: number, stream: RandomStream) => Labelled;

/** What a judge made of pictures whose scenes are known. */
export interface Examination {
  /** Shares of right readings, and the Fréchet distance of 512 of the pictures to 4,096 clean ones. */
  readonly figures: string;
  /** What was misread, the most frequent first: "big own moon: yellow (3)". */
  readonly mistakes: readonly string[];
}

type Spoil = (pictures: Tensor4D, stream: RandomStream) => Tensor4D;

/** What is done to real pictures before the judge sees them; deviations are of standardised pictures. */
const hardships: Readonly<Record<string, Spoil>> = {
  clean: (pictures) => clone(pictures),
  "noise 0.1": noisy(0.1),
  "noise 0.2": noisy(0.2),
  "noise 0.3": noisy(0.3),
  soft: soften,
  "soft, noise 0.1": (pictures, stream) => tidy(() => noisy(0.1)(soften(pictures), stream)),
};

const [few, many, batch] = [512, 4096, 128];

/** Examines a judge on 4,096 fresh real pictures under each hardship. */
export async function examineJudge(judge: Classifier, draw: DrawLabelled): Promise<Record<string, Examination>> {
  const width = judge.config.features;
  const clean = await see(judge, draw, (pictures) => clone(pictures), randomStream(11));
  const reference = featureStatistics(clean.features, width);
  const examinations: Record<string, Examination> = {};
  for (const [name, spoil] of Object.entries(hardships)) {
    const { scenes, readings, features } = await see(judge, draw, spoil, randomStream(12));
    const isWrong = (aspect: string, i: number) => readings[i]?.[aspect] !== scenes[i]?.[aspect];
    const aspects = Object.keys(judge.config.heads);
    const share = (isRight: (i: number) => boolean) => (scenes.filter((_, i) => isRight(i)).length / many).toFixed(4);
    const shares = aspects.map((aspect) => `${aspect} ${share((i) => !isWrong(aspect, i))}`);
    const all = share((i) => !aspects.some((aspect) => isWrong(aspect, i)));
    const distance = frechetDistance(featureStatistics(features.subarray(0, few * width), width), reference);
    const mistakes = scenes.flatMap((scene, i) => {
      const wrong = aspects.filter((aspect) => isWrong(aspect, i)).map((aspect) => readings[i]?.[aspect]);
      return wrong.length === 0 ? [] : `${Object.values(scene).reverse().join(" ")}: ${wrong.join(" ")}`;
    });
    examinations[name] = {
      figures: `${shares.join(", ")}, all ${all}, distance ${distance.toFixed(1)}`,
      mistakes: tally(mistakes),
    };
  }
  return examinations;
}

/** Binomial 3×3 blur; the outermost pixels are repeated outside. */
export function soften(pictures: Tensor4D): Tensor4D {
  return tidy(() => {
    const row = [1, 2, 1];
    const weights = row.flatMap((a) => row.flatMap((b) => [a, a, a].map((c) => (c * b) / 16)));
    const margins: [number, number][] = [
      [0, 0],
      [1, 1],
      [1, 1],
      [0, 0],
    ];
    return depthwiseConv2d(mirrorPad(pictures, margins, "symmetric"), tensor4d(weights, [3, 3, 3, 1]), 1, "valid");
  });
}

function noisy(deviation: number): Spoil {
  return (pictures, stream) => tidy(() => add(pictures, mul(stream.normal(pictures.shape), deviation)));
}

async function see(judge: Classifier, draw: DrawLabelled, spoil: Spoil, stream: RandomStream) {
  const features = new Float32Array(many * judge.config.features);
  const [scenes, readings]: [Scene[], Scene[]] = [[], []];
  for (let from = 0; from < many; from += batch) {
    const drawn = draw(batch, stream);
    const pictures = spoil(drawn.pictures, stream);
    const verdict = await judge.judge(pictures);
    for (const tensor of [drawn.pictures, pictures]) tensor.dispose();
    features.set(verdict.features, from * judge.config.features);
    scenes.push(...drawn.scenes);
    const aspects = Object.entries(verdict.read);
    for (let i = 0; i < batch; i++)
      readings.push(Object.fromEntries(aspects.map(([aspect, values]) => [aspect, values[i] as string])));
  }
  return { scenes, readings, features };
}

function tally(lines: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([line, count]) => `${line} (${count})`);
}
