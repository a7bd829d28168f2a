import { engine } from "@tensorflow/tfjs-core";
import { describe } from "../core/checks";
import { SidError } from "../core/errors";
import type { WeightMap } from "../core/host-tensor";
import type { HasVariables, ParameterSpec } from "./parameters";

/** Throws ONE error naming the first tensor that is missing, surplus or mis-shaped. */
export function checkWeights(
  where: string,
  specs: readonly { readonly name: string; readonly shape: readonly number[] }[],
  weights: ReadonlyMap<string, { readonly shape: readonly number[] }>,
): void {
  const missing = specs.filter(({ name }) => !weights.has(name));
  if (missing[0])
    throw new SidError(
      "missing-weight",
      `${where}: weight "${missing[0].name}" is missing (${missing.length} of ${specs.length} are).`,
    );
  const wanted = new Set(specs.map(({ name }) => name));
  const surplus = [...weights.keys()].filter((name) => !wanted.has(name));
  if (surplus.length > 0)
    throw new SidError(
      "surplus-weight",
      `${where}: weight "${surplus[0]}" belongs to no parameter of this network (${surplus.length} such).`,
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

/** {@link checkWeights} for weights in host memory, whose elements must be floating point and all there. */
export function checkHostWeights(where: string, specs: readonly ParameterSpec[], weights: WeightMap): void {
  if (typeof weights?.get !== "function")
    throw new SidError("invalid-argument", `${where}: wanted weights or a random stream, got ${describe(weights)}.`);
  checkWeights(where, specs, weights);
  for (const [name, { dtype, shape, data }] of weights) {
    const size = shape.reduce((a, b) => a * b, 1);
    if (!(data instanceof Float32Array) || data.length !== size)
      throw new SidError(
        "shape-mismatch",
        `${where}: weight "${name}" must hold ${size} floating-point numbers, got ${data.length} of ${dtype}.`,
      );
  }
}

/** Throws unless no variable of these names lives: tfjs keeps them in one global table. */
export function checkFreeNames(prefix: string, specs: readonly { readonly name: string }[]): void {
  if (typeof prefix !== "string" || prefix === "")
    throw new SidError("invalid-argument", "a network needs a non-empty name.");
  const { registeredVariables } = engine();
  const seen = new Set<string>();
  for (const { name } of specs) {
    if (seen.has(name)) throw new SidError("invalid-argument", `${prefix}: parameter "${name}" is declared twice.`);
    seen.add(name);
    if (registeredVariables[`${prefix}/${name}`])
      throw new SidError(
        "invalid-argument",
        `a network named "${prefix}" exists already (variable "${prefix}/${name}"): dispose it or choose another name.`,
      );
  }
}

/** Throws when a network was disposed of before. */
export function checkLive(where: string, model: HasVariables): void {
  if (model.variables.some((v) => v.isDisposed))
    throw new SidError("invalid-argument", `${where}: the network "${model.name}" was disposed before.`);
}
