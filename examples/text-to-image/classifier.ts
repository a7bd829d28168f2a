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

/** What a judge reads, aspect by aspect, and the values of each: `{ object: ["cat", …], size: ["big", "small"] }`. */
export type Heads = Readonly<Record<string, readonly string[]>>;

/** A classifier's network: 3×3 convolutions, one hidden layer, and a head per aspect. */
export interface ClassifierConfig {
  /** Pixels along one side of a picture. */
  readonly side: number;
  readonly layers: readonly { readonly channels: number; readonly stride: number }[];
  /** What the hidden layer makes of a picture: the numbers that the Fréchet distance looks at. */
  readonly features: number;
  readonly heads: Heads;
}

/** What the classifier sees in each picture of a batch. */
export interface Verdict {
  /** The value of each aspect, picture by picture. */
  readonly read: Readonly<Record<string, readonly string[]>>;
  /** `[B, features]` numbers, row by row. */
  readonly features: Float32Array;
}

export interface Classifier {
  readonly config: ClassifierConfig;
  readonly variables: readonly Variable[];
  /** Scores of each aspect's values: `[B, side, side, 3] → { [B, values], … }`. */
  logits(pictures: Tensor4D): Readonly<Record<string, Tensor2D>>;
  /** Judges standardised pictures; asynchronous since it reads numbers back. */
  judge(pictures: Tensor4D): Promise<Verdict>;
  weights(): Promise<WeightMap>;
  dispose(): void;
}

/** The network that suits pictures of a size: 16 channels at every pixel, then twice as many at every second, down to 6×6. */
export function judgeConfig(side: number, heads: Heads): ClassifierConfig {
  const halvings = Math.max(0, Math.ceil(Math.log2(side / 6)));
  const layers = Array.from({ length: halvings + 1 }, (_, i) => ({ channels: 16 * 2 ** i, stride: i === 0 ? 1 : 2 }));
  return { side, layers, features: 64, heads };
}

/** A classifier with the given weights, or with random ones to train. */
export function createClassifier(config: ClassifierConfig, weights: WeightMap | RandomStream): Classifier {
  const { side, features: featureSize } = config;
  const aspects = Object.entries(config.heads);
  const shapes = shapesOf(config);
  const stored = "get" in weights;
  if (stored) check(weights, shapes);
  const values = new Map<string, Variable>();
  tidy(() => {
    for (const [name, shape] of shapes) {
      const start = stored ? (weights.get(name) as HostTensor).data : random(weights, shape);
      values.set(name, variable(tensor(start as Float32Array, [...shape])));
    }
  });
  const w = <T extends Tensor>(name: string): T => values.get(name) as Tensor as T;

  const features = (pictures: Tensor4D): Tensor2D => {
    if (pictures.shape.slice(1).join() !== [side, side, 3].join())
      throw new Error(`The judge wants pictures [B, ${side}, ${side}, 3], got [${pictures.shape.join(", ")}].`);
    let x = pictures;
    for (const [i, { stride }] of config.layers.entries()) {
      const sums = conv2d(x, w<Tensor4D>(`conv${i + 1}.weight`), stride, "same");
      x = relu(add(sums, w(`conv${i + 1}.bias`))) as Tensor4D;
    }
    const flat = reshape(x, [pictures.shape[0], -1]);
    return relu(add(matMul(flat, w("features.weight")), w("features.bias"))) as Tensor2D;
  };
  const heads = (x: Tensor2D): Record<string, Tensor2D> => {
    const scores = add(matMul(x, w("heads.weight")), w("heads.bias"));
    let from = 0;
    return Object.fromEntries(
      aspects.map(([aspect, { length }]) => {
        from += length;
        return [aspect, slice(scores, [0, from - length], [-1, length]) as Tensor2D];
      }),
    );
  };
  return {
    config,
    variables: [...values.values()],
    logits: (pictures) => tidy(() => heads(features(pictures))),
    async judge(pictures) {
      const seen = tidy(() => {
        const numbers = features(pictures);
        return { numbers, classes: concat(Object.values(heads(numbers)).map((scores) => argMax(scores, 1))) };
      });
      const numbers = await seen.numbers.data<"float32">();
      const classes = Array.from(await seen.classes.data<"int32">());
      dispose(seen);
      const count = numbers.length / featureSize;
      const read = aspects.map(([aspect, all], i): [string, string[]] => {
        return [aspect, classes.slice(i * count, (i + 1) * count).map((value) => all[value] as string)];
      });
      return { features: numbers, read: Object.fromEntries(read) };
    },
    async weights() {
      const entries = [...shapes].map(async ([name, shape]): Promise<[string, HostTensor]> => {
        return [name, { dtype: "F32", shape, data: (await w(name).data()) as Float32Array }];
      });
      return new Map(await Promise.all(entries));
    },
    dispose: () => dispose([...values.values()]),
  };
}

type Shapes = ReadonlyMap<string, readonly number[]>;

/** Shapes in tfjs's layout: a convolution's filter is height, width, in, out. */
function shapesOf({ side, layers, features, heads }: ClassifierConfig): Shapes {
  const shapes = new Map<string, readonly number[]>();
  const layer = (name: string, shape: readonly number[]) => {
    shapes.set(`${name}.weight`, shape);
    shapes.set(`${name}.bias`, shape.slice(-1));
  };
  let [across, depth] = [side, 3];
  layers.forEach(({ channels, stride }, i) => {
    layer(`conv${i + 1}`, [3, 3, depth, channels]);
    [across, depth] = [Math.ceil(across / stride), channels];
  });
  layer("features", [across * across * depth, features]);
  layer("heads", [features, Object.values(heads).flat().length]);
  return shapes;
}

/** Refuses the weights of another network. */
function check(weights: WeightMap, shapes: Shapes): void {
  for (const name of new Set([...shapes.keys(), ...weights.keys()])) {
    const [wanted, found] = [shapes.get(name), weights.get(name)];
    const fits = found?.data instanceof Float32Array && found.shape.join() === wanted?.join();
    const shown = (shape: readonly number[] | undefined) => (shape ? `[${shape.join(", ")}]` : "nothing");
    if (!fits)
      throw new Error(
        `The judge's weights are of another network: wanted ${name} ${shown(wanted)}, got ${shown(found?.shape)}.`,
      );
  }
}

/** He et al.'s start: normal with variance 2 / fan-in; biases 0. */
function random(stream: RandomStream, shape: readonly number[]): Float32Array {
  const fanIn = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const scale = shape.length === 1 ? 0 : Math.sqrt(2 / fanIn);
  return stream.normals(shape.reduce((a, b) => a * b, 1)).map((x) => x * scale);
}
