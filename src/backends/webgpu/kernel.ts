import {
  type DataType,
  getKernel,
  type KernelFunc,
  type NamedAttrMap,
  registerKernel,
  type TensorInfo,
  unregisterKernel,
  util,
} from "@tensorflow/tfjs-core";
import { isHalf, withFloats } from "./half";
import { type Capabilities, capabilitiesOf, type Dispatch, dispatch, type Program, sizeOf } from "./program";
import type { WebgpuBackend } from "./types";

/** What a kernel of this library works with. */
export interface Call {
  readonly backend: WebgpuBackend;
  /** By name, as tfjs's kernels have them; missing ones are undefined. */
  readonly named: Readonly<Record<string, TensorInfo>>;
  /** In their order. */
  readonly inputs: readonly [TensorInfo, TensorInfo, TensorInfo, TensorInfo, TensorInfo];
  /** The inputs again, where they are any number. */
  readonly all: readonly TensorInfo[];
  readonly attrs: NamedAttrMap;
  readonly capabilities: Capabilities;
  /** A result, not yet written. */
  output(shape: readonly number[], dtype?: DataType): TensorInfo;
  /** A result that is an input. */
  share(tensor: TensorInfo, shape?: readonly number[]): TensorInfo;
  /** A tensor that goes when the kernel returns. */
  scratch(shape: readonly number[]): TensorInfo;
  /**
   * Records a program.
   * @param asHalves - names of those that it reads as packed halves, where they are stored so (`isHalf`); all others it sees
   *   as float32.
   */
  run<V>(program: Program<V>, variant: V, call: Dispatch, asHalves?: readonly string[]): void;
}

/**
 * A kernel's results from its inputs: a list, but where tfjs's kernel of that name gives one. Nothing where the call is left
 * to tfjs's.
 */
export type Kernel = (call: Call) => TensorInfo | TensorInfo[] | undefined;

/**
 * Makes tfjs's function of a kernel. A program whose result has no elements is not run.
 *
 * @param stock - tfjs's kernel of that name, for what `body` leaves to it.
 */
export function kernelFunc(body: Kernel, stock?: KernelFunc): KernelFunc {
  return (given) => {
    const { inputs, attrs = {}, backend: anyBackend } = given;
    const backend = anyBackend as unknown as WebgpuBackend;
    const all = Object.values(inputs) as TensorInfo[];
    const passing: TensorInfo[] = [];
    const results: TensorInfo[] = [];
    try {
      const own = body({
        ...{ backend, all, inputs: all as never, named: inputs as never, attrs: attrs as NamedAttrMap },
        capabilities: capabilitiesOf(backend),
        output(shape, dtype = "float32") {
          const tensor = backend.makeTensorInfo([...shape], dtype);
          results.push(tensor);
          if (sizeOf(tensor) === 0) emptied(backend, tensor);
          return tensor;
        },
        share(tensor, shape = tensor.shape) {
          backend.incRef(tensor.dataId);
          results.push(tensor);
          return { dataId: tensor.dataId, shape: [...shape], dtype: tensor.dtype };
        },
        scratch(shape) {
          const tensor = backend.makeTensorInfo([...shape], "float32");
          passing.push(tensor);
          return tensor;
        },
        run(program, variant, call, asHalves = []) {
          for (const tensor of Object.values(call.writes)) if (sizeOf(tensor) === 0) return emptied(backend, tensor);
          if (!Object.values(call.reads).some(isHalf)) return dispatch(backend, program, variant, call);
          const names = Object.keys(call.reads).filter((name) => !asHalves.includes(name));
          const given = names.map((name) => call.reads[name] as TensorInfo);
          withFloats(backend, given, (floats) => {
            const reads = {
              ...call.reads,
              ...Object.fromEntries(names.map((name, i) => [name, floats[i] as TensorInfo])),
            };
            dispatch(backend, program, variant, { ...call, reads });
          });
        },
      });
      return own ?? ((stock as KernelFunc)(given) as TensorInfo | TensorInfo[]);
    } catch (error) {
      for (const { dataId } of results) backend.disposeData(dataId);
      throw error;
    } finally {
      for (const { dataId } of passing) backend.disposeData(dataId);
    }
  };
}

/** A tensor without elements has no buffer. */
function emptied(backend: WebgpuBackend, { dataId, dtype }: TensorInfo): void {
  backend.tensorMap.get(dataId).values ??= util.getTypedArrayFromDType(dtype as "float32", 0);
}

const backendName = "webgpu";

/** Puts a kernel before tfjs's of that name, or beside them all, where tfjs has none. */
export function putKernel(kernelName: string, body: Kernel): void {
  const stock = getKernel(kernelName, backendName);
  if (stock) unregisterKernel(kernelName, backendName);
  registerKernel({ ...stock, kernelName, backendName, kernelFunc: kernelFunc(body, stock?.kernelFunc) });
}
