import type { KernelFunc, TensorInfo } from "@tensorflow/tfjs-core";
import type { WasmBackend } from "./module";
import { runKernel } from "./run-kernel";

/** Another tensor on the same memory, as reshape makes it. Stock copies, and the tape clones all that it saves. */
export const sharedIdentity: KernelFunc = ({ inputs, backend }) =>
  share(backend as WasmBackend, inputs["x"] as TensorInfo);

/** Shares where the dtype stays; a cast to bool asks whether a number is zero (stock cuts 0.5 down to false). */
export function fastCast(stock: KernelFunc): KernelFunc {
  return (call) => {
    const x = call.inputs["x"] as TensorInfo;
    const dtype = call.attrs?.["dtype"];
    const backend = call.backend as WasmBackend;
    if (dtype === x.dtype && dtype !== "string") return share(backend, x);
    if (dtype !== "bool") return stock(call);
    const zero = runKernel(backend, "Fill", {}, { shape: [], value: 0, dtype: x.dtype });
    const out = runKernel(backend, "NotEqual", { a: x, b: zero });
    backend.disposeData(zero.dataId);
    return out;
  };
}

/** Another tensor on the same memory. */
export function share(backend: WasmBackend, { dataId, shape, dtype }: TensorInfo): TensorInfo {
  backend.incRef(dataId);
  return { dataId, shape, dtype };
}
