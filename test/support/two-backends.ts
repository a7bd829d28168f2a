import { dispose, engine, memory, setBackend, type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { relativeError } from "./matchers";

/** A tensor before it is on any backend. */
export interface HostInput {
  readonly values: number[];
  readonly shape: readonly number[];
  readonly dtype?: "float32" | "int32";
}

/** Numbers, shape and dtype of what `run` returns on one backend; fails where a tensor or its data stays behind. */
async function onBackend(
  name: "cpu" | "wasm" | "tensorflow" | "webgpu",
  inputs: readonly HostInput[],
  run: (...tensors: Tensor[]) => Tensor | Tensor[],
) {
  await setBackend(name);
  const count = () => ({ tensors: memory().numTensors, ids: engine().backend.numDataIds() });
  const before = count();
  const results = tidy(() => {
    const results = run(...inputs.map(({ values, shape, dtype }) => tensor(values, [...shape], dtype ?? "float32")));
    return Array.isArray(results) ? results : [results];
  });
  const numbers: { shape: number[]; dtype: string; values: number[] }[] = [];
  for (const x of results) numbers.push({ shape: x.shape, dtype: x.dtype, values: Array.from(await x.data()) });
  dispose(results);
  expect(count(), `left behind on ${name}`).toEqual(before);
  return numbers;
}

/** The same call on cpu and another backend must give the same shapes, dtypes and, to a relative error, numbers. */
export async function expectSame(
  inputs: readonly HostInput[],
  run: (...tensors: Tensor[]) => Tensor | Tensor[],
  backend: "wasm" | "tensorflow" | "webgpu" = "wasm",
  tolerance = 1e-5,
): Promise<void> {
  const wanted = await onBackend("cpu", inputs, run);
  const got = await onBackend(backend, inputs, run);
  const outline = (all: typeof got) => all.map(({ shape, dtype }) => ({ shape, dtype }));
  expect(outline(got)).toEqual(outline(wanted));
  got.forEach(({ values }, i) => {
    const error = relativeError(values, wanted[i]?.values ?? []);
    expect(error <= tolerance, `relative error ${error}`).toBe(true);
  });
}

/** The same numbers in [-1, 1) for the same shape and seed. */
export function filled(shape: readonly number[], seed = 1): HostInput {
  let state = seed >>> 0;
  const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return { values, shape };
}

/** The same numbers in [1, 3): to divide by, and to add up, since sums of mixed signs may cancel to rounding noise. */
export function positive(shape: readonly number[], seed = 1): HostInput {
  const input = filled(shape, seed);
  return { ...input, values: input.values.map((x) => x + 2) };
}
