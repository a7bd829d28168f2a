import { add, depthwiseConv2d, relu, relu6, reshape, type Tensor, type Tensor4D } from "@tensorflow/tfjs-core";
import type { HostTensor, WeightMap } from "../../core/host-tensor";
import { declareLayers, fanInUniform, type Layer } from "../nn/layers";
import { conv2d } from "../nn/linear";
import { checkHostWeights } from "../weights/check-weights";
import type { ParameterSpec } from "../weights/types";

/** Options of a convolution with its normalisation. */
export interface NormalisedOptions {
  /** Step of the window. @defaultValue `1` */
  readonly stride?: number | undefined;
  /** Whether the output has the input's size over the stride; else only whole windows count. @defaultValue whole windows */
  readonly same?: boolean | undefined;
  /** Whether each channel has a window of its own and nothing is summed over channels. @defaultValue `false` */
  readonly depthwise?: boolean | undefined;
  /** What follows. @defaultValue nothing */
  readonly activation?: "relu" | "relu6" | undefined;
}

/**
 * Describes a network of convolutions with batch normalisations, as it is published and as it runs here: in evaluation a
 * normalisation is a factor and a shift per channel, which become part of the convolution's weights.
 *
 *     W' = W·γ/√(var + eps),   b' = β − mean·γ/√(var + eps)
 *
 * Source: Ioffe & Szegedy, arXiv:1502.03167.
 */
export interface NormalisedLayers {
  /** What runs: names and shapes of the folded weights. */
  readonly specs: readonly ParameterSpec[];
  /** What files hold. */
  readonly published: readonly ParameterSpec[];
  /** A convolution without bias and the normalisation after it, by their names in PyTorch's state dict. */
  convolution(
    names: { readonly conv: string; readonly norm: string },
    inputs: number,
    outputs: number,
    kernel: number | readonly [height: number, width: number],
    options?: NormalisedOptions,
  ): Layer;
  /** `torch.nn.Linear` over the last axis; without a bias, one in the file is passed over. */
  linear(name: string, inputs: number, outputs: number, bias: boolean): Layer;
  /** Checks published weights by name and shape and folds them, in float64. */
  fold(where: string, weights: WeightMap): WeightMap;
}

/** Opens such a description; `eps` is added to every variance. */
export function normalisedLayers(eps: number): NormalisedLayers {
  const layers = declareLayers();
  const published: ParameterSpec[] = [];
  const folds: { readonly conv: string; readonly norm: string }[] = [];
  const passedOver: string[] = [];
  return {
    specs: layers.specs,
    published,
    convolution({ conv, norm }, inputs, outputs, kernel, options = {}) {
      const { stride = 1, same = false, depthwise = false, activation } = options;
      const [height, width] = typeof kernel === "number" ? [kernel, kernel] : kernel;
      const init = fanInUniform((depthwise ? 1 : inputs) * height * width);
      const shape = [outputs, depthwise ? 1 : inputs, height, width];
      const filter = layers.parameter(`${conv}.weight`, shape, "conv", init);
      const bias = layers.parameter(`${conv}.bias`, [outputs], "as-is", init);
      published.push({ name: `${conv}.weight`, shape, layout: "conv", init });
      for (const name of normNames)
        published.push({ name: `${norm}.${name}`, shape: [outputs], layout: "as-is", init: { constant: 1 } });
      folds.push({ conv, norm });
      passedOver.push(`${norm}.num_batches_tracked`);
      const activate = activation === undefined ? (x: Tensor) => x : { relu, relu6 }[activation];
      const pad = same ? "same" : 0;
      return (weights, x) => {
        if (!depthwise) return activate(conv2d(x, filter(weights), bias(weights), { stride, pad }));
        // [height, width, 1, channels] and [height, width, channels, 1] are the same numbers in the same order.
        const own = reshape(filter(weights), [height, width, outputs, 1]) as Tensor4D;
        return activate(add(depthwiseConv2d(x as Tensor4D, own, stride, same ? "same" : "valid"), bias(weights)));
      };
    },
    linear(name, inputs, outputs, bias) {
      published.push({ name: `${name}.weight`, shape: [outputs, inputs], layout: "linear", init: { constant: 0 } });
      if (bias) published.push({ name: `${name}.bias`, shape: [outputs], layout: "as-is", init: { constant: 0 } });
      else passedOver.push(`${name}.bias`);
      return layers.linear(name, inputs, outputs, { bias });
    },
    fold(where, weights) {
      const counted = new Map([...weights].filter(([name]) => !passedOver.includes(name)));
      checkHostWeights(where, published, counted);
      const kept = layers.specs.flatMap(({ name }): [string, HostTensor][] => {
        const tensor = counted.get(name);
        return tensor ? [[name, tensor]] : [];
      });
      return new Map([...kept, ...folds.flatMap(({ conv, norm }) => folded(counted, conv, norm, eps))]);
    },
  };
}

const normNames = ["weight", "bias", "running_mean", "running_var"] as const;

/** The two weights that a convolution and its normalisation become. */
function folded(weights: WeightMap, conv: string, norm: string, eps: number): [string, HostTensor][] {
  const numbers = (name: string) => weights.get(name)?.data as Float32Array;
  const [scale, shift, mean, variance] = normNames.map((name) => numbers(`${norm}.${name}`)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const factors = Float64Array.from(scale, (s, i) => s / Math.sqrt((variance[i] as number) + eps));
  const filter = numbers(`${conv}.weight`);
  const window = filter.length / factors.length;
  const bias = Float32Array.from(shift, (b, i) => b - (mean[i] as number) * (factors[i] as number));
  const data = filter.map((w, i) => w * (factors[Math.floor(i / window)] as number));
  const shape = weights.get(`${conv}.weight`)?.shape ?? [];
  return [
    [`${conv}.weight`, { dtype: "F32", shape, data }],
    [`${conv}.bias`, { dtype: "F32", shape: [bias.length], data: bias }],
  ];
}
