import { existsSync, statSync } from "node:fs";
import {
  type ClipModel,
  type FeatureNetwork,
  type InceptionProtocol,
  loadClip,
  loadFeatureNetwork,
  type Pictures,
} from "sid-lsg/models/features";
import { shown } from "../../common/paths";
import type { Picture } from "../grid";
import { fingerprint } from "./fingerprint";
import type { ClipJob, FeatureJob, Vectors } from "./set";

/** What looks at the pictures. */
export interface Judges {
  readonly features: (FeatureJob & { readonly model: FeatureNetwork }) | undefined;
  readonly clip: (ClipJob & { readonly model: ClipModel }) | undefined;
}

/** Which networks, and how. */
export interface JudgeOptions {
  readonly network: string | undefined;
  readonly protocol: InceptionProtocol | undefined;
  readonly clip: string | undefined;
  readonly clipPrefix: string;
}

/** Loads the networks that are named: `--network` a file of Inception's or EfficientNet's weights, or a folder of CLIP. */
export async function loadJudges({ network, protocol, clip, clipPrefix }: JudgeOptions): Promise<Judges> {
  for (const [option, path] of Object.entries({ network, clip }))
    if (path !== undefined && !existsSync(path)) throw new Error(`--${option}: ${shown(path)} is not there.`);
  const model = network === undefined ? undefined : await loadFeatures(network, protocol);
  try {
    const features = model && network !== undefined ? await featuresOf(model, fingerprint(network)) : undefined;
    if (clip === undefined) return { features, clip: undefined };
    const weights = fingerprint(clip);
    // Another name than that of --network, which may be the same folder.
    const scorer = await loadClip(clip, { name: `clip ${weights}` });
    const { name, dimension } = scorer;
    return { features, clip: { network: name, dimension, weights, prefix: clipPrefix, model: scorer } };
  } catch (error) {
    model?.dispose();
    throw error;
  }
}

function loadFeatures(path: string, protocol: InceptionProtocol | undefined): Promise<FeatureNetwork> {
  if (!statSync(path).isDirectory()) return loadFeatureNetwork(path, { protocol });
  if (protocol !== undefined)
    throw new Error("--protocol is of Inception's weights; a folder of CLIP prepares pictures as its files say.");
  return loadClip(path);
}

/** A feature network with what a set notes of it: what it makes of a picture tells whether it classifies. */
export async function featuresOf(model: FeatureNetwork, weights: string) {
  const side = 96;
  const grey: Pictures = { data: new Uint8Array(side * side * 3).fill(128), shape: [1, side, side, 3] };
  const { logits } = await model.features(grey);
  return { network: model.name, dimension: model.dimension, classes: logits?.length ?? 0, weights, model };
}

/** What the networks say of pictures with their captions, in the pictures' order. */
export async function judge(
  { features, clip }: Judges,
  pictures: readonly Picture[],
  captions: readonly string[],
): Promise<Vectors> {
  const parts: Vectors[] = [];
  for (const group of ofOneSize(pictures)) {
    const of = await features?.model.features(group);
    const images = await clip?.model.imageEmbeddings(group);
    parts.push({
      ...(of && { features: of.features }),
      ...(of?.logits && { logits: of.logits }),
      ...(images && { images }),
    });
  }
  const texts = await clip?.model.textEmbeddings(captions.map((caption) => clip.prefix + caption));
  const joined = (["features", "logits", "images"] as const).flatMap((name) => {
    const some = parts.flatMap((part) => part[name] ?? []);
    return some.length === 0 ? [] : [[name, concatenated(some)] as const];
  });
  return { ...Object.fromEntries(joined), ...(texts && { texts }) };
}

/** Frees the networks. */
export function disposeJudges({ features, clip }: Judges): void {
  features?.model.dispose();
  clip?.model.dispose();
}

/** Neighbours of one size together. */
function ofOneSize(pictures: readonly Picture[]): Pictures[] {
  const groups: Picture[][] = [];
  for (const picture of pictures) {
    const [last] = groups.at(-1) ?? [];
    if (last?.width === picture.width && last.height === picture.height) groups.at(-1)?.push(picture);
    else groups.push([picture]);
  }
  return groups.map((group) => {
    const [{ width, height }] = group as [Picture];
    const data = new Uint8Array(group.length * width * height * 3);
    for (const [i, picture] of group.entries()) data.set(picture.data, i * width * height * 3);
    return { data, shape: [group.length, height, width, 3] };
  });
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
