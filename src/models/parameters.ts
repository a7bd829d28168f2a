import { type Tensor, tensor, tidy, transpose, type Variable, variable } from "@tensorflow/tfjs-core";
import { checkText, describe } from "../core/checks";
import { SidError } from "../core/errors";
import type { WeightMap, WeightSource } from "../core/host-tensor";
import type { RandomStream } from "../core/random";
import {
  checkFreeNames,
  checkHostWeights,
  checkSource,
  checkSpecs,
  checkWeightSource,
  floatsOf,
  isParameters,
  isStream,
} from "./check-weights";

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
 * What a network's weights can come from: numbers in PyTorch's names and layouts; a stream to draw a start from; or
 * variables that {@link loadParameters} has made, which are then the network's.
 */
export type InitialWeights = WeightMap | RandomStream | Parameters;

/**
 * Makes one tfjs variable per spec, named `${prefix}/${spec.name}`, from weights or at random.
 * Everything is checked before the first variable exists, so a failure leaves nothing behind.
 *
 * @param prefix - the network's name; tfjs variable names are global.
 * @param specs - the parameters, in order; random numbers are drawn in this order.
 * @param source - weights in PyTorch's names and layouts, exactly those of `specs`; a stream to draw from; or
 *   parameters of the same prefix and specs, which are checked and returned.
 * @returns the variables, trainable, float32, in tfjs's layouts.
 * @throws SidError `missing-weight`, `surplus-weight` or `shape-mismatch` naming the tensor;
 *   `invalid-argument` when a variable of that name lives already, or given parameters do not.
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
export function createParameters(prefix: string, specs: readonly ParameterSpec[], source: InitialWeights): Parameters {
  checkText("createParameters", "prefix", prefix);
  checkSpecs(prefix, specs);
  checkSource(prefix, source);
  if (isParameters(source)) return checkParameters(prefix, specs, source);
  checkFreeNames(prefix, specs);
  if (!isStream(source)) checkHostWeights(prefix, specs, source);
  const made = new Map<string, Variable>();
  try {
    for (const spec of specs) {
      const data = isStream(source) ? drawn(source, spec) : floatsOf(prefix, spec, source.get(spec.name));
      made.set(spec.name, makeVariable(prefix, spec, data));
    }
  } catch (error) {
    disposeAll(made.values());
    throw error;
  }
  return parametersOf(prefix, specs, made);
}

/**
 * Makes a network's variables from weights that are read one at a time, so that host memory holds one of them: a
 * model of many gigabytes goes from the disk to the backend without ever being in a buffer whole.
 *
 * Names, shapes and types are checked before the first tensor is read; where reading fails later, what was made is
 * disposed of.
 *
 * @param prefix - the network's name.
 * @param specs - its parameters, from `unetParameters` or `clipTextParameters`.
 * @param source - from `openComponent` or `openSafetensors`, exactly the tensors of `specs`; it stays open.
 * @returns the variables, for the network's option `weights`; the caller's to dispose of until then.
 * @throws SidError as {@link createParameters} does, and what the source throws.
 *
 * @example
 * ```ts
 * import { clipTextEncoder, clipTextParameters, createParameters, loadParameters, readWeights } from "sid-lsg/models";
 * import { parseClipTextConfig } from "sid-lsg/models";
 * import { openComponent, writeModelFolder } from "sid-lsg/io";
 * import { randomStream } from "sid-lsg";
 *
 * const config = { vocab_size: 20, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1, num_attention_heads: 2 };
 * const architecture = parseClipTextConfig(config);
 * const random = clipTextEncoder(architecture, { name: "random", weights: randomStream(0) });
 * await writeModelFolder("model", { text_encoder: { config, weights: await readWeights(random) } });
 *
 * const component = await openComponent("model", "text_encoder");
 * const weights = await loadParameters("text", clipTextParameters(architecture), component.weights);
 * await component.weights.close();
 * const encoder = clipTextEncoder(architecture, { name: "text", weights });
 * console.log(encoder.encode([[1, 7, 9, 2]]).shape); // [1, 4, 8]
 * for (const network of [random, encoder]) network.dispose();
 * ```
 */
export async function loadParameters(
  prefix: string,
  specs: readonly ParameterSpec[],
  source: WeightSource,
): Promise<Parameters> {
  checkText("loadParameters", "prefix", prefix);
  checkSpecs(prefix, specs);
  checkFreeNames(prefix, specs);
  checkWeightSource(prefix, specs, source);
  const made = new Map<string, Variable>();
  try {
    for await (const [spec, data] of readEach(prefix, specs, source)) {
      // Again, since others ran during the reading.
      checkFreeNames(prefix, [spec]);
      made.set(spec.name, makeVariable(prefix, spec, data));
    }
  } catch (error) {
    disposeAll(made.values());
    throw error;
  }
  return parametersOf(prefix, specs, made);
}

/** The numbers of each spec, one at a time, in the source's order, which is that of its bytes. */
export async function* readEach<S extends ParameterSpec>(
  where: string,
  specs: readonly S[],
  source: WeightSource,
): AsyncGenerator<[S, Float32Array]> {
  const wanted = new Map(specs.map((spec) => [spec.name, spec]));
  for (const name of source.entries.keys()) {
    const spec = wanted.get(name);
    if (spec) yield [spec, floatsOf(where, spec, await source.read(name))];
  }
}

function makeVariable(prefix: string, spec: ParameterSpec, data: Float32Array): Variable {
  const made = tidy(() => variable(fromPyTorch(data, spec), true, `${prefix}/${spec.name}`));
  madeFrom.set(made, spec);
  return made;
}

function parametersOf(prefix: string, specs: readonly ParameterSpec[], map: ReadonlyMap<string, Variable>): Parameters {
  return {
    list: specs.map(({ name }) => map.get(name) as Variable),
    get(name) {
      const found = map.get(name);
      if (!found) throw new SidError("invalid-argument", `${prefix}: there is no parameter ${describe(name)}.`);
      return found;
    },
    dispose: () => disposeAll(map.values()),
  };
}

/** Once only: by now the name, or a buffer shared by copyWeights, may be another network's. */
function disposeAll(variables: Iterable<Variable>): void {
  for (const v of variables) if (!v.isDisposed) v.dispose();
}

/** Throws unless these are the live variables of `specs`, under this prefix; returns them. */
function checkParameters(prefix: string, specs: readonly ParameterSpec[], given: Parameters): Parameters {
  const same = given.list.length === specs.length && given.list.every((v, i) => isMadeFor(v, prefix, specs[i]));
  if (!same || given.list.some((v) => v.isDisposed))
    throw new SidError(
      "invalid-argument",
      `${prefix}: wanted ${specs.length} live parameters "${prefix}/…" of this network's shapes, got others (${given.list.length}, the first ${describe(given.list[0]?.name)}).`,
    );
  return given;
}

function isMadeFor(v: Variable, prefix: string, spec: ParameterSpec | undefined): boolean {
  const { name, shape, layout } = specOf(v);
  return (
    v.name === `${prefix}/${spec?.name}` &&
    name === spec?.name &&
    layout === spec.layout &&
    shape.join() === spec.shape.join()
  );
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
