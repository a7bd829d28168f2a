import { type Tensor, tensor, tidy, transpose, type Variable, variable } from "@tensorflow/tfjs-core";
import { checkText, describe } from "../core/checks";
import { SidError } from "../core/errors";
import type { WeightMap } from "../core/host-tensor";
import type { RandomStream } from "../core/random";
import { checkFreeNames, checkHostWeights, checkSource, checkSpecs, isStream } from "./check-weights";

/**
 * How a parameter's axes differ between PyTorch and tfjs.
 *
 * - `conv`: `[out, in, height, width]` there, `[height, width, in, out]` here;
 * - `linear`: `[out, in]` there, `[in, out]` here;
 * - `same`: no difference.
 */
export type ParameterLayout = "conv" | "linear" | "same";

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

/** A network's live parameters. */
export interface Parameters {
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

/** PyTorch's axes in the order in which tfjs wants them. */
const toTfjs = { conv: [2, 3, 1, 0], linear: [1, 0] } as const;
const toPyTorch = { conv: [3, 2, 0, 1], linear: [1, 0] } as const;

const madeFrom = new WeakMap<Variable, ParameterSpec>();

/**
 * Makes one tfjs variable per spec, named `${prefix}/${spec.name}`, from weights or at random.
 * Everything is checked before the first variable exists, so a failure leaves nothing behind.
 *
 * @param prefix - the network's name; tfjs variable names are global.
 * @param specs - the parameters, in order; random numbers are drawn in this order.
 * @param source - weights in PyTorch's names and layouts, exactly those of `specs`; or a stream to draw from.
 * @returns the variables, trainable, float32, in tfjs's layouts.
 * @throws SidError `missing-weight`, `surplus-weight` or `shape-mismatch` naming the tensor;
 *   `invalid-argument` when a variable of that name lives already.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 * import { createParameters, type ParameterSpec } from "sid-lsg/models";
 *
 * const specs: ParameterSpec[] = [
 *   { name: "fc.weight", shape: [3, 2], layout: "linear", init: { uniform: 0.5 } },
 *   { name: "fc.bias", shape: [3], layout: "same", init: { constant: 0 } },
 * ];
 * const parameters = createParameters("head", specs, randomStream(0));
 * console.log(parameters.get("fc.weight").shape); // [2, 3]
 * parameters.dispose();
 * ```
 */
export function createParameters(
  prefix: string,
  specs: readonly ParameterSpec[],
  source: WeightMap | RandomStream,
): Parameters {
  checkText("createParameters", "prefix", prefix);
  checkSpecs(prefix, specs);
  checkFreeNames(prefix, specs);
  checkSource(prefix, source);
  if (!isStream(source)) checkHostWeights(prefix, specs, source);
  const map = new Map<string, Variable>();
  const dispose = () => {
    // Once only: by now the name, or a buffer shared by copyWeights, may be another network's.
    for (const v of map.values()) if (!v.isDisposed) v.dispose();
  };
  try {
    for (const spec of specs) {
      const data = isStream(source) ? drawn(source, spec) : (source.get(spec.name)?.data as Float32Array);
      const made = tidy(() => variable(fromPyTorch(data, spec), true, `${prefix}/${spec.name}`));
      madeFrom.set(made, spec);
      map.set(spec.name, made);
    }
  } catch (error) {
    dispose();
    throw error;
  }
  return {
    list: [...map.values()],
    get(name) {
      const found = map.get(name);
      if (!found) throw new SidError("invalid-argument", `${prefix}: there is no parameter ${describe(name)}.`);
      return found;
    },
    dispose,
  };
}

/** The spec that a variable was made from; one made elsewhere has its own name and no other layout. */
export function specOf(v: Variable): ParameterSpec {
  return madeFrom.get(v) ?? { name: v.name, shape: v.shape, layout: "same", init: { constant: 0 } };
}

/** A tensor in tfjs's layout from numbers in PyTorch's. */
export function fromPyTorch(data: Float32Array, { shape, layout }: ParameterSpec): Tensor {
  const x = tensor(data, [...shape], "float32");
  return layout === "same" ? x : transpose(x, [...toTfjs[layout]]);
}

/** A copy in PyTorch's layout of a tensor in tfjs's. */
export function inPyTorchLayout(x: Tensor, layout: ParameterLayout): Tensor {
  return layout === "same" ? x.clone() : transpose(x, [...toPyTorch[layout]]);
}

function drawn(stream: RandomStream, { shape, init }: ParameterSpec): Float32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  if ("constant" in init) return new Float32Array(size).fill(init.constant);
  if ("normal" in init) return stream.normals(size).map((z) => z * init.normal);
  return Float32Array.from(stream.uniform(size), (u) => (2 * u - 1) * init.uniform);
}
