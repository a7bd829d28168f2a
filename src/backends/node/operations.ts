import type { DataId, Tensor, TensorInfo } from "@tensorflow/tfjs-core";
import { sharedState } from "../../core/shared-state";

/** A tensor inside TensorFlow that TensorFlow.js does not know of. */
export interface Handle {
  readonly id: number;
  readonly shape: readonly number[];
}

/** A setting of an operation of TensorFlow, in the form that the binding takes. */
export interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

/** What tfjs-node's backend lets us use. */
export interface NodeBackend {
  readonly isUsingGpuDevice: boolean;
  /** TensorFlow itself, or what records the calls to it. */
  binding: {
    executeOp(
      name: string,
      attributes: readonly Attribute[],
      inputs: readonly number[],
      outputs: number,
    ): (Handle & { readonly dtype: number })[];
    createTensor(shape: readonly number[], dtype: number, values: Float32Array | Int32Array): number;
    deleteTensor(id: number): void;
    tensorDataSync(id: number): ArrayLike<number>;
    loadSavedModel(folder: string, tags: string): number;
    deleteSavedModel(model: number): void;
    runSavedModel(
      model: number,
      inputs: readonly number[],
      inputNames: string,
      outputNames: string,
    ): (Handle & { readonly dtype: number })[];
  };
  getInputTensorIds(tensors: readonly TensorInfo[]): number[];
  createOutputTensor(handle: Handle): Tensor;
  disposeData(dataId: DataId, force?: boolean): boolean;
  incRef(dataId: DataId): void;
  readonly tensorMap: { get(dataId: DataId): { readonly id: number; readonly shape: readonly number[] } };
}

/** TensorFlow's numbers for kinds of attributes and elements. */
const kinds = { string: 0, integer: 1, boolean: 3, type: 4 } as const;
const elements = { float32: 1, int32: 3, complex64: 8 } as const;

export const text = (name: string, value: string): Attribute => ({ name, type: kinds.string, value });
export const integers = (name: string, value: readonly number[] | number): Attribute => ({
  name,
  type: kinds.integer,
  value,
});
export const flag = (name: string, value: boolean): Attribute => ({ name, type: kinds.boolean, value });

export const type = (name: string, value: keyof typeof elements): Attribute => ({
  name,
  type: kinds.type,
  value: elements[value],
});

/** For an operation on a list of tensors: their number and, since TensorFlow then does not find it out, their type. */
export const list = (length: number): Attribute[] => [integers("N", length), type("T", "float32")];

/** Operations of TensorFlow, for one kernel. */
export interface Operations {
  /** A tensor of TensorFlow.js. */
  of(tensor: TensorInfo): Handle;
  /** Runs one operation with one result. */
  run(name: string, inputs: readonly Handle[], attributes?: readonly Attribute[]): Handle;
  /** Runs one with several results. */
  runMany(name: string, inputs: readonly Handle[], attributes: readonly Attribute[], outputs: number): Handle[];
  /** Frees, before the kernel ends, all that `f` makes but its results. */
  scope<T extends readonly Handle[]>(f: () => T): T;
  /** Reads a tensor; on a GPU that waits for it. */
  read(x: Handle): ArrayLike<number>;
  /** Integers as a vector, or one as a scalar; made once. */
  integers(values: readonly number[] | number): Handle;
  /** A number; made once, unless it is one of very many. */
  number(value: number, often?: boolean): Handle;
  /** What `values` gives, as float32; made once for each key. */
  constant(key: string, shape: readonly number[], values: () => Float32Array): Handle;
  reshape(x: Handle, shape: readonly number[]): Handle;
  /** Whether they run on a GPU. */
  readonly onGpu: boolean;
}

/** Constants are few: shapes, axes, and the factors that the networks use. Those that vary without end go here. */
const mostConstants = 4096;
const constants = /* @__PURE__ */ sharedState(
  "node constants",
  () => new WeakMap<NodeBackend["binding"], Map<string, Handle>>(),
);

/** Frees the constants that kernels made with a binding. */
export function releaseConstants(binding: NodeBackend["binding"]): void {
  for (const { id } of constants.get(binding)?.values() ?? []) binding.deleteTensor(id);
  constants.delete(binding);
}

/** What `values` gives, made once for each key; without one, or where there are too many, the caller's to free. */
function constant(
  binding: NodeBackend["binding"],
  key: string | undefined,
  shape: readonly number[],
  dtype: number,
  values: () => Float32Array | Int32Array,
): { readonly handle: Handle; readonly shared: boolean } {
  const known = constants.get(binding) ?? new Map<string, Handle>();
  constants.set(binding, known);
  const found = key && known.get(key);
  if (found) return { handle: found, shared: true };
  const handle = { id: binding.createTensor(shape, dtype, values()), shape };
  const shared = key !== undefined && known.size < mostConstants;
  if (shared) known.set(key, handle);
  return { handle, shared };
}

function integerConstant(binding: NodeBackend["binding"], values: readonly number[] | number) {
  const shape = typeof values === "number" ? [] : [values.length];
  return constant(binding, `${shape}:${values}`, shape, elements.int32, () =>
    Int32Array.from([values].flat() as number[]),
  );
}

/** A tensor of TensorFlow's in another shape. */
export function reshaped(binding: NodeBackend["binding"], id: number, shape: readonly number[]): number {
  const { handle, shared } = integerConstant(binding, shape);
  const result = binding.executeOp("Reshape", [], [id, handle.id], 1)[0] as Handle;
  if (!shared) binding.deleteTensor(handle.id);
  return result.id;
}

/**
 * Runs a kernel made of TensorFlow's own operations. They cost half of what they cost through the engine, and all but
 * the results of the kernel are freed.
 */
export function kernel(backend: NodeBackend, f: (ops: Operations) => Handle | readonly Handle[]): Tensor | Tensor[] {
  const { binding } = backend;
  let made = new Set<number>();
  const once = ({ handle, shared }: ReturnType<typeof constant>): Handle => {
    if (!shared) made.add(handle.id);
    return handle;
  };
  const runMany: Operations["runMany"] = (name, inputs, attributes, outputs) => {
    const results = binding.executeOp(
      name,
      attributes,
      inputs.map(({ id }) => id),
      outputs,
    );
    for (const result of results) made.add(result.id);
    return results;
  };
  const ops: Operations = {
    of: (tensor) => ({ id: backend.getInputTensorIds([tensor])[0] as number, shape: tensor.shape }),
    run: (name, inputs, attributes = []) => runMany(name, inputs, attributes, 1)[0] as Handle,
    runMany,
    scope(f) {
      const outer = made;
      made = new Set();
      try {
        const results = f();
        for (const { id } of results) if (made.delete(id)) outer.add(id);
        return results;
      } finally {
        for (const id of made) binding.deleteTensor(id);
        made = outer;
      }
    },
    read: ({ id }) => binding.tensorDataSync(id),
    integers: (values) => once(integerConstant(binding, values)),
    number: (value, often = true) =>
      once(
        constant(binding, often ? `number ${value}` : undefined, [], elements.float32, () => Float32Array.of(value)),
      ),
    constant: (key, shape, values) => once(constant(binding, key, shape, elements.float32, values)),
    reshape: (x, shape) => ops.run("Reshape", [x, ops.integers(shape)]),
    onGpu: backend.isUsingGpuDevice,
  };
  try {
    const give = (result: Handle) => {
      made.delete(result.id);
      return backend.createOutputTensor(result);
    };
    const results = f(ops);
    return Array.isArray(results) ? results.map(give) : give(results as Handle);
  } finally {
    for (const id of made) binding.deleteTensor(id);
  }
}
