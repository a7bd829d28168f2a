import type { Variable } from "@tensorflow/tfjs-core";
import { checkBackend } from "../../core/check-backend";
import { checkText } from "../../core/checks";
import type { WeightSource } from "../../core/host-tensor";
import { checkFreeNames, checkSpecs, checkWeightSource, floatsOf } from "./check-weights";
import { checkParameterOptions, disposeAll, makeVariable, parametersOf } from "./parameters";
import type { NetworkParameters, ParameterOptions, ParameterSpec } from "./types";

/**
 * Makes a network's variables from weights that are read one at a time, so that host memory holds one of them: a
 * model of many gigabytes goes from the disk to the backend without ever being in a buffer whole.
 *
 * Names, shapes and types are checked before the first tensor is read; where reading fails later, what was made is
 * disposed of.
 *
 * @param prefix - the network's name.
 * @param specs - its parameters, from `unetParameterSpecs`, `clipTextParameterSpecs` or `vaeParameterSpecs`.
 * @param source - from `openComponent` or `openSafetensors`, exactly the tensors of `specs`; it stays open.
 * @param options - how they are stored.
 * @returns the variables, for the network's option `weights`; the caller's to dispose of until then.
 * @throws SidError as `createParameters` does, and what the source throws.
 *
 * @example
 * ```ts
 * import { clipTextEncoder, clipTextParameterSpecs, createParameters, loadParameters, readWeights } from "sid-lsg/models";
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
 * const weights = await loadParameters("text", clipTextParameterSpecs(architecture), component.weights);
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
  options: ParameterOptions = {},
): Promise<NetworkParameters> {
  checkText("loadParameters", "prefix", prefix);
  checkSpecs(prefix, specs);
  checkFreeNames(prefix, specs);
  checkWeightSource(prefix, specs, source);
  checkBackend("loadParameters");
  const { weights } = checkParameterOptions("loadParameters", options);
  const made = new Map<string, Variable>();
  try {
    for await (const [spec, data] of readEach(prefix, specs, source)) {
      // Again, since others ran during the reading.
      checkFreeNames(prefix, [spec]);
      made.set(spec.name, makeVariable(prefix, spec, data, weights));
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
