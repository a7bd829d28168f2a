import { all, isFinite as isFiniteElement, type Tensor, type Tensor4D, tidy } from "@tensorflow/tfjs-core";
import { randomStream } from "sid-lsg";
import { type FeatureStatistics, featureStatistics, frechetDistance } from "sid-lsg/metrics";
import { messages } from "../common/messages";
import type { Classifier, Verdict } from "./classifier";
import { jackknifed, share } from "./intervals";
import type { Draw, Method } from "./methods";
import type { Row } from "./report";
import { type GroupName, groupNames, type RealPictures, type Scene, type Subject } from "./world";

/** Large batches: one picture at a time would spend its time in calls. */
const batch = 128;
/** Real pictures that a group's distances are taken to. */
const referencePictures = 4096;

/** Captions to measure on, and what the real pictures of such captions look like to the judge. */
export interface Group {
  readonly scenes: readonly Scene[];
  readonly captions: readonly string[];
  readonly reference: FeatureStatistics;
  /** The features behind it, `[4096, features]` row by row. */
  readonly referenceFeatures: Float32Array;
}

/** The judge, the real pictures, and the captions to measure on. */
export interface Measuring {
  readonly judge: Classifier;
  readonly real: RealPictures;
  /** Shape of a sample as the networks see it. */
  readonly sampleShape: readonly number[];
  readonly groups: Readonly<Record<GroupName, Group>>;
}

/** Captions of one group to measure on, `count` of them, the same ones in every run; judges the real pictures. */
export async function prepareGroup(
  subject: Subject,
  { judge, real }: Pick<Measuring, "judge" | "real">,
  name: GroupName,
  count: number,
): Promise<Group> {
  const i = groupNames.indexOf(name);
  const stream = randomStream(201 + i);
  const { features } = await judgeAll(judge, referencePictures, (from, to) =>
    real.draw(subject.drawScenes(name, to - from, stream), stream),
  );
  const words = randomStream(101 + i);
  const scenes = subject.drawScenes(name, count, words);
  const captions = scenes.map((scene) => subject.caption(scene, words));
  return {
    scenes,
    captions,
    reference: featureStatistics(features, judge.config.features),
    referenceFeatures: features,
  };
}

/** Accuracies and distance of what a method makes of a group's captions. */
export async function measure(
  measuring: Pick<Measuring, "judge" | "sampleShape">,
  group: Group,
  method: Method,
): Promise<Row> {
  const verdict = await judgeMethod(measuring, group, method.draw);
  return row(verdict, group, method.networkPasses, measuring.judge.config.features);
}

/** The row of real pictures of the group's scenes. */
export async function measureReal(measuring: Pick<Measuring, "judge" | "real">, group: Group): Promise<Row> {
  return row(await judgeReal(measuring, group), group, 0, measuring.judge.config.features);
}

/** What the judge sees in a method's pictures of a group's captions, from the same noise for every method. */
export function judgeMethod(
  { judge, sampleShape }: Pick<Measuring, "judge" | "sampleShape">,
  { captions }: Group,
  draw: Draw,
): Promise<Judged> {
  const stream = randomStream(103);
  return judgeAll(judge, captions.length, (from, to) =>
    tidy(() => draw(captions.slice(from, to), stream.normal([to - from, ...sampleShape]))),
  );
}

/** What it sees in real pictures of the group's scenes. */
export function judgeReal({ judge, real }: Pick<Measuring, "judge" | "real">, { scenes }: Group): Promise<Judged> {
  const stream = randomStream(104);
  return judgeAll(judge, scenes.length, (from, to) => real.draw(scenes.slice(from, to), stream));
}

/** What the judge sees in many pictures. */
export interface Judged extends Verdict {
  /** Whether all of them are finite: it may read something in one that is not. */
  readonly isWhole: boolean;
}

/** Judges `count` pictures that come in batches. */
async function judgeAll(judge: Classifier, count: number, make: (from: number, to: number) => Tensor): Promise<Judged> {
  const features = new Float32Array(count * judge.config.features);
  const read: Record<string, string[]> = {};
  let isWhole = true;
  for (let from = 0; from < count; from += batch) {
    const pictures = make(from, Math.min(count, from + batch)) as Tensor4D;
    const verdict = await judge.judge(pictures);
    isWhole &&= await allFinite(pictures);
    pictures.dispose();
    features.set(verdict.features, from * judge.config.features);
    for (const [aspect, values] of Object.entries(verdict.read)) read[aspect] = [...(read[aspect] ?? []), ...values];
    await messages();
  }
  return { read, features, isWhole };
}

async function allFinite(pictures: Tensor4D): Promise<boolean> {
  const flag = tidy(() => all(isFiniteElement(pictures)));
  try {
    return (await flag.data())[0] === 1;
  } finally {
    flag.dispose();
  }
}

function row({ read, features }: Verdict, group: Group, networkPasses: number, width: number): Row {
  const { scenes, reference } = group;
  const { byAspect, all } = countRight(read, scenes);
  return {
    right: Object.fromEntries(Object.entries(byAspect).map(([aspect, hits]) => [aspect, share(hits, scenes.length)])),
    allRight: share(all, scenes.length),
    frechetDistance: jackknifed(features, width, (some) => distance(some, reference)),
    pictures: scenes.length,
    networkPasses,
  };
}

/** In how many pictures the judge reads an aspect as the scene's, and in how many it reads all of them so. */
export function countRight(read: Verdict["read"], scenes: readonly Scene[]) {
  const isRight = (aspect: string, i: number) => scenes[i]?.[aspect] === read[aspect]?.[i];
  const aspects = Object.keys(read);
  const count = (test: (i: number) => boolean) => scenes.filter((_, i) => test(i)).length;
  return {
    byAspect: Object.fromEntries(aspects.map((aspect) => [aspect, count((i) => isRight(aspect, i))])),
    all: count((i) => aspects.every((aspect) => isRight(aspect, i))),
  };
}

/** Silent where pictures are few: the tables say how many there are, and compare only distances of as many. */
function distance(features: Float32Array, reference: FeatureStatistics): number {
  const statistics = featureStatistics(features, reference.mean.length);
  return frechetDistance(statistics, reference, { onWarning: () => {} });
}
