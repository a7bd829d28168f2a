import { getKernel, type KernelFunc, registerKernel, unregisterKernel } from "@tensorflow/tfjs-core";
import { SidError } from "../../core/errors";
import { hasOwnKernels } from "../../core/fused-kernels";
import { fastBinary } from "./binary";
import { convFilterGradient } from "./conv-filter-gradient";
import { convInputGradient } from "./conv-input-gradient";
import { fastConvolution } from "./convolution";
import { fastConcat, fastSlice, fastSplit, fastTile } from "./copies";
import { registerFusedKernels } from "./fused";
import { fastCast, sharedIdentity } from "./identity";
import { fastBatchMatMul, fastFusedMatMul } from "./matmul";
import { fastReduction } from "./reductions";
import { unsortedSegmentSum } from "./segment-sum";

/** Each kernel that replaces a stock one of the 'wasm' backend or fills a gap, built from the stock one. */
const kernels: Readonly<Record<string, (stock: KernelFunc) => KernelFunc>> = {
  BatchMatMul: fastBatchMatMul,
  _FusedMatMul: fastFusedMatMul,
  Conv2D: fastConvolution,
  FusedConv2D: fastConvolution,
  Conv2DBackpropInput: () => convInputGradient,
  Conv2DBackpropFilter: () => convFilterGradient,
  UnsortedSegmentSum: () => unsortedSegmentSum,
  Add: fastBinary("Add"),
  Sub: fastBinary("Sub"),
  Multiply: fastBinary("Multiply"),
  RealDiv: fastBinary("RealDiv"),
  SquaredDifference: fastBinary("SquaredDifference"),
  Sum: fastReduction("sum"),
  Mean: fastReduction("mean"),
  Slice: fastSlice,
  SplitV: fastSplit,
  Concat: fastConcat,
  Tile: fastTile,
  Identity: () => sharedIdentity,
  Cast: fastCast,
};

/** Puts the kernels in place; a second call, of another copy of this package too, changes nothing. */
export function registerWasmKernels(): void {
  if (hasOwnKernels("wasm")) return;
  registerFusedKernels();
  for (const [kernelName, build] of Object.entries(kernels)) {
    const stock = getKernel(kernelName, "wasm");
    if (stock) unregisterKernel(kernelName, "wasm");
    // The stock set-up stays: it binds the functions of the module, which the stock part still calls.
    registerKernel({
      ...stock,
      kernelName,
      backendName: "wasm",
      kernelFunc: build(stock?.kernelFunc ?? missing),
    });
  }
}

const missing: KernelFunc = () => {
  throw new SidError("unsupported", "wasm kernels: this version of the backend lacks the kernel to fall back on.");
};
