import { getKernel } from "@tensorflow/tfjs-core";
import { geluGate, geluGateGradient, sigmoidGate, sigmoidGateGradient } from "./gates";
import { groupNorm, groupNormGradient } from "./group-norm";
import { type Kernel, kernelFunc, replaceKernel } from "./kernel";
import { layerNorm, layerNormGradient } from "./layer-norm";
import { reduction } from "./reductions";
import { adamStep, cleanGradient, pack, unpack } from "./steps";
import { toHalves } from "./to-half";

/** Kernels that tfjs has not, or has slowly: all of ours. */
const kernels: Readonly<Record<string, Kernel>> = {
  SidHalf: toHalves,
  SidGeluGate: geluGate,
  SidGeluGateGradient: geluGateGradient,
  SidGroupNorm: groupNorm,
  SidGroupNormGradient: groupNormGradient,
  SidLayerNorm: layerNorm,
  SidLayerNormGradient: layerNormGradient,
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
  replaceKernel("Sum", reduction("sum"));
  replaceKernel("Mean", reduction("mean"));
}
