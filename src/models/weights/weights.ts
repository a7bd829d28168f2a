import { mul, type Tensor, tidy, type Variable } from "@tensorflow/tfjs-core";
import { SidError } from "../../core/errors";
import { storesHalves } from "../../core/half-storage";
import type { HostTensor, WeightMap, WeightSource } from "../../core/host-tensor";
import { checkHostWeights, checkLive, checkWeightSource, checkWeights, floatsOf } from "./check-weights";
import { readEach } from "./load-parameters";
import { checkHalfRange, inPyTorchLayout, specOf, storedTensor } from "./parameters";
import type { HasVariables, ParameterSpec } from "./types";

/**
 * Reads a network's weights into host memory, in PyTorch's names (the prefix stripped) and layouts.
 *
 * @param model - a score model, generator or text encoder; variables that this library did not
 *   make (tf.layers) keep their own name and layout.
 * @returns float32 tensors, ready for `encodeSafetensors`.
 * @throws SidError `invalid-argument` for a network that was disposed before.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 * import { parseUnetConfig, readWeights, unet } from "sid-lsg/models";
 * import { ddpmSchedule } from "sid-lsg/schedules";
 *
 * const config = parseUnetConfig({
 *   block_out_channels: [8], norm_num_groups: 4, cross_attention_dim: 6, attention_head_dim: 2,
 *   down_block_types: ["CrossAttnDownBlock2D"], up_block_types: ["CrossAttnUpBlock2D"],
 * });
 * const model = unet(config, { name: "net", schedule: ddpmSchedule(), predicts: "eps", weights: randomStream(0) });
 * const weights = await readWeights(model);
 * console.log(weights.get("conv_in.weight")?.shape); // [8, 4, 3, 3]
 * model.dispose();
 * ```
 */
export async function readWeights(model: HasVariables): Promise<WeightMap> {
  checkLive("readWeights", model);
  // Clones share the buffers, so that all weights are of this moment, however long the reading takes.
  const snapshot = model.variables.map((v) => v.clone());
  const weights = new Map<string, HostTensor>();
  try {
    for (const [i, v] of model.variables.entries()) {
      const x = inPyTorchLayout(snapshot[i] as Tensor, specOf(v).layout);
      try {
        weights.set(shortName(model, v), { dtype: "F32", shape: x.shape, data: (await x.data<"float32">()).slice() });
      } finally {
        x.dispose();
      }
    }
  } finally {
    for (const x of snapshot) x.dispose();
  }
  return weights;
}

/**
 * Replaces a network's weights by others of the same names and shapes, from memory or read one at a time. From a
 * source, the old weights stay until all new ones are on the backend, which has room for both; `loadParameters` makes
 * a new network with room for one.
 *
 * @param model - whose variables are assigned; unchanged when anything does not fit or cannot be read.
 * @param weights - in PyTorch's names and layouts, exactly those of the model: a map, or a source from `openComponent`
 *   or `openSafetensors`, which stays open.
 * @throws SidError `missing-weight`, `surplus-weight` or `shape-mismatch` naming the tensor;
 *   `invalid-argument` for a network that was disposed before; and what the source throws.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 * import { createParameters, loadWeights } from "sid-lsg/models";
 * import { fileSource, openSafetensors, writeSafetensors } from "sid-lsg/io";
 *
 * const w = { dtype: "F16", shape: [2], data: new Float32Array([1, 2]) } as const;
 * const specs = [{ name: "w", shape: [2], layout: "as-is", init: { normal: 1 } }] as const;
 * const { list, dispose } = createParameters("net", specs, randomStream(0));
 * await loadWeights({ name: "net", variables: list }, new Map([["w", w]]));
 *
 * await writeSafetensors("w.safetensors", new Map([["w", w]]));
 * const file = await openSafetensors(await fileSource("w.safetensors"));
 * await loadWeights({ name: "net", variables: list }, file);
 * await file.close();
 * console.log(list[0]?.dataSync()); // Float32Array [1, 2]
 * dispose();
 * ```
 */
export async function loadWeights(model: HasVariables, weights: WeightMap | WeightSource): Promise<void> {
  checkLive("loadWeights", model);
  const specs = targetsOf(model);
  if (isSource(weights)) return loadFromSource(model, specs, weights);
  checkHostWeights(model.name, specs, weights);
  for (const spec of specs)
    if (storesHalves(spec.variable))
      checkHalfRange(model.name, spec, floatsOf(model.name, spec, weights.get(spec.name)));
  for (const spec of specs) {
    const data = floatsOf(model.name, spec, weights.get(spec.name));
    tidy(() => spec.variable.assign(storedTensor(model.name, spec, data, storesHalves(spec.variable))));
  }
}

async function loadFromSource(model: HasVariables, specs: readonly Target[], source: WeightSource): Promise<void> {
  checkWeightSource(model.name, specs, source);
  const read: [Variable, Tensor][] = [];
  try {
    for await (const [spec, data] of readEach(model.name, specs, source))
      read.push([spec.variable, tidy(() => storedTensor(model.name, spec, data, storesHalves(spec.variable)))]);
    checkLive("loadWeights", model);
    for (const [v, x] of read) v.assign(x);
  } finally {
    // Variables that were assigned share the buffers and keep them.
    for (const [, x] of read) x.dispose();
  }
}

/**
 * Gives `to` the weights of `from`. Both share their buffers until one of them is assigned anew, unless `from`
 * stores float16 and `to` does not.
 *
 * @param from - read only.
 * @param to - a network of the same parameters, under another name.
 * @throws SidError `missing-weight`, `surplus-weight` or `shape-mismatch` naming the tensor;
 *   `invalid-argument` for a network that was disposed before, and for a `to` that stores float16 where `from` does not.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 * import { copyWeights, createParameters, type HasVariables } from "sid-lsg/models";
 *
 * const specs = [{ name: "w", shape: [2], layout: "as-is", init: { normal: 1 } }] as const;
 * const [teacher, student] = ["teacher", "student"].map((name, seed) => {
 *   const { list, dispose } = createParameters(name, specs, randomStream(seed));
 *   return { name, variables: list, dispose };
 * }) as [HasVariables & { dispose(): void }, HasVariables & { dispose(): void }];
 * copyWeights(teacher, student);
 * console.log(student.variables[0]?.dataSync()[0] === teacher.variables[0]?.dataSync()[0]); // true
 * teacher.dispose();
 * student.dispose();
 * ```
 */
export function copyWeights(from: HasVariables, to: HasVariables): void {
  for (const model of [from, to]) checkLive("copyWeights", model);
  const source = new Map(from.variables.map((v) => [shortName(from, v), v]));
  const specs = to.variables.map((v) => ({ name: shortName(to, v), shape: v.shape }));
  checkWeights(`copyWeights from "${from.name}" to "${to.name}"`, specs, source);
  to.variables.forEach((v, i) => {
    const other = source.get((specs[i] as { name: string }).name) as Variable;
    if (other === v) return;
    if (storesHalves(v) && !storesHalves(other))
      throw new SidError(
        "invalid-argument",
        `copyWeights from "${from.name}" to "${to.name}": "${to.name}" stores float16, which is made while weights are loaded: load them into it.`,
      );
    if (storesHalves(other) && !storesHalves(v)) tidy(() => v.assign(mul(other, 1)));
    else v.assign(other);
  });
}

/** A variable with its name and layout in a file. */
type Target = ParameterSpec & { readonly variable: Variable };

/** Whether weights are yet to be read. */
function isSource(weights: WeightMap | WeightSource): weights is WeightSource {
  return typeof (weights as Partial<WeightSource> | undefined)?.read === "function";
}

/** A network's variables with the names and layouts of a file. */
function targetsOf(model: HasVariables): Target[] {
  return model.variables.map((v) => ({ ...specOf(v), name: shortName(model, v), variable: v }));
}

/** A variable's name without the network's prefix. */
function shortName(model: HasVariables, v: Variable): string {
  return v.name.startsWith(`${model.name}/`) ? v.name.slice(model.name.length + 1) : v.name;
}
