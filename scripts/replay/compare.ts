import { SidError, type WeightMap } from "sid-lsg";
import { floats, found } from "./case";

/** One figure of the report: an error, what it may be, and whether it is within that. */
export interface Figure {
  readonly value: number;
  readonly limit: number;
  readonly pass: boolean;
  /** Which tensor the value is of, where that is one of many. */
  readonly of?: string;
}

/** A figure; NaN passes nothing. */
export function figure(value: number, limit: number, of?: string): Figure {
  return { value, limit, pass: value <= limit, ...(of !== undefined && { of }) };
}

/** `Σ (a − b)²` and `Σ b²`, in float64. */
interface Squares {
  readonly difference: number;
  readonly reference: number;
}

function squares(name: string, a: Float32Array, b: Float32Array): Squares {
  if (a.length !== b.length)
    throw new SidError("shape-mismatch", `replay: "${name}" has ${b.length} elements in the record, ${a.length} here.`);
  let difference = 0;
  let reference = 0;
  for (let i = 0; i < a.length; i++) {
    const x = b[i] as number;
    difference += ((a[i] as number) - x) ** 2;
    reference += x ** 2;
  }
  return { difference, reference };
}

/** `‖a − b‖ / ‖b‖`; the plain difference where `b` is zero. */
function ratio({ difference, reference }: Squares): number {
  return Math.sqrt(reference === 0 ? difference : difference / reference);
}

/** Relative L2 error of one tensor. */
export function relativeError(name: string, ours: Float32Array, recorded: Float32Array): number {
  return ratio(squares(name, ours, recorded));
}

/** Relative L2 error over all gradients, and of the worst single one. */
export function gradientErrors(
  expected: WeightMap,
  prefix: string,
  ours: WeightMap,
): { all: number; worst: number; of: string } {
  const each = [...ours].map(([name, x]) => {
    const key = `${prefix}.${name}`;
    return { name, ...squares(key, floats(key, x), floats(key, found("expected", expected, key))) };
  });
  const worst = each.reduce((a, b) => (ratio(a) >= ratio(b) ? a : b));
  return { all: ratio(sum(each)), worst: ratio(worst), of: worst.name };
}

/** `‖Δ_ours − Δ_recorded‖ / ‖Δ_recorded‖`, Δ = final − start, over all weights of a network. */
export function movementError(start: WeightMap, expected: WeightMap, prefix: string, ours: WeightMap): number {
  const each = [...ours].map(([name, x]) => {
    const key = `${prefix}.${name}`;
    const from = floats(name, found("the starting weights", start, name));
    const moved = (to: Float32Array) => Float64Array.from(to, (value, i) => value - (from[i] as number));
    const recorded = floats(key, found("expected", expected, key));
    return squares(key, moved(floats(key, x)) as never, moved(recorded) as never);
  });
  return ratio(sum(each));
}

function sum(all: readonly Squares[]): Squares {
  return {
    difference: all.reduce((s, x) => s + x.difference, 0),
    reference: all.reduce((s, x) => s + x.reference, 0),
  };
}
