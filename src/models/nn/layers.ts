import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import type { ParameterInit, ParameterLayout, ParameterSpec } from "../parameters";
import { type ConvOptions, conv2d, linear } from "./linear";
import { groupNorm, layerNorm } from "./norms";

/** Where a forward pass finds its parameters: full PyTorch name to tensor in tfjs's layout. */
export type Weights = (name: string) => Tensor;

/** A declared layer: a pure function of the weights and its input. */
export type Layer = (weights: Weights, x: Tensor) => Tensor;

/**
 * Describes a network once, for both of its uses: every call notes the layer's parameters in
 * `specs` and returns the layer's forward pass. Nothing is allocated.
 */
export interface Layers {
  /** All parameters declared so far, by this scope and every other of the same network. */
  readonly specs: readonly ParameterSpec[];
  /** The scope of a child module: its names begin with `${name}.`. */
  at(name: string): Layers;
  /** One tensor of its own. */
  parameter(
    name: string,
    shape: readonly number[],
    layout: ParameterLayout,
    init: ParameterInit,
  ): (weights: Weights) => Tensor;
  /** `torch.nn.Linear` over the last axis. */
  linear(name: string, inputs: number, outputs: number, options?: { readonly bias?: boolean }): Layer;
  /** `torch.nn.Conv2d` with a square window, channels last. */
  conv(name: string, inputs: number, outputs: number, kernel: number, options?: ConvOptions): Layer;
  /** `torch.nn.GroupNorm`, channels last, and the activation after it. */
  groupNorm(name: string, channels: number, groups: number, eps: number, activation?: "silu"): Layer;
  /** `torch.nn.LayerNorm` over the last axis. */
  layerNorm(name: string, channels: number, eps: number): Layer;
}

/** Opens the description of a network. */
export function declareLayers(): Layers {
  return scope([], "");
}

/**
 * One layer after another. What a layer makes is freed as soon as the next one has used it, unless a tape keeps it:
 * of the activations only two live at once.
 */
export function sequence(layers: readonly Layer[]): Layer {
  return (weights, x) =>
    layers.reduce((input, layer) => {
      const output = tidy(() => layer(weights, input));
      if (input !== x) input.dispose();
      return output;
    }, x);
}

/** PyTorch's default for weights and biases of linear and convolutional layers: uniform in ±1/√fanIn. */
export function fanInUniform(fanIn: number): ParameterInit {
  return { uniform: 1 / Math.sqrt(fanIn) };
}

function scope(specs: ParameterSpec[], path: string): Layers {
  const self: Layers = {
    specs,
    at: (name) => scope(specs, `${path}${name}.`),
    parameter(name, shape, layout, init) {
      const full = path + name;
      specs.push({ name: full, shape, layout, init });
      return (weights) => weights(full);
    },
    linear(name, inputs, outputs, { bias = true } = {}) {
      const init = fanInUniform(inputs);
      const w = self.parameter(`${name}.weight`, [outputs, inputs], "linear", init);
      const b = bias ? self.parameter(`${name}.bias`, [outputs], "same", init) : undefined;
      return (weights, x) => linear(x, w(weights), b?.(weights));
    },
    conv(name, inputs, outputs, kernel, options) {
      const init = fanInUniform(inputs * kernel * kernel);
      const w = self.parameter(`${name}.weight`, [outputs, inputs, kernel, kernel], "conv", init);
      const b = self.parameter(`${name}.bias`, [outputs], "same", init);
      return (weights, x) => conv2d(x, w(weights), b(weights), options);
    },
    groupNorm(name, channels, groups, eps, activation) {
      const [w, b] = affine(name, channels);
      return (weights, x) => groupNorm(x, w(weights), b(weights), groups, eps, activation);
    },
    layerNorm(name, channels, eps) {
      const [w, b] = affine(name, channels);
      return (weights, x) => layerNorm(x, w(weights), b(weights), eps);
    },
  };
  const affine = (name: string, channels: number) =>
    [
      self.parameter(`${name}.weight`, [channels], "same", { constant: 1 }),
      self.parameter(`${name}.bias`, [channels], "same", { constant: 0 }),
    ] as const;
  return self;
}
