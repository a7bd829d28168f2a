import "./register-gradients";
import { Tensor } from "@tensorflow/tfjs-core";
import { SidError } from "./errors";

/** Throws `not-finite` or `invalid-argument` unless `value` is a finite number; returns it. */
export function checkFinite(where: string, name: string, value: number): number {
  if (typeof value !== "number")
    throw new SidError("invalid-argument", `${where}: ${name} must be a number, got ${describe(value)}.`);
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

/** Throws unless `value` is one of `allowed`; returns it. */
export function checkOneOf<T extends string>(where: string, name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value))
    throw new SidError(
      "invalid-argument",
      `${where}: ${name} must be one of ${allowed.map((a) => `"${a}"`).join(", ")}, got ${describe(value)}.`,
    );
  return value;
}

/** Throws unless `value` is a live float32 tensor with a leading batch axis. */
export function checkBatch(where: string, name: string, value: Tensor): void {
  checkTensor(where, name, value);
  if (value.dtype !== "float32" || value.rank < 1 || value.size === 0)
    throw new SidError(
      "shape-mismatch",
      `${where}: ${name} must be a float32 tensor [batch, ...] with at least one element, got ${value.dtype} ${showShape(value)}.`,
    );
}

/** Throws unless `value` is a tensor that has not been disposed. */
export function checkTensor(where: string, name: string, value: Tensor): void {
  if (!(value instanceof Tensor))
    throw new SidError("invalid-argument", `${where}: ${name} must be a tensor, got ${describe(value)}.`);
  if (value.isDisposed)
    throw new SidError("invalid-argument", `${where}: ${name} ${showShape(value)} was disposed before.`);
}

/** Throws unless all tensors are float32 batches of exactly one shape: operands never broadcast. */
export function checkSameShape(where: string, tensors: Readonly<Record<string, Tensor>>): void {
  const entries = Object.entries(tensors);
  for (const [name, tensor] of entries) checkBatch(where, name, tensor);
  if (new Set(entries.map(([, tensor]) => tensor.shape.join())).size > 1)
    throw new SidError(
      "shape-mismatch",
      `${where}: operands never broadcast, got ${entries.map(([name, t]) => `${name} ${showShape(t)}`).join(", ")}.`,
    );
}

/** Throws unless `values` is an array of `count` finite numbers, one per sample. */
export function checkPerSample(where: string, name: string, values: readonly number[], count: number): void {
  if (!Array.isArray(values))
    throw new SidError(
      "invalid-argument",
      `${where}: ${name} must be an array of numbers, one per sample, got ${describe(values)}.`,
    );
  if (values.length !== count)
    throw new SidError(
      "shape-mismatch",
      `${where}: ${name} needs one number per sample, wanted ${count}, got ${values.length}.`,
    );
  values.forEach((value, i) => {
    checkFinite(where, `${name}[${i}]`, value);
  });
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
  return `a ${typeof value}`;
}
