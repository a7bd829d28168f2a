import { dispose, memory, type Tensor } from "@tensorflow/tfjs-core";
import { SidError } from "../core/errors";

/** One demand of a contract, for any test runner: `test(name, run)`. */
export interface ContractCase {
  /** What is demanded, in words. */
  readonly name: string;
  /** Rejects with what was wanted and what came. */
  run(): Promise<void>;
}

/** Numbers by what they are of. */
export type Values = Readonly<Record<string, readonly number[]>>;

/** Throws what a contract found. */
export function fail(message: string): never {
  throw new SidError("invalid-argument", message);
}

/** The numbers of some tensors, which it disposes of. */
export async function take(tensors: Readonly<Record<string, Tensor | undefined>>): Promise<Values> {
  const given = Object.entries(tensors).filter((entry): entry is [string, Tensor] => entry[1] !== undefined);
  try {
    return Object.fromEntries(await Promise.all(given.map(async ([name, x]) => [name, [...(await x.data())]])));
  } finally {
    dispose(given.map(([, x]) => x));
  }
}

/** Throws unless both hold the same numbers, bit for bit; NaN is equal to nothing. */
export function same(where: string, got: Values, wanted: Values): void {
  close(where, got, wanted, 0);
}

/** Throws unless both have the same names, and numbers whose difference is at most `tolerance` of their length. */
export function close(where: string, got: Values, wanted: Values, tolerance: number): void {
  const names = (values: Values) => Object.keys(values).sort().join(", ");
  if (names(got) !== names(wanted)) fail(`${where}: wanted values of ${names(wanted)}, got ${names(got)}.`);
  for (const [name, values] of Object.entries(wanted)) {
    const found = got[name] as readonly number[];
    const distance = Math.hypot(...values.map((x, i) => x - (found[i] as number)));
    const bound = tolerance * Math.hypot(...values);
    if (found.length !== values.length || !(distance <= bound))
      fail(
        `${where}: ${name} must be ${show(values)}, got ${show(found)} (they differ by ${distance}, allowed ${bound}).`,
      );
  }
}

/** Throws unless every number is finite. */
export function finite(where: string, values: Values): void {
  for (const [name, numbers] of Object.entries(values))
    if (!numbers.every(Number.isFinite)) fail(`${where}: ${name} must be finite, got ${show(numbers)}.`);
}

/** Throws unless `f` leaves exactly `wanted` new tensors. */
export function leaves<T>(where: string, wanted: (result: T) => number, f: () => T): T {
  const before = memory().numTensors;
  const result = f();
  const left = memory().numTensors - before;
  if (left !== wanted(result)) fail(`${where}: wanted ${wanted(result)} tensors left, got ${left}.`);
  return result;
}

/** A few numbers of many. */
function show(values: readonly number[]): string {
  const some = values.slice(0, 8).map((x) => Number(x.toPrecision(6)));
  return `[${some.join(", ")}${values.length > some.length ? ", …" : ""}]`;
}
