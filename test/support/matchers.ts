import type { Tensor } from "@tensorflow/tfjs-core";
import { expect } from "vitest";

type Numbers = Tensor | ArrayLike<number>;

/** Numbers of a tensor or of anything array-like; tensors are read synchronously. */
export function numbers(x: Numbers): number[] {
  return Array.from("dataSync" in x ? x.dataSync() : x);
}

/** `‖actual − expected‖ / ‖expected‖`; NaN anywhere gives NaN, which no tolerance accepts. */
export function relativeError(actual: Numbers, expected: Numbers): number {
  const a = numbers(actual);
  const e = numbers(expected);
  if (a.length !== e.length) return Number.POSITIVE_INFINITY;
  const norm = (values: readonly number[]) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  const difference = norm(a.map((value, i) => value - (e[i] as number)));
  const scale = norm(e);
  return scale === 0 ? difference : difference / scale;
}

/** Fails unless shapes agree and the relative L2 error is at most `tolerance`. NaN equals nothing. */
export function expectClose(actual: Numbers, expected: Numbers, tolerance = 1e-5): void {
  if ("dataSync" in actual && "dataSync" in expected) expect(actual.shape).toEqual(expected.shape);
  const error = relativeError(actual, expected);
  expect(error <= tolerance, `relative L2 error ${error} over ${tolerance}`).toBe(true);
}
