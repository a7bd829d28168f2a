import { checkInteger, describe, isObject } from "../../core/checks";
import { SidError } from "../../core/errors";

/** A config file's keys and values, completed by the defaults. */
export interface Config<K extends string = string> {
  /** What errors name as their origin. */
  readonly where: string;
  readonly values: Readonly<Record<K, unknown>>;
}

/** What a parser knows of a config file. */
export interface KnownKeys<K extends string> {
  /** diffusers' defaults of the keys that are read. */
  readonly defaults: Readonly<Record<K, unknown>>;
  /** Keys of which only these values are implemented; the first is diffusers' default. */
  readonly fixed: Readonly<Record<string, readonly unknown[]>>;
}

/** Completes a parsed `config.json`; keys that begin with `_` are ignored, unknown ones and their values refused by name. */
export function readConfig<K extends string>(where: string, json: unknown, known: KnownKeys<K>): Config<K> {
  if (!isObject(json))
    throw new SidError("invalid-argument", `${where}: wanted the object of a config.json, got ${describe(json)}.`);
  const given = Object.entries(json).filter(([key]) => !key.startsWith("_"));
  for (const [key, value] of given) checkSupported(where, key, value, known);
  return { where, values: { ...known.defaults, ...Object.fromEntries(given) } };
}

function checkSupported(where: string, key: string, value: unknown, { defaults, fixed }: KnownKeys<string>): void {
  if (Object.hasOwn(defaults, key)) return;
  const allowed = Object.hasOwn(fixed, key) ? fixed[key] : undefined;
  if (!allowed) throw new SidError("unsupported", `${where}: the key "${key}" is not supported.`);
  const values = Array.isArray(value) && value.length > 0 ? value : [value];
  for (const entry of values)
    if (!allowed.includes(entry))
      throw new SidError(
        "unsupported",
        `${where}: ${key} = ${describe(entry)} is not supported, only ${allowed.map(describe).join(" or ")}.`,
      );
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

/** True or false. */
export function flag<K extends string>({ where, values }: Config<K>, key: K): boolean {
  const value = values[key];
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
