import { type Tensor, tensor } from "@tensorflow/tfjs-core";
import { checkRunning } from "./check-backend";
import { checkArray, checkInteger, checkMethods, checkObject, describe } from "./checks";
import { SidError } from "./errors";

/** Where a {@link RandomStream} stands: plain data, so that a checkpoint can hold it. */
export interface RandomState {
  /** Names the stream; an integer in `[0, 2^53)`. */
  readonly seed: number;
  /** Blocks of four 32-bit words drawn so far. */
  readonly position: number;
}

/** A run of rows of a whole batch, such as a rank's share: `from` included, `to` not. */
export interface RowRange {
  /** The first row. */
  readonly from: number;
  /** The row behind the last. */
  readonly to: number;
}

/**
 * The one source of randomness: the same numbers on every backend, machine and run.
 * Drawing advances the stream; `state()` at any point continues it exactly.
 */
export interface RandomStream {
  /**
   * `count` numbers, uniform on `[0, 1)` with 53 random bits. Throws SidError `out-of-range`, `not-finite` or
   * `invalid-argument` unless `count` is an integer of 0 or more.
   */
  uniform(count: number): number[];
  /** `count` integers, uniform on `[min, max)`. Throws like `uniform`, also unless both are integers and `min < max`. */
  integers(count: number, min: number, max: number): number[];
  /** `count` standard normal numbers. Throws like `uniform`. */
  normals(count: number): Float32Array;
  /**
   * A float32 tensor of standard normal numbers; the caller owns it. With `rows`, only these rows of its first axis are
   * computed and returned, with the numbers that they have in the whole, and the stream moves on as if all were drawn.
   * Throws where `shape` is no array of sizes or does not have those rows, and `missing-backend` where no backend runs.
   */
  normal(shape: readonly number[], rows?: RowRange): Tensor;
  /** Where the stream stands now. */
  state(): RandomState;
}

/**
 * Opens the random stream `seed`, or continues one from its state.
 *
 * Words come from Philox4x32-10 with the seed as key and the position as counter, uniforms
 * are 53-bit fractions, normals are Box–Muller pairs computed in float64 and rounded once.
 *
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 *
 * @param from - an integer in `[0, 2^53)`, or what {@link RandomStream.state} returned.
 * @returns the stream; nothing to dispose.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for any other value.
 *
 * @example
 * ```ts
 * import { randomStream } from "sid-lsg";
 *
 * const stream = randomStream(7);
 * stream.uniform(3);
 * const later = randomStream(stream.state());
 * console.log(later.uniform(1)[0] === stream.uniform(1)[0]); // true
 * ```
 */
export function randomStream(from: number | RandomState): RandomStream {
  const start = typeof from === "number" ? { seed: from, position: 0 } : from;
  if (start === null || typeof start !== "object")
    throw new SidError("invalid-argument", `randomStream: wanted a seed or a state, got ${describe(from)}.`);
  const seed = checkInteger("randomStream", "seed", start.seed, 0);
  let position = checkInteger("randomStream", "position", start.position, 0);

  /** Words `[from, to)` of a draw of `count`. */
  const words = (count: number, from = 0, to = count): Uint32Array => {
    const first = Math.floor(from / 4);
    const blocks = Math.ceil(to / 4) - first;
    const out = new Uint32Array(blocks * 4);
    for (let i = 0; i < blocks; i++) philox(out, i * 4, position + first + i, seed);
    position += Math.ceil(count / 4);
    return out.subarray(from - 4 * first);
  };
  const uniform = (count: number): number[] => {
    checkInteger("RandomStream.uniform", "count", count, 0, mostNumbers);
    const bits = words(count * 2);
    return Array.from({ length: count }, (_, i) => fraction(bits[2 * i] as number, bits[2 * i + 1] as number));
  };
  /** Numbers `[from, to)` of a draw of `count`. */
  const normals = (count: number, from = 0, to = count): Float32Array => {
    checkInteger("RandomStream.normals", "count", to - from, 0, mostNumbers);
    // They come in pairs.
    const even = from - (from % 2);
    const bits = words(count + (count % 2), even, to + (to % 2));
    const out = new Float32Array(to - from);
    for (let i = even; i < to; i += 2) {
      const radius = Math.sqrt(-2 * Math.log(((bits[i - even] as number) + 0.5) / 2 ** 32));
      const angle = ((bits[i - even + 1] as number) / 2 ** 32) * 2 * Math.PI;
      if (i >= from) out[i - from] = radius * Math.cos(angle);
      if (i + 1 < to) out[i + 1 - from] = radius * Math.sin(angle);
    }
    return out;
  };
  return {
    uniform,
    normals: (count) => normals(checkInteger("RandomStream.normals", "count", count, 0)),
    integers(count, min, max) {
      checkInteger("RandomStream.integers", "min", min);
      checkInteger("RandomStream.integers", "max", max, min + 1);
      return uniform(count).map((u) => min + Math.floor(u * (max - min)));
    },
    normal(shape, rows) {
      const where = "RandomStream.normal";
      const dims = [...checkArray(where, "shape", shape)];
      for (const [i, size] of dims.entries()) checkInteger(where, `shape[${i}]`, size, 0);
      checkRunning(where);
      const count = dims.reduce((a, b) => a * b, 1);
      if (rows === undefined) return tensor(normals(count), dims, "float32");
      const [whole = 0, ...each] = dims;
      const { from, to } = checkRows(where, rows, whole);
      const size = each.reduce((a, b) => a * b, 1);
      return tensor(normals(count, from * size, to * size), [to - from, ...each], "float32");
    },
    state: () => ({ seed, position }),
  };
}

/** Throws unless they are rows of so many; returns them. */
export function checkRows(where: string, rows: RowRange, count: number): RowRange {
  const { from, to } = checkObject(where, "rows", rows, { from: 1, to: 1 });
  checkInteger(where, "rows.from", from, 0, count);
  checkInteger(where, "rows.to", to, from, count);
  return rows;
}

/** Throws unless `value` is a random stream; returns it. */
export function checkStream(where: string, name: string, value: RandomStream): RandomStream {
  return checkMethods(where, name, value, "a random stream", ["uniform", "integers", "normals", "normal", "state"]);
}

/** What one call may draw: more fits no array of a JavaScript engine of today. */
const mostNumbers = 2 ** 30;

function fraction(high: number, low: number): number {
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

/** One Philox4x32-10 block: counter (position, 0) under key (seed), written to `out[at .. at + 3]`. */
function philox(out: Uint32Array, at: number, position: number, seed: number): void {
  let c0 = position >>> 0;
  let c1 = Math.floor(position / 2 ** 32) >>> 0;
  let c2 = 0;
  let c3 = 0;
  let k0 = seed >>> 0;
  let k1 = Math.floor(seed / 2 ** 32) >>> 0;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0) >>> 0;
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}

/** The high 32 bits of the 64-bit product of two 32-bit words. */
function multiplyHigh(a: number, b: number): number {
  const a1 = a >>> 16;
  const a0 = a & 0xffff;
  const b1 = b >>> 16;
  const b0 = b & 0xffff;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  return (a1 * b1 + Math.floor(middle / 2 ** 16) + (a0 * b1 + (middle & 0xffff)) / 2 ** 16) >>> 0;
}
