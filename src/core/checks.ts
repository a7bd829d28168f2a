import { Tensor } from "@tensorflow/tfjs-core";
import { SidError } from "./errors";
import { nearest } from "./nearest";

/** Throws `not-finite` or `invalid-argument` unless `value` is a finite number; returns it. */
export function checkFinite(where: string, name: string, value: number): number {
  if (typeof value !== "number") throw unlike(where, name, "a number", value);
  if (!Number.isFinite(value)) throw new SidError("not-finite", `${where}: ${name} must be finite, got ${value}.`);
  return value;
}

/** Throws unless `value` is a finite number above 0; returns it. */
export function checkPositive(where: string, name: string, value: number): number {
  checkFinite(where, name, value);
  if (value <= 0) throw new SidError("out-of-range", `${where}: ${name} must be above 0, got ${value}.`);
  return value;
}

/** Throws unless `value` is a finite number in the closed interval `[min, max]`; returns it. */
export function checkRange(where: string, name: string, value: number, min: number, max: number): number {
  checkFinite(where, name, value);
  if (value < min || value > max)
    throw new SidError("out-of-range", `${where}: ${name} must lie in [${min}, ${max}], got ${value}.`);
  return value;
}

/** Throws unless `value` is an integer in the closed interval `[min, max]`; returns it. */
export function checkInteger(
  where: string,
  name: string,
  value: number,
  min: number = Number.MIN_SAFE_INTEGER,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  checkRange(where, name, value, min, max);
  if (!Number.isSafeInteger(value))
    throw new SidError("invalid-argument", `${where}: ${name} must be an integer, got ${value}.`);
  return value;
}

/** Every key of an interface, the optional ones too: the compiler refuses one too few and one too many. */
export type KeysOf<T> = Readonly<Record<keyof T, 1>>;

/** Throws unless `value` is an object with keys, and with no others than `keys` where these are given; returns it. */
export function checkObject<T extends object>(where: string, name: string, value: T, keys?: KeysOf<NoInfer<T>>): T {
  if (!isObject(value)) throw unlike(where, name, "an object", value);
  if (keys === undefined) return value;
  const known = Object.keys(keys);
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown === undefined) return value;
  const meant = nearest(unknown, known);
  const remedy = meant === undefined ? `it takes ${known.join(", ")}.` : `did you mean ${meant}?`;
  throw new SidError("invalid-argument", `${where}: ${name} has no ${describe(unknown)}; ${remedy}`);
}

/** Throws unless `value` is a function; returns it. */
export function checkFunction<T>(where: string, name: string, value: T): T {
  if (typeof value !== "function") throw unlike(where, name, "a function", value);
  return value;
}

/** Throws unless `value` is an array; returns it. Says nothing of what it holds. */
export function checkArray<T extends readonly unknown[]>(where: string, name: string, value: T): T {
  if (!Array.isArray(value)) throw unlike(where, name, "an array", value);
  return value;
}

/** Throws unless `value` is true or false; returns it. */
export function checkBoolean(where: string, name: string, value: boolean): boolean {
  if (typeof value !== "boolean") throw unlike(where, name, "true or false", value);
  return value;
}

/** Throws unless `value` is a string of at least one character; returns it. */
export function checkText(where: string, name: string, value: string): string {
  if (typeof value !== "string" || value === "") throw unlike(where, name, "a non-empty string", value);
  return value;
}

/** Throws unless `value` has these methods, as every `kind` of object has; returns it. */
export function checkMethods<T extends object>(
  where: string,
  name: string,
  value: T,
  kind: string,
  methods: readonly (keyof T)[],
): T {
  if (!isObject(value) || methods.some((method) => typeof value[method] !== "function"))
    throw unlike(where, name, kind, value);
  return value;
}

/** Throws unless `values` is a list of finite numbers, in an array of any kind; returns it. */
export function checkNumbers<T extends ArrayLike<number>>(where: string, name: string, values: T): T {
  if (typeof values !== "object" || !Number.isSafeInteger(values?.length))
    throw unlike(where, name, "an array of numbers", values);
  for (let i = 0; i < values.length; i++)
    if (!Number.isFinite(values[i])) checkFinite(where, `${name}[${i}]`, values[i] as number);
  return values;
}

/** Throws unless float32 holds every one of these finite numbers as a finite one; returns them. */
export function checkFloat32<T extends ArrayLike<number>>(where: string, name: string, values: T): T {
  checkNumbers(where, name, values);
  for (let i = 0; i < values.length; i++)
    if (!Number.isFinite(Math.fround(values[i] as number)))
      throw new SidError("out-of-range", `${where}: ${name}[${i}] must fit float32, got ${values[i]}.`);
  return values;
}

/** Throws unless `value` is one of `allowed`; returns it. */
export function checkOneOf<T extends string>(where: string, name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value))
    throw new SidError(
      "invalid-argument",
      `${where}: ${name} must be one of ${allowed.map((a) => `"${a}"`).join(", ")}, got ${describe(value)}.`,
    );
  return value;
}

/** Throws unless `values` is an array of `count` finite numbers, one per sample. */
export function checkPerSample(where: string, name: string, values: readonly number[], count: number): void {
  if (!Array.isArray(values)) throw unlike(where, name, "an array of numbers, one per sample", values);
  if (values.length !== count)
    throw new SidError(
      "shape-mismatch",
      `${where}: ${name} needs one number per sample, wanted ${count}, got ${values.length}.`,
    );
  checkNumbers(where, name, values);
}

/** Whether a value is an object with keys: neither null nor an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `[2, 8, 8, 3]` for messages. */
export function showShape(tensor: { readonly shape: readonly number[] }): string {
  return `[${tensor.shape.join(", ")}]`;
}

/** A short account of any value for messages: never throws, never prints megabytes. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (value instanceof Tensor) return `a tensor ${showShape(value)}`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** The error for a value of the wrong kind. */
export function unlike(where: string, name: string, wanted: string, value: unknown): SidError {
  return new SidError("invalid-argument", `${where}: ${name} must be ${wanted}, got ${describe(value)}.`);
}
