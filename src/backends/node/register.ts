import { backend, getKernel, type KernelFunc, registerKernel, unregisterKernel } from "@tensorflow/tfjs-core";
import { hasOwnKernels } from "../../core/fused-kernels";
import { convFilterGradient, convInputGradient, convolution } from "./convolution";
import { registerFusedKernels } from "./fused";
import type { NodeBackend } from "./operations";
import { product } from "./products";
import { reduction, reshape, slice, transpose } from "./shapes";
import { shareReshaped } from "./views";

/** TensorFlow.js's name of the backend. */
const backendName = "tensorflow";

/** Each kernel that takes the place of a stock one, built from that. */
const kernels: Readonly<Record<string, (stock: KernelFunc) => KernelFunc>> = {
  BatchMatMul: () => product,
  _FusedMatMul: () => product,
  Conv2D: () => convolution,
  FusedConv2D: () => convolution,
  Conv2DBackpropInput: () => convInputGradient,
  Conv2DBackpropFilter: () => convFilterGradient,
  Reshape: () => reshape,
  Slice: () => slice,
  Transpose: () => transpose,
  Sum: reduction("Sum"),
  Mean: reduction("Mean"),
};

/** Puts the kernels in place, once the backend runs; a second call, of another copy of this package too, changes nothing. */
export function registerNodeKernels(): void {
  if (hasOwnKernels(backendName)) return;
  shareReshaped(backend() as unknown as NodeBackend);
  registerFusedKernels(backendName);
  for (const [kernelName, build] of Object.entries(kernels)) {
    const stock = getKernel(kernelName, backendName);
    unregisterKernel(kernelName, backendName);
    registerKernel({ ...stock, kernelName, backendName, kernelFunc: build(stock.kernelFunc) });
  }
}
