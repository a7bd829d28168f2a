import { checkInteger, describe } from "../../core/checks";
import { SidError } from "../../core/errors";

/** A config file's keys and values, completed by the defaults. */
export type Raw = Readonly<Record<string, unknown>>;

/** What errors name as their origin. */
export const where = "parseUnetConfig";

/** A list of integers in `[1, max]`. */
export function integers(raw: Raw, key: string, max?: number): number[] {
  const value = raw[key];
  if (!Array.isArray(value) || value.length === 0)
    throw new SidError("invalid-argument", `${where}: ${key} must be a list of integers, got ${describe(value)}.`);
  return value.map((entry, i) => checkInteger(where, `${key}[${i}]`, entry, 1, max));
}

/** One integer in `[1, max]` for all levels, or one for each. */
export function perLevel(raw: Raw, key: string, count: number, max?: number): number[] {
  const value = raw[key];
  if (!Array.isArray(value)) return Array<number>(count).fill(checkInteger(where, key, value as number, 1, max));
  checkLength(key, value, count);
  return integers(raw, key, max);
}

/** Which levels' blocks have transformers. */
export function blockTypes(raw: Raw, key: string, count: number, crossed: string, plain: string): boolean[] {
  const value = raw[key];
  if (!Array.isArray(value))
    throw new SidError("invalid-argument", `${where}: ${key} must be a list of names, got ${describe(value)}.`);
  checkLength(key, value, count);
  return value.map((type) => {
    if (type !== crossed && type !== plain)
      throw new SidError(
        "unsupported",
        `${where}: ${key} = ${describe(type)} is not supported, only "${crossed}" or "${plain}".`,
      );
    return type === crossed;
  });
}

function checkLength(key: string, value: readonly unknown[], count: number): void {
  if (value.length !== count)
    throw new SidError(
      "invalid-argument",
      `${where}: ${key} must have one entry per level, wanted ${count} as in block_out_channels, got ${value.length}.`,
    );
}

/** True or false. */
export function flag(raw: Raw, key: string): boolean {
  const value = raw[key];
  if (typeof value !== "boolean")
    throw new SidError("invalid-argument", `${where}: ${key} must be true or false, got ${describe(value)}.`);
  return value;
}

/** An odd integer: the window of a convolution that keeps the size. */
export function odd(raw: Raw, key: string): number {
  const value = checkInteger(where, key, raw[key] as number, 1);
  if (value % 2 === 0) throw new SidError("unsupported", `${where}: ${key} must be odd, got ${value}.`);
  return value;
}
