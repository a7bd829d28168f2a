import { checkObject, checkPositive, describe, isObject } from "../../core/checks";
import { SidError } from "../../core/errors";
import { configKey, type LoraFile, prefix } from "./lora-file";

/** PEFT's configuration of an adapter, as far as it bears on the result. */
export interface PeftConfig {
  /** The rank that a layer is said to have, if any is. */
  rank(layer: string): number | undefined;
  /** The alpha of a layer with this rank, so that `alpha / rank` is its scale. */
  alpha(layer: string, rank: number): number;
}

/** LoraConfig's default. */
const usualAlpha = 8;

/** Keys that an adapter may be read without, since they concern its training or what the tensors themselves say. */
const idle = [
  ...["peft_type", "peft_version", "task_type", "auto_mapping", "base_model_name_or_path", "revision"],
  ...["inference_mode", "r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "target_modules"],
  ...["exclude_modules", "lora_dropout", "fan_in_fan_out", "bias", "init_lora_weights", "layers_to_transform"],
  ...["layers_pattern", "megatron_config", "megatron_core", "loftq_config", "eva_config", "corda_config"],
  ...["lora_ga_config", "qalora_group_size", "runtime_config", "ensure_weight_tying", "ephemeral_gpu_offload"],
];

/** Keys that, where they are set, make something else of the tensors or ask for more than them. */
const other = [
  ...["use_dora", "lora_bias", "use_qalora", "use_bdlora", "layer_replication", "modules_to_save"],
  ...["trainable_token_indices", "target_parameters", "alora_invocation_tokens", "arrow_config", "kasa_config"],
  ...["velora_config", "monteclora_config"],
];

/** Starts that leave the base's weights as they are; the others subtract the start from them. */
const harmlessStarts = [undefined, null, true, false, "gaussian", "eva", "orthogonal"];

/**
 * Reads `adapter_config.json`, or what diffusers keeps of it in a file's metadata.
 *
 * @throws SidError `unsupported` naming a key that asks for more than pairs of factors, `corrupt-file` for a value of
 *   the wrong kind.
 */
export function readPeftConfig(
  where: string,
  config: Readonly<Record<string, unknown>>,
  onWarning: (warning: string) => void,
): PeftConfig {
  checkObject(where, "config", config);
  const { peft_type: type = "LORA", bias = "none", init_lora_weights: start } = config;
  if (type !== "LORA") throw refused(where, `peft_type ${describe(type)}`);
  if (bias !== "none" && bias !== null) throw refused(where, `bias ${describe(bias)}`);
  if (!harmlessStarts.includes(start as never)) throw refused(where, `init_lora_weights ${describe(start)}`);
  for (const key of other) if (isSet(config[key])) throw refused(where, key);
  const unknown = Object.keys(config).filter(
    (key) => isSet(config[key]) && !idle.includes(key) && !other.includes(key),
  );
  if (unknown.length > 0)
    onWarning(
      `${where}: the adapter's configuration has keys that are not known here and passed over: ${unknown.join(", ")}.`,
    );
  const number = (key: string, value: unknown) => {
    if (typeof value === "number") return checkPositive(where, key, value);
    throw new SidError("corrupt-file", `${where}: ${key} must be a number, got ${describe(value)}.`);
  };
  // 0 is a number, and is refused as one: null alone leaves a value out.
  const optional = (key: string) => ((config[key] ?? undefined) === undefined ? undefined : number(key, config[key]));
  const [rank, alpha = usualAlpha] = [optional("r"), optional("lora_alpha")];
  const pattern = (key: string) => patternOf(where, key, config[key] ?? {}, number);
  const [ranks, alphas] = [pattern("rank_pattern"), pattern("alpha_pattern")];
  const rooted = Boolean(config["use_rslora"]);
  return {
    rank: (layer) => ranks(layer) ?? rank,
    // α/√r is α·√r/r.
    alpha: (layer, rank) => (alphas(layer) ?? alpha) * (rooted ? Math.sqrt(rank) : 1),
  };
}

/** Numbers by regular expressions that the end of a layer's name fits, of which the first counts; as in PEFT. */
function patternOf(
  where: string,
  key: string,
  given: unknown,
  number: (key: string, value: unknown) => number,
): (layer: string) => number | undefined {
  if (!isObject(given))
    throw new SidError("corrupt-file", `${where}: ${key} must be an object, got ${describe(given)}.`);
  const entries = Object.entries(given).map(([name, value]) => ({
    fits: expression(where, key, name),
    value: number(`${key}["${name}"]`, value),
  }));
  return (layer) => entries.find(({ fits }) => fits.test(layer))?.value;
}

/** Only such that cannot take long: no repeated group, no reference back, no look around, few repetitions. */
function expression(where: string, key: string, text: string): RegExp {
  const slow = /\)[*+?{]|\(\?(?!:)|\\[1-9k]/.test(text) || (text.match(/[*+?{]/g) ?? []).length > 3;
  if (slow || text.length > 200)
    throw new SidError(
      "unsupported",
      `${where}: ${key} has the expression ${describe(text)}, which is too involved: write the layers' names in its place.`,
    );
  try {
    return new RegExp(`^(?:.*\\.)?(?:${text})$`);
  } catch (cause) {
    throw new SidError("corrupt-file", `${where}: ${key} has ${describe(text)}, which is no regular expression.`, {
      cause,
    });
  }
}

function isSet(value: unknown): boolean {
  return isObject(value) ? Object.keys(value).length > 0 : Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function refused(where: string, what: string): SidError {
  return new SidError("unsupported", `${where}: an adapter with ${what} is more than pairs of factors; ${remedy}.`);
}

/** What to do with an adapter that cannot be read. */
export const remedy =
  "merge it into its model with the program that made it, save that as a diffusers folder and load the folder";

/** PEFT's configuration of the U-Net, as far as the file's metadata has one. */
export function metadataConfig(
  where: string,
  metadata: LoraFile["metadata"] | undefined,
): Readonly<Record<string, unknown>> | undefined {
  const text = metadata?.[configKey];
  if (text === undefined) return undefined;
  const config = parsed(text);
  if (!isObject(config))
    throw new SidError("corrupt-file", `${where}: ${configKey} in the metadata must be a JSON object.`);
  const entries = Object.entries(config);
  const inside = entries
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]) => [key.slice(prefix.length), value]);
  // A network's own configuration has no prefix, a pipeline's has those of its parts.
  const bare = entries.filter(([key]) => !key.includes("."));
  const own = inside.length > 0 ? inside : bare;
  return own.length > 0 ? Object.fromEntries(own) : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
