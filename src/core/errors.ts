/**
 * What went wrong, for programs.
 *
 * - `shape-mismatch`: tensors whose shapes or dtypes do not fit each other; operands never broadcast.
 * - `invalid-argument`: a value of the wrong kind, or options that contradict each other.
 * - `out-of-range`: a number outside its documented range.
 * - `not-finite`: NaN or an infinity where a finite number is needed.
 * - `unsupported`: a configuration that this library does not implement, named.
 * - `missing-weight`, `surplus-weight`: a weights file that does not hold exactly a network's tensors.
 * - `corrupt-file`: a file whose content contradicts itself or its format.
 * - `io`: the file system or a server refused, or a file is missing.
 * - `checkpoint-mismatch`: a checkpoint of another run or another network.
 * - `missing-backend`: a tfjs backend that is not installed, does not start, or runs without what training needs.
 * - `missing-package`: an optional package that is not installed.
 * - `device-lost`: a GPU that is gone or has refused a command; what was on it is lost.
 * - `out-of-memory`: the backend's memory does not hold what is asked for.
 * - `rank-mismatch`: ranks of one run that were started differently, or whose weights are no longer the same.
 * - `rank-lost`: another rank of the run died, or did not come in time.
 * - `aborted`: an AbortSignal fired before any work was done.
 */
export type SidErrorCode =
  | "shape-mismatch"
  | "invalid-argument"
  | "out-of-range"
  | "not-finite"
  | "unsupported"
  | "missing-weight"
  | "surplus-weight"
  | "corrupt-file"
  | "io"
  | "checkpoint-mismatch"
  | "missing-backend"
  | "missing-package"
  | "device-lost"
  | "out-of-memory"
  | "rank-mismatch"
  | "rank-lost"
  | "aborted";

const brand = Symbol.for("sid-lsg/SidError");

/**
 * Everything that this library throws on purpose. `code` is for programs; the message says
 * where, what was wanted and what came.
 *
 * @example
 * ```ts
 * import { SidError, lsg } from "sid-lsg";
 *
 * try {
 *   lsg(Number.NaN);
 * } catch (error) {
 *   if (!(error instanceof SidError)) throw error;
 *   console.log(error.code); // "not-finite"
 * }
 * ```
 */
export class SidError extends Error {
  /** Always `SidError`. */
  declare readonly name: "SidError";
  /** The kind of failure, for programs. */
  readonly code: SidErrorCode;

  /**
   * @param code - the kind of failure, for programs.
   * @param message - where, what was wanted, what came.
   * @param options - `cause`: the error behind this one.
   */
  constructor(code: SidErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

// A program may hold two copies of this package, the ES modules and the CommonJS ones, with a class each: a brand makes
// their errors one kind. (One class on globalThis would too, but of whatever version came first.) A class that extends
// this one tells its own by their prototype, as always. The names are written down because bundlers rename classes, on
// the prototype because a stack begins with what stands there.
Object.defineProperties(SidError.prototype, {
  [brand]: { value: true },
  name: { value: "SidError", configurable: true, writable: true },
});
Object.defineProperties(SidError, {
  name: { value: "SidError", configurable: true },
  [Symbol.hasInstance]: {
    value(this: typeof SidError, value: unknown): boolean {
      const isOurs = typeof value === "object" && value !== null && brand in value;
      return (
        isOurs && (Object.hasOwn(this.prototype, brand) || Function.prototype[Symbol.hasInstance].call(this, value))
      );
    },
  },
});
