import type { Variable } from "@tensorflow/tfjs-core";
import type { WeightMap } from "../../core/host-tensor";
import type { RandomStream } from "../../core/random";

/**
 * How a parameter's axes differ between PyTorch and tfjs.
 *
 * - `conv`: `[out, in, height, width]` there, `[height, width, in, out]` here;
 * - `linear`: `[out, in]` there, `[in, out]` here;
 * - `as-is`: no difference.
 */
export type ParameterLayout = "conv" | "linear" | "as-is";

/** How a parameter starts when no weights are given. */
export type ParameterInit =
  | {
      /** Every element this number. */
      readonly constant: number;
    }
  | {
      /** Uniform on `[−uniform, uniform)`. */
      readonly uniform: number;
    }
  | {
      /** Normal with mean 0 and this standard deviation. */
      readonly normal: number;
    };

/** One named parameter of a network, as PyTorch sees it. */
export interface ParameterSpec {
  /** Name in PyTorch's state dict, such as `conv_in.weight`. */
  readonly name: string;
  /** In PyTorch's layout. */
  readonly shape: readonly number[];
  /** How the axes are permuted for tfjs. */
  readonly layout: ParameterLayout;
  /** The law of its random start. */
  readonly init: ParameterInit;
}

/** How parameters are stored. */
export interface ParameterOptions {
  /**
   * `"f16"` stores matrices and filters at two bytes a number, rounded to float16, ties to even; what computes with them
   * computes in float32. For networks that are not trained, on the backend `webgpu` only. Biases, norms and embeddings
   * stay float32.
   * @defaultValue `"f32"`
   */
  readonly weights?: "f32" | "f16" | undefined;
}

/** A network's live parameters. */
export interface NetworkParameters {
  /** All variables in the order of their specs. */
  readonly list: readonly Variable[];
  /** The variable of a spec's name (without the prefix). Throws SidError `invalid-argument` for another name. */
  get(name: string): Variable;
  /** Frees the variables and their names; a second call does nothing. */
  dispose(): void;
}

/** Anything with named variables: score models, generators, text encoders. */
export interface HasVariables {
  /** Prefix of the variables' names. */
  readonly name: string;
  /** All weights, in a fixed order. */
  readonly variables: readonly Variable[];
}

/**
 * What a network's weights can come from: numbers in PyTorch's names and layouts; a stream to draw a start from; or
 * variables that `loadParameters` has made, which are then the network's.
 */
export type InitialWeights = WeightMap | RandomStream | NetworkParameters;
