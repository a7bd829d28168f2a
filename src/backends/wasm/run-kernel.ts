import { getKernel, type NamedAttrMap, type NamedTensorInfoMap, type TensorInfo } from "@tensorflow/tfjs-core";
import { SidError } from "../../core/errors";
import type { WasmBackend } from "./module";

/** Runs another kernel of the backend without going through the engine: the result is the caller's to dispose. */
export function runKernel(
  backend: WasmBackend,
  name: string,
  inputs: Readonly<Record<string, TensorInfo | undefined>>,
  attrs: NamedAttrMap = {},
): TensorInfo {
  const kernel = getKernel(name, "wasm");
  if (!kernel)
    throw new SidError("missing-backend", `wasm kernels: this version of the backend has no kernel ${name}.`);
  return kernel.kernelFunc({ inputs: inputs as NamedTensorInfoMap, attrs, backend }) as TensorInfo;
}
