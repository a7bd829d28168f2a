import { add, mul, slice, type Tensor, tidy, type Variable } from "@tensorflow/tfjs-core";
import { hasKernel } from "../../core/fused-kernels";
import type { ParameterInit, ParameterLayout, ParameterSpec } from "../weights/types";
import { gegluGate } from "./activations";
import { fused } from "./fused";
import { areBetterTogether, type ConvOptions, conv2d, linear, linears } from "./linear";
import { groupNorm, layerNorm } from "./norms";

/** Where a forward pass finds its parameters. */
export interface Weights {
  /** Full PyTorch name to variable in tfjs's layout. */
  (name: string): Variable;
  /** What is added to the layer of a name (without `.weight`), if anything. */
  readonly adapter?: Adapter | undefined;
}

/** A change of low rank to each of some layers, by their names: `W·x + scale·B·(A·x)`, the products convolutions or not. */
export type Adapter = (layer: string) => LowRank | undefined;

/** The change to one layer; Hu et al., arXiv:2106.09685. */
export interface LowRank {
  /** A: `[in, rank]`, or `[height, width, in, rank]`, which moves over the image as the layer's own window does. */
  readonly down: Variable;
  /** B: `[rank, out]`, or `[1, 1, rank, out]`. */
  readonly up: Variable;
  /** Factor of their product. */
  readonly scale: number;
}

/** All variables behind some parameters: the weights and what is added to them. */
export function variablesOf(weights: Weights, names: readonly string[]): Variable[] {
  return names.flatMap((name) => {
    const change = changeOf(weights, name);
    return change ? [weights(name), change.down, change.up] : [weights(name)];
  });
}

/** Which parameters have a change, and at which scale: what a pass depends on beside the variables. */
export function changesOf(weights: Weights, names: readonly string[]): string {
  if (!weights.adapter) return "";
  return names.map((name) => changeOf(weights, name)?.scale ?? "").join();
}

const changeOf = ({ adapter }: Weights, name: string) => adapter?.(name.replace(/\.weight$/, ""));

/** A declared layer: a pure function of the weights and its input. */
export type Layer = (weights: Weights, x: Tensor) => Tensor;

/** A layer whose result something can be added to: `plus` takes an `addend` of the result's shape. */
export interface AddingLayer extends Layer {
  plus(weights: Weights, x: Tensor, addend: Tensor): Tensor;
}

/** Both from one function. Apart, since callers may give every layer of a list more than it takes. */
function adding(layer: (weights: Weights, x: Tensor, addend?: Tensor) => Tensor): AddingLayer {
  return Object.assign((weights: Weights, x: Tensor) => layer(weights, x), { plus: layer });
}

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
  ): (weights: Weights) => Variable;
  /** `torch.nn.Linear` over the last axis. */
  linear(name: string, inputs: number, outputs: number, options?: { readonly bias?: boolean }): AddingLayer;
  /**
   * diffusers' GEGLU: `torch.nn.Linear` to twice `outputs`, h beside g, and `h ⊙ gelu(g)`. Where no kernel takes both
   * halves as they are, the weights are halved, not the activations: they are the smaller tensor.
   */
  geglu(name: string, inputs: number, outputs: number): Layer;
  /** `torch.nn.Linear` without bias, one for each of some names, of one input. */
  linears(names: readonly string[], inputs: number, outputs: number): (weights: Weights, x: Tensor) => Tensor[];
  /** `torch.nn.Conv2d` with a square window, channels last. */
  conv(name: string, inputs: number, outputs: number, kernel: number, options?: ConvOptions): AddingLayer;
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

/** `x·W + b` and the change of low rank to the layer, if there is one; of all of them, only what `columns` takes. */
function adaptedLinear(
  weights: Weights,
  layer: string,
  x: Tensor,
  bias: boolean,
  columns: (x: Tensor) => Tensor = (x) => x,
  addend?: Tensor,
): Tensor {
  const own = (name: string) => columns(weights(`${layer}.${name}`));
  const y = linear(x, own("weight"), bias ? own("bias") : undefined, addend);
  const change = weights.adapter?.(layer);
  return change ? add(y, mul(linear(linear(x, change.down), columns(change.up)), change.scale)) : y;
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
      self.parameter(`${name}.weight`, [outputs, inputs], "linear", init);
      if (bias) self.parameter(`${name}.bias`, [outputs], "as-is", init);
      return adding((weights, x, addend) => adaptedLinear(weights, path + name, x, bias, undefined, addend));
    },
    linears(names, inputs, outputs) {
      const each = names.map((name) => self.linear(name, inputs, outputs, { bias: false }));
      return (weights, x) => {
        const own = names.map((name) => weights(`${path}${name}.weight`));
        const adapted = names.some((name) => weights.adapter?.(path + name));
        return adapted || !areBetterTogether(own) ? each.map((layer) => layer(weights, x)) : linears(x, own);
      };
    },
    geglu(name, inputs, outputs) {
      const both = self.linear(name, inputs, 2 * outputs);
      const half = (weights: Weights, x: Tensor, start: number) =>
        adaptedLinear(weights, path + name, x, true, (w) =>
          slice(w, [...w.shape.slice(1).map(() => 0), start], [...w.shape.slice(0, -1), outputs]),
        );
      return (weights, x) =>
        hasKernel("SidGeglu")
          ? (fused("SidGeglu", [both(weights, x)]) as Tensor)
          : gegluGate(half(weights, x, 0), half(weights, x, outputs));
    },
    conv(name, inputs, outputs, kernel, options) {
      const init = fanInUniform(inputs * kernel * kernel);
      const w = self.parameter(`${name}.weight`, [outputs, inputs, kernel, kernel], "conv", init);
      const b = self.parameter(`${name}.bias`, [outputs], "as-is", init);
      return adding((weights, x, addend) => {
        const y = conv2d(x, w(weights), b(weights), options, addend);
        const change = weights.adapter?.(path + name);
        if (!change) return y;
        const down = conv2d(x, change.down, undefined, options);
        return add(y, mul(conv2d(down, change.up), change.scale));
      });
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
      self.parameter(`${name}.weight`, [channels], "as-is", { constant: 1 }),
      self.parameter(`${name}.bias`, [channels], "as-is", { constant: 0 }),
    ] as const;
  return self;
}
