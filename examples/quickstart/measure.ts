import { setImmediate as breathe } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Tensor, type Tensor4D, tidy } from "@tensorflow/tfjs-core";
import { randomStream } from "sid-lsg";
import { readSafetensors } from "sid-lsg/io";
import { type FeatureStatistics, featureStatistics, frechetDistance } from "sid-lsg/metrics";
import { caption, drawPairs, heldOutPairs, type Pair, trainedPairs } from "./captions";
import { type Classifier, createClassifier, featureSize, type Verdict } from "./classifier";
import { type Digits, drawImages, everyImage, loadDigits, stackImages } from "./digits";
import type { Method } from "./methods";
import { imageShape } from "./pixels";
import type { Row } from "./report";

/** Large batches: one image at a time would spend its time in calls. */
const batch = 128;

/** Captions to measure on, and what the real images of their pairs look like to the classifier. */
export interface Group {
  readonly pairs: readonly Pair[];
  readonly captions: readonly string[];
  readonly reference: FeatureStatistics;
}

export type GroupName = "trained" | "heldOut";

/** The judge, the real images, and the captions to measure on. */
export interface Measuring {
  readonly classifier: Classifier;
  readonly digits: Digits;
  readonly groups: Readonly<Record<GroupName, Group>>;
}

/** Loads all that measuring needs; the groups hold `count` captions each, the same ones in every run. */
export async function prepareMeasuring(count: number): Promise<Measuring> {
  const file = fileURLToPath(new URL("classifier.safetensors", import.meta.url));
  const classifier = createClassifier((await readSafetensors(file)).tensors);
  const digits = loadDigits();
  const group = async (all: readonly Pair[], seed: number): Promise<Group> => {
    const stream = randomStream(seed);
    const pairs = drawPairs(all, count, stream);
    const captions = pairs.map((pair) => caption(pair, stream));
    const real = everyImage(digits, all);
    const { features } = await judgeAll(classifier, real.length, (from, to) => stackImages(real.slice(from, to)));
    return { pairs, captions, reference: featureStatistics(features, featureSize) };
  };
  return {
    classifier,
    digits,
    groups: { trained: await group(trainedPairs, 101), heldOut: await group(heldOutPairs, 102) },
  };
}

/** Accuracies and distance of what a method makes of a group's captions, from the same noise for every method. */
export async function measure(classifier: Classifier, group: Group, { draw, networkPasses }: Method): Promise<Row> {
  const { captions } = group;
  const stream = randomStream(103);
  const verdict = await judgeAll(classifier, captions.length, (from, to) =>
    tidy(() => draw(captions.slice(from, to), stream.normal([to - from, ...imageShape]))),
  );
  return row(verdict, group, networkPasses);
}

/** The row of real images of the group's pairs, drawn at random. */
export async function measureReal({ classifier, digits }: Measuring, group: Group): Promise<Row> {
  const stream = randomStream(104);
  const verdict = await judgeAll(classifier, group.pairs.length, (from, to) =>
    drawImages(digits, group.pairs.slice(from, to), stream),
  );
  return row(verdict, group, 0);
}

/** Judges `count` images that come in batches. */
async function judgeAll(
  classifier: Classifier,
  count: number,
  make: (from: number, to: number) => Tensor,
): Promise<Verdict> {
  const features = new Float32Array(count * featureSize);
  const verdicts: Verdict[] = [];
  for (let from = 0; from < count; from += batch) {
    const images = make(from, Math.min(count, from + batch)) as Tensor4D;
    const verdict = await classifier.judge(images);
    images.dispose();
    features.set(verdict.features, from * featureSize);
    verdicts.push(verdict);
    await breathe(); // lets Ctrl-C through
  }
  return { features, digits: verdicts.flatMap((v) => v.digits), colours: verdicts.flatMap((v) => v.colours) };
}

function row({ digits, colours, features }: Verdict, { pairs, reference }: Group, networkPasses: number): Row {
  const share = (right: (pair: Pair, i: number) => boolean) => pairs.filter(right).length / pairs.length;
  return {
    digitAccuracy: share((pair, i) => pair.digit === digits[i]),
    colourAccuracy: share((pair, i) => pair.colour === colours[i]),
    frechetDistance: frechetDistance(featureStatistics(features, featureSize), reference),
    networkPasses,
  };
}
