import { setImmediate as breathe } from "node:timers/promises";
import { type Tensor, type Tensor4D, tidy } from "@tensorflow/tfjs-core";
import { randomStream } from "sid-lsg";
import { type FeatureStatistics, featureStatistics, frechetDistance } from "sid-lsg/metrics";
import type { Classifier, Verdict } from "./classifier";
import { jackknifed, share } from "./intervals";
import { loadJudge } from "./judge";
import type { Method } from "./methods";
import { sampleShape } from "./picture-format";
import type { Row } from "./report";
import { type GroupName, groupNames, type RealPictures, type Scene, type World } from "./world";

/** Large batches: one picture at a time would spend its time in calls. */
const batch = 128;
/** Real pictures that a group's distances are taken to. */
const referencePictures = 4096;

/** Captions to measure on, and what the real pictures of such captions look like to the judge. */
export interface Group {
  readonly scenes: readonly Scene[];
  readonly captions: readonly string[];
  readonly reference: FeatureStatistics;
}

/** The judge, the real pictures, and the captions to measure on. */
export interface Measuring {
  readonly judge: Classifier;
  readonly real: RealPictures;
  /** Shape of a sample as the networks see it. */
  readonly sampleShape: readonly number[];
  readonly groups: Readonly<Record<GroupName, Group>>;
}

/** Loads all that measuring needs; the groups hold `count` captions each, the same ones in every run. */
export async function prepareMeasuring(world: World, count: number): Promise<Measuring> {
  const [judge, real] = [await loadJudge(world), world.loadPictures()];
  const groups: Partial<Record<GroupName, Group>> = {};
  for (const [i, name] of groupNames.entries()) {
    const stream = randomStream(201 + i);
    const { features } = await judgeAll(judge, referencePictures, (from, to) =>
      real.draw(world.drawScenes(name, to - from, stream), stream),
    );
    const words = randomStream(101 + i);
    const scenes = world.drawScenes(name, count, words);
    const captions = scenes.map((scene) => world.caption(scene, words));
    groups[name] = { scenes, captions, reference: featureStatistics(features, judge.config.features) };
  }
  return { judge, real, sampleShape: sampleShape(world.pictures), groups: groups as Measuring["groups"] };
}

/** Accuracies and distance of what a method makes of a group's captions, from the same noise for every method. */
export async function measure(measuring: Measuring, group: Group, { draw, networkPasses }: Method): Promise<Row> {
  const { captions } = group;
  const stream = randomStream(103);
  const verdict = await judgeAll(measuring.judge, captions.length, (from, to) =>
    tidy(() => draw(captions.slice(from, to), stream.normal([to - from, ...measuring.sampleShape]))),
  );
  return row(verdict, group, networkPasses, measuring.judge.config.features);
}

/** The row of real pictures of the group's scenes. */
export async function measureReal({ judge, real }: Measuring, group: Group): Promise<Row> {
  const stream = randomStream(104);
  const verdict = await judgeAll(judge, group.scenes.length, (from, to) =>
    real.draw(group.scenes.slice(from, to), stream),
  );
  return row(verdict, group, 0, judge.config.features);
}

/** Judges `count` pictures that come in batches. */
async function judgeAll(
  judge: Classifier,
  count: number,
  make: (from: number, to: number) => Tensor,
): Promise<Verdict> {
  const features = new Float32Array(count * judge.config.features);
  const read: Record<string, string[]> = {};
  for (let from = 0; from < count; from += batch) {
    const pictures = make(from, Math.min(count, from + batch)) as Tensor4D;
    const verdict = await judge.judge(pictures);
    pictures.dispose();
    features.set(verdict.features, from * judge.config.features);
    for (const [aspect, values] of Object.entries(verdict.read)) read[aspect] = [...(read[aspect] ?? []), ...values];
    await breathe(); // lets Ctrl-C through
  }
  return { read, features };
}

function row({ read, features }: Verdict, group: Group, networkPasses: number, width: number): Row {
  const { scenes, reference } = group;
  const isRight = (aspect: string) => scenes.map((scene, i) => scene[aspect] === read[aspect]?.[i]);
  const verdicts = Object.fromEntries(Object.keys(read).map((aspect) => [aspect, isRight(aspect)]));
  const all = scenes.map((_, i) => Object.values(verdicts).every((right) => right[i]));
  const shareOf = (right: readonly (boolean | undefined)[]) => share(right.filter(Boolean).length, right.length);
  return {
    right: Object.fromEntries(Object.entries(verdicts).map(([aspect, right]) => [aspect, shareOf(right)])),
    allRight: shareOf(all),
    frechetDistance: jackknifed(features, width, (some) => frechetDistance(featureStatistics(some, width), reference)),
    pictures: scenes.length,
    networkPasses,
  };
}
