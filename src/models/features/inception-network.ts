import { avgPool, concat, maxPool, mean, type Tensor, type Tensor4D } from "@tensorflow/tfjs-core";
import { type Layer, sequence } from "../nn/layers";
import { type NormalisedLayers, normalisedLayers } from "./normalised-layers";

/** Length of the pooled features. */
export const inceptionFeatures = 2048;
/** Classes of the network of 2015: those of ImageNet, and some that none of its pictures has. */
export const inceptionClasses = 1008;

/** A described Inception v3: its weights, and its passes as pure functions of them. */
export interface InceptionDescription {
  readonly layers: NormalisedLayers;
  /** Standardised pictures to `[B, 2048]`. */
  readonly features: Layer;
  /** Those to `[B, 1008]`, without the bias. */
  readonly logits: Layer;
}

type Kernel = number | readonly [number, number];
/** Name, outputs, kernel and stride of one convolution; one of stride 1 keeps the size unless told otherwise. */
type Step = readonly [name: string, outputs: number, kernel: Kernel, stride?: number];

/** Maxima or averages of 3×3 windows. What lies beyond the border counts for neither. */
const largest: Layer = (_, x) => maxPool(x as Tensor4D, 3, 1, "same");
const average: Layer = (_, x) => avgPool(x as Tensor4D, 3, 1, "same");
/** Every other 3×3 window. */
const halve: Layer = (_, x) => maxPool(x as Tensor4D, 3, 2, "valid");

/** Describes the Inception v3 of FID, in the names of torchvision and pytorch-fid; allocates nothing. */
export function describeInception(): InceptionDescription {
  const layers = normalisedLayers(1e-3);
  const convolution = (
    name: string,
    inputs: number,
    outputs: number,
    kernel: Kernel,
    stride = 1,
    same = stride === 1,
  ) =>
    layers.convolution({ conv: `${name}.conv`, norm: `${name}.bn` }, inputs, outputs, kernel, {
      ...{ stride, same, activation: "relu" },
    });
  /** Convolutions one after another, below the name of their block. */
  const chain = (block: string, inputs: number, steps: readonly Step[]) => {
    let width = inputs;
    const made = steps.map(([name, outputs, kernel, stride]) => {
      const layer = convolution(`${block}.${name}`, width, outputs, kernel, stride);
      width = outputs;
      return layer;
    });
    return sequence(made);
  };
  const pooled = (block: string, pool: Layer, inputs: number, outputs: number) =>
    sequence([pool, convolution(`${block}.branch_pool`, inputs, outputs, 1)]);

  const blockA = (block: string, inputs: number, poolOutputs: number) =>
    sideBySide([
      chain(block, inputs, [["branch1x1", 64, 1]]),
      chain(block, inputs, [
        ["branch5x5_1", 48, 1],
        ["branch5x5_2", 64, 5],
      ]),
      chain(block, inputs, [
        ["branch3x3dbl_1", 64, 1],
        ["branch3x3dbl_2", 96, 3],
        ["branch3x3dbl_3", 96, 3],
      ]),
      pooled(block, average, inputs, poolOutputs),
    ]);
  const blockB = (block: string, inputs: number) =>
    sideBySide([
      chain(block, inputs, [["branch3x3", 384, 3, 2]]),
      chain(block, inputs, [
        ["branch3x3dbl_1", 64, 1],
        ["branch3x3dbl_2", 96, 3],
        ["branch3x3dbl_3", 96, 3, 2],
      ]),
      halve,
    ]);
  const blockC = (block: string, inputs: number, c: number) =>
    sideBySide([
      chain(block, inputs, [["branch1x1", 192, 1]]),
      chain(block, inputs, [
        ["branch7x7_1", c, 1],
        ["branch7x7_2", c, [1, 7]],
        ["branch7x7_3", 192, [7, 1]],
      ]),
      chain(block, inputs, [
        ["branch7x7dbl_1", c, 1],
        ["branch7x7dbl_2", c, [7, 1]],
        ["branch7x7dbl_3", c, [1, 7]],
        ["branch7x7dbl_4", c, [7, 1]],
        ["branch7x7dbl_5", 192, [1, 7]],
      ]),
      pooled(block, average, inputs, 192),
    ]);
  const blockD = (block: string, inputs: number) =>
    sideBySide([
      chain(block, inputs, [
        ["branch3x3_1", 192, 1],
        ["branch3x3_2", 320, 3, 2],
      ]),
      chain(block, inputs, [
        ["branch7x7x3_1", 192, 1],
        ["branch7x7x3_2", 192, [1, 7]],
        ["branch7x7x3_3", 192, [7, 1]],
        ["branch7x7x3_4", 192, 3, 2],
      ]),
      halve,
    ]);
  const blockE = (block: string, inputs: number, pool: Layer) => {
    const forked = (before: Layer, name: string) =>
      sequence([
        before,
        sideBySide([
          convolution(`${block}.${name}a`, 384, 384, [1, 3]),
          convolution(`${block}.${name}b`, 384, 384, [3, 1]),
        ]),
      ]);
    return sideBySide([
      chain(block, inputs, [["branch1x1", 320, 1]]),
      forked(chain(block, inputs, [["branch3x3_1", 384, 1]]), "branch3x3_2"),
      forked(
        chain(block, inputs, [
          ["branch3x3dbl_1", 448, 1],
          ["branch3x3dbl_2", 384, 3],
        ]),
        "branch3x3dbl_3",
      ),
      pooled(block, pool, inputs, 192),
    ]);
  };

  const features = sequence([
    convolution("Conv2d_1a_3x3", 3, 32, 3, 2),
    convolution("Conv2d_2a_3x3", 32, 32, 3, 1, false),
    convolution("Conv2d_2b_3x3", 32, 64, 3),
    halve,
    convolution("Conv2d_3b_1x1", 64, 80, 1),
    convolution("Conv2d_4a_3x3", 80, 192, 3, 1, false),
    halve,
    blockA("Mixed_5b", 192, 32),
    blockA("Mixed_5c", 256, 64),
    blockA("Mixed_5d", 288, 64),
    blockB("Mixed_6a", 288),
    blockC("Mixed_6b", 768, 128),
    blockC("Mixed_6c", 768, 160),
    blockC("Mixed_6d", 768, 160),
    blockC("Mixed_6e", 768, 192),
    blockD("Mixed_7a", 768),
    blockE("Mixed_7b", 1280, average),
    // The network of 2015 takes the largest here, which is thought to be a slip; every published FID has it.
    blockE("Mixed_7c", inceptionFeatures, largest),
    overPositions,
  ]);
  return { layers, features, logits: layers.linear("fc", inceptionFeatures, inceptionClasses, false) };
}

/** Branches of one input, their channels one after another. */
function sideBySide(branches: readonly Layer[]): Layer {
  return (weights, x) =>
    concat(
      branches.map((branch) => branch(weights, x)),
      3,
    );
}

/** The mean over all positions. */
export const overPositions: Layer = (_, x: Tensor) => mean(x, [1, 2]);
