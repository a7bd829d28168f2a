import { type NamedAttrMap, type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { Assembly } from "./assembly";
import type { Pointer, WasmModule } from "./module";
import { callTogether, ranges, threadsFor } from "./workers";

/** What a fused kernel works with; `inputs` are as many as its gradient has. */
export interface Call {
  readonly wasm: WasmModule;
  readonly inputs: readonly [TensorInfo, TensorInfo, TensorInfo, TensorInfo, TensorInfo];
  /** The inputs again, where they are any number. */
  readonly all: readonly TensorInfo[];
  readonly attrs: NamedAttrMap;
  /** A result, not yet written. */
  output(shape: readonly number[]): TensorInfo;
  /** A result that is an input. */
  share(tensor: TensorInfo): TensorInfo;
  at(tensor: TensorInfo): Pointer;
  /** Memory for so many floats until the kernel returns. */
  scratch(floats: number): Pointer;
}

/** Elements that one more thread is worth: some 20 microseconds. */
const enough = 2 ** 14;

/** Calls a function on all threads, if `x` is large, each for its range of `total`. */
export function together(
  wasm: WasmModule,
  name: keyof Assembly,
  total: number,
  x: TensorInfo,
  numbers: (from: number, to: number) => readonly number[],
  unit = 1,
): void {
  const parts = ranges(total, threadsFor(wasm, sizeOf(x), enough), unit);
  callTogether(
    wasm,
    name,
    parts.map(([from, to]) => numbers(from, to)),
  );
}

/** The same for one that works element by element on tensors of one size. */
export function elementwise(
  wasm: WasmModule,
  name: keyof Assembly,
  x: TensorInfo,
  from: readonly Pointer[],
  settings: readonly number[],
  to: readonly Pointer[],
): void {
  const numbers = (first: number, end: number) => {
    const moved = (at: Pointer) => at + 4 * first;
    return [...from.map(moved), end - first, ...settings, ...to.map(moved)];
  };
  together(wasm, name, sizeOf(x), x, numbers, 4);
}

/** Elements of a tensor. */
export function sizeOf({ shape }: TensorInfo): number {
  return util.sizeFromShape(shape);
}
