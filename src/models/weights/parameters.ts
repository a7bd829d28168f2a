import { getBackend, type Tensor, tensor, tidy, transpose, type Variable, variable } from "@tensorflow/tfjs-core";
import { checkBackend } from "../../core/check-backend";
import { checkObject, checkOneOf, checkText, describe, type KeysOf } from "../../core/checks";
import { SidError } from "../../core/errors";
import { hasKernel, runIfThere } from "../../core/fused-kernels";
import { releaseGraphs } from "../../core/graph-runner";
import { markHalves } from "../../core/half-storage";
import type { RandomStream } from "../../core/random";
import { sharedState } from "../../core/shared-state";
import {
  checkFreeNames,
  checkHostWeights,
  checkSource,
  checkSpecs,
  floatsOf,
  isParameters,
  isStream,
} from "./check-weights";
import type { InitialWeights, NetworkParameters, ParameterLayout, ParameterOptions, ParameterSpec } from "./types";

/** PyTorch's axes in the order in which tfjs wants them. */
const toTfjs = { conv: [2, 3, 1, 0], linear: [1, 0] } as const;
const toPyTorch = { conv: [3, 2, 0, 1], linear: [1, 0] } as const;

const madeFrom = /* @__PURE__ */ sharedState("parameter specs", () => new WeakMap<Variable, ParameterSpec>());

/** Parameters that have become a network's. */
const taken = /* @__PURE__ */ sharedState("taken parameters", () => new WeakSet<NetworkParameters>());

/**
 * Makes one tfjs variable per spec, named `${prefix}/${spec.name}`, from weights or at random.
 * Everything is checked before the first variable exists, so a failure leaves nothing behind.
 *
 * @param prefix - the network's name; tfjs variable names are global.
 * @param specs - the parameters, in order; random numbers are drawn in this order.
 * @param source - weights in PyTorch's names and layouts, exactly those of `specs`; a stream to draw from; or
 *   parameters of the same prefix and specs, which are checked and returned.
 * @param options - how they are stored.
 * @returns the variables, trainable, float32, in tfjs's layouts.
 * @throws SidError `missing-weight`, `surplus-weight`, `shape-mismatch` or `not-finite` naming the tensor;
 *   `missing-backend` before `useBackend` was called; `invalid-argument` when a variable of that
 *   name lives already, or given parameters do not; with `weights: "f16"` `unsupported` on a backend that has no such
 *   storage, and `out-of-range` naming a weight beyond ±65504.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 * import { createParameters, type ParameterSpec } from "sid-lsg/models";
 *
 * const specs: ParameterSpec[] = [
 *   { name: "fc.weight", shape: [3, 2], layout: "linear", init: { uniform: 0.5 } },
 *   { name: "fc.bias", shape: [3], layout: "as-is", init: { constant: 0 } },
 * ];
 * const parameters = createParameters("head", specs, randomStream(0));
 * console.log(parameters.get("fc.weight").shape); // [2, 3]
 * parameters.dispose();
 * ```
 */
export function createParameters(
  prefix: string,
  specs: readonly ParameterSpec[],
  source: InitialWeights,
  options: ParameterOptions = {},
): NetworkParameters {
  checkText("createParameters", "prefix", prefix);
  checkSpecs(prefix, specs);
  checkSource(prefix, source);
  if (isParameters(source)) return checkParameters(prefix, specs, source);
  checkFreeNames(prefix, specs);
  if (!isStream(source)) checkHostWeights(prefix, specs, source);
  checkBackend("createParameters");
  const { weights } = checkParameterOptions("createParameters", options);
  const made = new Map<string, Variable>();
  try {
    for (const spec of specs) {
      const data = isStream(source) ? drawn(source, spec) : floatsOf(prefix, spec, source.get(spec.name));
      made.set(spec.name, makeVariable(prefix, spec, data, weights));
    }
  } catch (error) {
    disposeAll(made.values());
    throw error;
  }
  return parametersOf(prefix, specs, made);
}

const optionKeys: KeysOf<ParameterOptions> = { weights: 1 };

/** Throws for options that it cannot take, or the backend cannot. */
export function checkParameterOptions(where: string, options: ParameterOptions): Required<ParameterOptions> {
  const { weights = "f32" } = checkObject(where, "options", options, optionKeys);
  checkOneOf(where, "weights", weights, ["f32", "f16"]);
  if (weights === "f16" && !hasKernel("SidHalf")) throw noHalves(where);
  return { weights };
}

/** One variable, which remembers its spec. */
export function makeVariable(
  prefix: string,
  spec: ParameterSpec,
  data: Float32Array,
  weights: "f32" | "f16" = "f32",
): Variable {
  // Matrices and filters: the rest is little, and what reads it expects float32.
  const half = weights === "f16" && spec.layout !== "as-is";
  const made = tidy(() => variable(storedTensor(prefix, spec, data, half), true, `${prefix}/${spec.name}`));
  madeFrom.set(made, spec);
  if (half) markHalves(made);
  return made;
}

/** The tensor of a weight, at two bytes a number where `half`. */
export function storedTensor(prefix: string, spec: ParameterSpec, data: Float32Array, half: boolean): Tensor {
  const x = fromPyTorch(data, spec);
  if (!half) return x;
  checkHalfRange(prefix, spec, data);
  const [stored] = runIfThere("SidHalf", [x]) ?? [];
  if (!stored) throw noHalves(prefix);
  return stored;
}

/** The largest number of float16. */
const largestHalf = 65504;

/** Throws for a weight that float16 cannot hold. */
export function checkHalfRange(prefix: string, { name }: ParameterSpec, data: Float32Array): void {
  for (const value of data)
    if (!(Math.abs(value) <= largestHalf))
      throw new SidError(
        "out-of-range",
        `${prefix}: weight "${name}" holds ${value}, and float16 ends at ±${largestHalf}: load it with weights: "f32".`,
      );
}

function noHalves(where: string): SidError {
  return new SidError(
    "unsupported",
    `${where}: weights: "f16" is a storage of the backend "webgpu"; the backend in use is "${getBackend()}": leave the option out, or call useBackend("webgpu").`,
  );
}

/** The variables of `specs`, in their order, as a network's parameters. */
export function parametersOf(
  prefix: string,
  specs: readonly ParameterSpec[],
  map: ReadonlyMap<string, Variable>,
): NetworkParameters {
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
export function disposeAll(variables: Iterable<Variable>): void {
  for (const v of variables) if (!v.isDisposed) v.dispose();
  releaseGraphs();
}

/** Throws unless these are the live variables of `specs`, under this prefix; returns them. */
function checkParameters(prefix: string, specs: readonly ParameterSpec[], given: NetworkParameters): NetworkParameters {
  const same = given.list.length === specs.length && given.list.every((v, i) => isMadeFor(v, prefix, specs[i]));
  if (!same || given.list.some((v) => v.isDisposed))
    throw new SidError(
      "invalid-argument",
      `${prefix}: wanted ${specs.length} live parameters "${prefix}/…" of this network's shapes, got others (${given.list.length}, the first ${describe(given.list[0]?.name)}).`,
    );
  if (taken.has(given))
    throw new SidError("invalid-argument", `${prefix}: these parameters belong to another network of this name.`);
  taken.add(given);
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
  return madeFrom.get(v) ?? { name: v.name, shape: v.shape, layout: "as-is", init: { constant: 0 } };
}

/** A tensor in tfjs's layout from numbers in PyTorch's. */
export function fromPyTorch(data: Float32Array, { shape, layout }: ParameterSpec): Tensor {
  const x = tensor(data, [...shape], "float32");
  return layout === "as-is" ? x : transpose(x, [...toTfjs[layout]]);
}

/** A copy in PyTorch's layout of a tensor in tfjs's. */
export function inPyTorchLayout(x: Tensor, layout: ParameterLayout): Tensor {
  return layout === "as-is" ? x.clone() : transpose(x, [...toPyTorch[layout]]);
}

function drawn(stream: RandomStream, { shape, init }: ParameterSpec): Float32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  if ("constant" in init) return new Float32Array(size).fill(init.constant);
  if ("normal" in init) return stream.normals(size).map((z) => z * init.normal);
  return Float32Array.from(stream.uniform(size), (u) => (2 * u - 1) * init.uniform);
}
