import { engine } from "@tensorflow/tfjs-core";
import { allFinite } from "../../core/all-finite";
import {
  checkArray,
  checkFinite,
  checkInteger,
  checkMethods,
  checkObject,
  checkOneOf,
  checkText,
  describe,
  showShape,
} from "../../core/checks";
import { SidError } from "../../core/errors";
import type { HostDtype, HostTensor, WeightInfo, WeightMap, WeightSource } from "../../core/host-tensor";
import type { RandomStream } from "../../core/random";
import { checkStream } from "../../core/random";
import { checkVariables } from "../../core/tensor-checks";
import type { HasVariables, InitialWeights, NetworkParameters, ParameterSpec } from "./types";

/** What is read as float32. */
const floats: readonly unknown[] = ["F32", "F16", "BF16"] satisfies HostDtype[];

/** What a network's file may hold. */
const held: readonly string[] = ["F32", "F16", "BF16", "I64", "I32", "U8"] satisfies HostDtype[];

/** Rank of a weight by its layout. */
const ranks = { conv: 4, linear: 2, "as-is": undefined } as const;

/** What older files of transformers hold and no network takes for a weight. */
const buffers = ["text_model.embeddings.position_ids", "vision_model.embeddings.position_ids"];

/** What one parameter may hold: more fits no array of a JavaScript engine of today. */
const mostElements = 2 ** 30;

/**
 * Throws ONE error naming the first tensor that is missing, surplus or mis-shaped. Surplus tensors of other types
 * (F64, BOOL, F8) do not count: no network of this library could hold them.
 */
export function checkWeights(
  where: string,
  specs: readonly { readonly name: string; readonly shape: readonly number[] }[],
  weights: ReadonlyMap<string, { readonly shape: readonly number[]; readonly dtype?: string }>,
): void {
  const missing = specs.filter(({ name }) => !weights.has(name));
  if (missing[0])
    throw new SidError(
      "missing-weight",
      `${where}: weight "${missing[0].name}" is missing (${missing.length} of ${specs.length} are).`,
    );
  const wanted = new Set(specs.map(({ name }) => name));
  const surplus = [...weights].filter(
    ([name, { dtype }]) => !wanted.has(name) && !buffers.includes(name) && isHeld(dtype),
  );
  if (surplus[0])
    throw new SidError(
      "surplus-weight",
      `${where}: weight "${surplus[0][0]}" belongs to no parameter of this network (${surplus.length} such).`,
    );
  for (const { name, shape } of specs) {
    const got = weights.get(name)?.shape ?? [];
    if (shape.join() !== got.join())
      throw new SidError(
        "shape-mismatch",
        `${where}: weight "${name}" must have shape [${shape.join(", ")}], got [${got.join(", ")}].`,
      );
  }
}

/** Whether tensors of this type can be read; a variable's is `"float32"`. */
function isHeld(dtype: string | undefined): boolean {
  return dtype === undefined || dtype === "float32" || held.includes(dtype);
}

/** {@link checkWeights} for weights in host memory, whose elements must be floating point, finite and all there. */
export function checkHostWeights(where: string, specs: readonly ParameterSpec[], weights: WeightMap): void {
  checkWeightMap(where, weights);
  checkWeights(where, specs, weights);
  for (const spec of specs) {
    floatsOf(where, spec, weights.get(spec.name));
    checkFiniteWeight(where, spec.name, weights.get(spec.name) as HostTensor);
  }
}

/** {@link checkWeights} for weights that are still to be read. */
export function checkWeightSource(where: string, specs: readonly ParameterSpec[], source: WeightSource): void {
  checkMethods(where, "weights", source, "a source of weights", ["read", "close"]);
  checkWeightMap(where, source.entries);
  checkWeights(where, specs, source.entries);
  for (const { name } of specs) {
    const { dtype } = source.entries.get(name) as WeightInfo;
    if (floats.includes(dtype)) continue;
    if (/^[CF]\d/.test(dtype))
      throw new SidError(
        "unsupported",
        `${where}: weight "${name}" is ${dtype}; only ${floats.join(", ")} are read: convert it in PyTorch.`,
      );
    throw new SidError(
      "shape-mismatch",
      `${where}: weight "${name}" must hold floating-point numbers, got ${describe(dtype)}.`,
    );
  }
}

/** The elements of one weight; throws unless they are floating point and all there. */
export function floatsOf(where: string, { name, shape }: ParameterSpec, weight: HostTensor | undefined): Float32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  if (!(weight?.data instanceof Float32Array) || weight.data.length !== size)
    throw new SidError(
      "shape-mismatch",
      `${where}: weight "${name}" must hold ${size} floating-point numbers, got ${describe(weight?.data?.length)} of ${describe(weight?.dtype)}.`,
    );
  return weight.data;
}

/** Throws where one number of a weight is NaN or infinite. */
export function checkFiniteWeight(where: string, name: string, { data }: HostTensor): void {
  if (data instanceof Float32Array && !allFinite(data))
    throw new SidError("not-finite", `${where}: weight "${name}" holds NaN or infinities.`);
}

/** Whether a network's parameters are drawn rather than given. */
export function isStream(source: InitialWeights): source is RandomStream {
  return typeof (source as RandomStream)?.normals === "function";
}

/** Whether a network's parameters exist already. */
export function isParameters(source: InitialWeights): source is NetworkParameters {
  return Array.isArray((source as NetworkParameters)?.list);
}

/** Throws unless a network's parameters can come from `source`. */
export function checkSource(where: string, source: InitialWeights): void {
  if (isStream(source)) checkStream(where, "weights", source);
  else if (isParameters(source)) {
    checkMethods(where, "weights", source, "parameters", ["get", "dispose"]);
    checkVariables(where, "the parameters' list", source.list);
  } else checkMap(where, source, "a Map of weights, a stream such as randomStream(0), or what loadParameters gives");
}

/** Throws unless these are weights by their names, each of which has a shape. */
export function checkWeightMap(where: string, weights: ReadonlyMap<string, WeightInfo>): void {
  checkMap(where, weights);
  for (const [name, info] of weights) {
    checkText(where, "the name of a weight", name);
    checkObject(where, `weight ${describe(name)}`, info);
    checkArray(where, `the shape of weight ${describe(name)}`, info.shape);
  }
}

function checkMap(where: string, weights: ReadonlyMap<string, WeightInfo>, kind = "a Map of weights"): void {
  checkMethods(where, "weights", weights, kind, ["get", "has", "keys", Symbol.iterator]);
}

/** Throws unless every parameter has a name, a shape that fits its layout, and a law to start from. */
export function checkSpecs(where: string, specs: readonly ParameterSpec[]): void {
  for (const [i, spec] of checkArray(where, "specs", specs).entries()) {
    const { name, shape, layout, init } = checkObject(where, `specs[${i}]`, spec);
    checkText(where, `specs[${i}].name`, name);
    const at = `parameter "${name}"`;
    checkOneOf(where, `the layout of ${at}`, layout, ["conv", "linear", "as-is"]);
    for (const size of checkArray(where, `the shape of ${at}`, shape)) checkInteger(where, `a size of ${at}`, size, 1);
    checkInteger(
      where,
      `the number of elements of ${at}`,
      shape.reduce((a, b) => a * b, 1),
      1,
      mostElements,
    );
    if (shape.length !== (ranks[layout] ?? shape.length))
      throw new SidError(
        "shape-mismatch",
        `${where}: ${at} needs rank ${ranks[layout]} for the layout "${layout}", got ${showShape(spec)}.`,
      );
    const law = Object.keys(checkObject(where, `the init of ${at}`, init)).join() as keyof typeof init;
    checkOneOf(where, `the init of ${at}`, law, ["constant", "uniform", "normal"]);
    checkFinite(where, `the ${law} of ${at}`, init[law]);
  }
}

/** Throws unless no variable of these names lives: tfjs keeps them in one global table. `remedy` is what then to do. */
export function checkFreeNames(
  prefix: string,
  specs: readonly { readonly name: string }[],
  remedy = "dispose it or choose another name",
): void {
  const { registeredVariables } = engine();
  const seen = new Set<string>();
  for (const { name } of specs) {
    if (seen.has(name)) throw new SidError("invalid-argument", `${prefix}: parameter "${name}" is declared twice.`);
    seen.add(name);
    if (registeredVariables[`${prefix}/${name}`])
      throw new SidError(
        "invalid-argument",
        `createParameters: a network named "${prefix}" exists already (variable "${prefix}/${name}"): ${remedy}.`,
      );
  }
}

/** Throws unless `model` is a network that was not disposed of. */
export function checkLive(where: string, model: HasVariables): void {
  checkText(where, "the network's name", checkObject(where, "network", model).name);
  checkVariables(where, "the network's variables", model.variables);
  if (model.variables.some((v) => v.isDisposed))
    throw new SidError("invalid-argument", `${where}: the network "${model.name}" was disposed before.`);
}
