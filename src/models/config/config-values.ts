import { checkFunction, checkInteger, checkObject, describe, isObject } from "../../core/checks";
import { SidError } from "../../core/errors";

/** A config file's keys and values, completed by the defaults. */
export interface Config<K extends string = string> {
  /** What errors name as their origin. */
  readonly where: string;
  readonly values: Readonly<Record<K, unknown>>;
}

/** Options of the functions that read a model's `config.json`. */
export interface ConfigOptions {
  /**
   * Is told once of the keys that change nothing and are passed over, all of them in one text.
   * @defaultValue `console.warn`
   */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/** What a parser knows of a config file. */
export interface KnownKeys<K extends string> {
  /** The defaults of the keys that are read. */
  readonly defaults: Readonly<Record<K, unknown>>;
  /** Keys of which only these values are implemented; the first is the default. Where false is one of them, so is null. */
  readonly fixed: Readonly<Record<string, readonly unknown[]>>;
  /** Keys of every file that change nothing, not worth a word. */
  readonly silent?: ReadonlySet<string> | undefined;
  /** Where a file tells the version of the library that wrote it, and the latest one whose keys are all known here. */
  readonly version: { readonly key: string; readonly known: string };
}

/** Where diffusers' files tell their version; `fixed` and `defaults` of its models name all keys of the one that is known. */
export const diffusersVersion = { key: "_diffusers_version", known: "0.42" };

/** Keys that trainers leave in a config.json: those of a moving average, of memory, of other frameworks. */
const idle = new Set(
  (
    "decay min_decay min_value max_value inv_gamma power optimization_step update_after_step use_ema_warmup foreach " +
    "model_cls model_config shadow_params collected_params gradient_checkpointing use_memory_efficient_attention " +
    "split_head_dim architectures dtype torch_dtype transformers_version"
  ).split(" "),
);

/**
 * Completes a parsed `config.json`; keys that begin with `_` are ignored, and values that are not implemented refused by
 * name. So is a key that is unknown here, unless the file was written by a version of the library all of whose keys are
 * known: that library passes it over too.
 */
export function readConfig<K extends string>(
  where: string,
  json: unknown,
  known: KnownKeys<K>,
  options: ConfigOptions,
): Config<K> {
  if (!isObject(json))
    throw new SidError("invalid-argument", `${where}: wanted the object of a config.json, got ${describe(json)}.`);
  const { onWarning = console.warn } = checkObject(where, "options", options, { onWarning: 1 });
  checkFunction(where, "onWarning", onWarning);
  const given = Object.entries(json).filter(([key]) => !key.startsWith("_"));
  const hasOldKeysOnly = isUpTo(json[known.version.key], known.version.known);
  const passed = given.filter(([key, value]) => !isRead(where, key, value, known, hasOldKeysOnly)).map(([key]) => key);
  if (passed.length > 0) onWarning(`${where}: passed over, since nothing here depends on it: ${passed.join(", ")}.`);
  return { where, values: { ...known.defaults, ...Object.fromEntries(given) } };
}

/** Whether a key is one of those that are known; throws unless it may be passed over, and for values that change the result. */
function isRead(
  where: string,
  key: string,
  value: unknown,
  known: KnownKeys<string>,
  hasOldKeysOnly: boolean,
): boolean {
  if (Object.hasOwn(known.defaults, key) || known.silent?.has(key)) return true;
  const allowed = Object.hasOwn(known.fixed, key) ? known.fixed[key] : undefined;
  if (!allowed) {
    if (!idle.has(key) && !hasOldKeysOnly)
      throw new SidError("unsupported", `${where}: the key "${key}" is not supported.`);
    return false;
  }
  const values = Array.isArray(value) && value.length > 0 ? value : [isEmpty(value) ? null : value];
  for (const entry of values)
    if (!allowed.includes(entry) && !(entry === null && allowed.includes(false)))
      throw new SidError(
        "unsupported",
        `${where}: ${key} = ${describe(entry)} is not supported, only ${allowed.map(describe).join(" or ")}.`,
      );
  return true;
}

/** Whether a value is `{}`, as transformers 4 writes for no pruned heads. */
function isEmpty(value: unknown): boolean {
  return isObject(value) && Object.keys(value).length === 0;
}

/** Whether a version such as `"0.21.0.dev0"` is at most `latest`, such as `"0.42"`. */
function isUpTo(version: unknown, latest: string): boolean {
  const [major, minor] = /^(\d+)\.(\d+)/.exec(String(version))?.slice(1).map(Number) ?? [];
  const [lastMajor = 0, lastMinor = 0] = latest.split(".").map(Number);
  if (major === undefined || minor === undefined) return false;
  return major < lastMajor || (major === lastMajor && minor <= lastMinor);
}

/** One integer in `[1, max]`. */
export function integer<K extends string>({ where, values }: Config<K>, key: K, max?: number): number {
  return checkInteger(where, key, values[key] as number, 1, max);
}

/** A list of integers in `[1, max]`. */
export function integers<K extends string>({ where, values }: Config<K>, key: K, max?: number): number[] {
  const value = values[key];
  if (!Array.isArray(value) || value.length === 0)
    throw new SidError("invalid-argument", `${where}: ${key} must be a list of integers, got ${describe(value)}.`);
  return Array.from(value, (entry: number, i) => checkInteger(where, `${key}[${i}]`, entry, 1, max));
}

/** One integer in `[1, max]` for all levels, or one for each. */
export function perLevel<K extends string>(config: Config<K>, key: K, count: number, max?: number): number[] {
  const value = config.values[key];
  if (!Array.isArray(value)) return Array<number>(count).fill(integer(config, key, max));
  checkLength(config.where, key, value, count);
  return integers(config, key, max);
}

/** The levels' blocks, each of one of these types. */
export function blockTypes<K extends string, T extends string>(
  { where, values }: Config<K>,
  key: K,
  count: number,
  supported: readonly T[],
): T[] {
  const value = values[key];
  if (!Array.isArray(value))
    throw new SidError("invalid-argument", `${where}: ${key} must be a list of names, got ${describe(value)}.`);
  checkLength(where, key, value, count);
  return Array.from(value, (type: T) => {
    if (supported.includes(type)) return type;
    const names = supported.map((name) => `"${name}"`).join(" or ");
    throw new SidError("unsupported", `${where}: ${key} = ${describe(type)} is not supported, only ${names}.`);
  });
}

/** Channels of the levels, finest first, and the groups that they are normed by. */
export function groupedChannels(config: Config<"block_out_channels" | "norm_num_groups">) {
  const channels = integers(config, "block_out_channels");
  const normGroups = integer(config, "norm_num_groups");
  for (const width of channels)
    if (width % normGroups !== 0)
      throw new SidError(
        "invalid-argument",
        `${config.where}: norm_num_groups must divide every entry of block_out_channels, got ${normGroups} and ${width}.`,
      );
  return { channels, normGroups };
}

/** Plays no part in the architecture; still, a mistake in it is a mistake in the file. */
export function checkSampleSize({ where, values }: Config<"sample_size">): void {
  for (const length of [values["sample_size"] ?? []].flat()) checkInteger(where, "sample_size", length as number, 1);
}

function checkLength(where: string, key: string, value: readonly unknown[], count: number): void {
  if (value.length !== count)
    throw new SidError(
      "invalid-argument",
      `${where}: ${key} must have one entry per level, wanted ${count} as in block_out_channels, got ${value.length}.`,
    );
}

/** True or false; null is off, as in Python. */
export function flag<K extends string>({ where, values }: Config<K>, key: K): boolean {
  const value = values[key] ?? false;
  if (typeof value !== "boolean")
    throw new SidError("invalid-argument", `${where}: ${key} must be true or false, got ${describe(value)}.`);
  return value;
}

/** An odd integer: the window of a convolution that keeps the size. */
export function odd<K extends string>(config: Config<K>, key: K): number {
  const value = integer(config, key);
  if (value % 2 === 0) throw new SidError("unsupported", `${config.where}: ${key} must be odd, got ${value}.`);
  return value;
}
