import { getKernel } from "@tensorflow/tfjs-core";
import { sigmoidGate, sigmoidGateGradient } from "./gates";
import { type Kernel, kernelFunc, replaceKernel } from "./kernel";
import { adamStep, cleanGradient, pack, unpack } from "./steps";
import { toHalves } from "./to-half";

/** Kernels that tfjs has not, or has slowly: all of ours. */
const kernels: Readonly<Record<string, Kernel>> = {
  SidHalf: toHalves,
  SidSigmoidGate: sigmoidGate,
  SidSigmoidGateGradient: sigmoidGateGradient,
  SidPack: pack,
  SidUnpack: unpack,
  SidClean: cleanGradient,
  SidAdam: adamStep,
};

/** Puts the kernels in place; a second call, of another copy of this package too, changes nothing. */
export function registerWebgpuKernels(): void {
  if (getKernel("SidSigmoidGate", "webgpu")) return;
  for (const [name, body] of Object.entries(kernels)) replaceKernel(name, () => kernelFunc(body));
}
