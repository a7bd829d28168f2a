import {
  add,
  argMax,
  concat,
  conv2d,
  dispose,
  matMul,
  relu,
  reshape,
  slice,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
  tensor,
  tidy,
  type Variable,
  variable,
} from "@tensorflow/tfjs-core";
import type { HostTensor, RandomStream, WeightMap } from "sid-lsg";
import { type Colour, colours } from "./captions";

/** Features that the Fréchet distance looks at. */
export const featureSize = 64;

/** Shapes in tfjs's layout (a convolution's filter is height, width, in, out), with the fan-in that sets the start. */
const layers = {
  "conv1.weight": { shape: [3, 3, 3, 16], fanIn: 27 },
  "conv1.bias": { shape: [16], fanIn: 0 },
  "conv2.weight": { shape: [3, 3, 16, 32], fanIn: 144 },
  "conv2.bias": { shape: [32], fanIn: 0 },
  "features.weight": { shape: [512, featureSize], fanIn: 512 },
  "features.bias": { shape: [featureSize], fanIn: 0 },
  "heads.weight": { shape: [featureSize, 18], fanIn: featureSize },
  "heads.bias": { shape: [18], fanIn: 0 },
} as const;
type LayerName = keyof typeof layers;
const layerNames = Object.keys(layers) as LayerName[];

/** What the classifier sees in each image of a batch. */
export interface Verdict {
  readonly digits: readonly number[];
  readonly colours: readonly Colour[];
  /** `[B, 64]` numbers, row by row. */
  readonly features: Float32Array;
}

/** Two convolutions, one hidden layer, and two heads: which digit, which colour. */
export interface Classifier {
  readonly variables: readonly Variable[];
  /** Scores of the 10 digits and the 8 colours: `[B, 8, 8, 3] → { [B, 10], [B, 8] }`. */
  logits(images: Tensor4D): { readonly digit: Tensor2D; readonly colour: Tensor2D };
  /** Judges images; asynchronous since it reads numbers back. */
  judge(images: Tensor4D): Promise<Verdict>;
  weights(): Promise<WeightMap>;
  dispose(): void;
}

/** A classifier with the given weights, or with random ones to train. */
export function createClassifier(weights: WeightMap | RandomStream): Classifier {
  const initial = layerNames.map((name) => ("get" in weights ? stored(weights, name) : random(weights, name)));
  const values = new Map<LayerName, Variable>();
  tidy(() => {
    layerNames.forEach((name, i) => {
      const start = tensor(initial[i] as Float32Array, [...layers[name].shape]);
      values.set(name, variable(start, true, `classifier/${name}`));
    });
  });
  const w = <T extends Tensor>(name: LayerName): T => values.get(name) as Tensor as T;

  const features = (images: Tensor4D): Tensor2D => {
    const edges = relu(add(conv2d(images, w<Tensor4D>("conv1.weight"), 1, "same"), w("conv1.bias")));
    const parts = relu(add(conv2d(edges as Tensor4D, w<Tensor4D>("conv2.weight"), 2, "same"), w("conv2.bias")));
    return relu(add(matMul(reshape(parts, [-1, 512]), w("features.weight")), w("features.bias"))) as Tensor2D;
  };
  const heads = (x: Tensor2D) => {
    const scores = add(matMul(x, w("heads.weight")), w("heads.bias"));
    return { digit: slice(scores, [0, 0], [-1, 10]) as Tensor2D, colour: slice(scores, [0, 10], [-1, 8]) as Tensor2D };
  };
  return {
    variables: [...values.values()],
    logits: (images) => heads(features(images)),
    async judge(images) {
      const read = tidy(() => {
        const seen = features(images);
        const { digit, colour } = heads(seen);
        return { seen, classes: concat([argMax(digit, 1), argMax(colour, 1)]) };
      });
      const numbers = await read.seen.data<"float32">();
      const classes = Array.from(await read.classes.data<"int32">());
      dispose(read);
      const count = images.shape[0];
      return {
        features: numbers,
        digits: classes.slice(0, count),
        colours: classes.slice(count).map((i) => colours[i] as Colour),
      };
    },
    async weights() {
      const entries = layerNames.map(async (name): Promise<[string, HostTensor]> => {
        const data = (await w(name).data()) as Float32Array;
        return [name, { dtype: "F32", shape: layers[name].shape, data }];
      });
      return new Map(await Promise.all(entries));
    },
    dispose: () => dispose([...values.values()]),
  };
}

function stored(weights: WeightMap, name: LayerName): Float32Array {
  const found = weights.get(name);
  const wanted = layers[name].shape.join(", ");
  if (!(found?.data instanceof Float32Array) || found.shape.join(", ") !== wanted)
    throw new Error(
      `classifier.safetensors: wanted ${name} [${wanted}], got ${found ? `[${found.shape.join(", ")}]` : "nothing"}.`,
    );
  return found.data;
}

/** He et al.'s start: normal with variance 2 / fan-in; biases 0. */
function random(stream: RandomStream, name: LayerName): Float32Array {
  const { shape, fanIn } = layers[name];
  const scale = fanIn === 0 ? 0 : Math.sqrt(2 / fanIn);
  return stream.normals(shape.reduce<number>((a, b) => a * b, 1)).map((x) => x * scale);
}
