import { getKernel, type KernelFunc } from "@tensorflow/tfjs-core";
import { attention } from "./attention";
import { attentionGradient } from "./attention-gradient";
import { convFilterGradient } from "./conv-filter-gradient";
import { convInputGradient } from "./conv-input-gradient";
import { fastConvolution } from "./convolution";
import { cast, concat, fill, filledLike, partly, slice, splitV, stack, unstack } from "./copies";
import { geglu, gegluGradient, geluGate, geluGateGradient, sigmoidGate, sigmoidGateGradient } from "./gates";
import { groupNorm, groupNormGradient } from "./group-norm";
import { type Kernel, kernelFunc, replaceKernel } from "./kernel";
import { layerNorm, layerNormGradient } from "./layer-norm";
import { fastMatMul } from "./matmul";
import { reduction } from "./reductions";
import { finiteSamples, onlyValid } from "./samples";
import { adamStep, cleanGradient, pack, unpack } from "./steps";
import { toHalves } from "./to-half";
import { convGradient, linearGradient } from "./weight-gradients";

/** Kernels that tfjs has not, or has slowly: all of ours. */
const kernels: Readonly<Record<string, Kernel>> = {
  SidHalf: toHalves,
  SidLinearGradient: linearGradient,
  SidConvGradient: convGradient,
  SidFiniteSamples: finiteSamples,
  SidOnlyValid: onlyValid,
  SidAttention: attention,
  SidAttentionGradient: attentionGradient,
  SidGeglu: geglu,
  SidGegluGradient: gegluGradient,
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

/** Kernels built from those of tfjs, which take what ours do not. */
const replacements: Readonly<Record<string, (stock: KernelFunc | undefined) => KernelFunc>> = {
  BatchMatMul: fastMatMul,
  _FusedMatMul: fastMatMul,
  Conv2D: fastConvolution,
  FusedConv2D: fastConvolution,
  Conv2DBackpropFilter: convFilterGradient,
  Conv2DBackpropInput: convInputGradient,
  Sum: reduction("sum"),
  Mean: reduction("mean"),
  ...{
    Slice: partly(slice),
    SplitV: partly(splitV),
    Concat: partly(concat),
    Pack: partly(stack),
    Unpack: partly(unstack),
  },
  ...{ Cast: partly(cast), Fill: partly(fill), ZerosLike: partly(filledLike(0)), OnesLike: partly(filledLike(1)) },
};

/** Puts the kernels in place; a second call, of another copy of this package too, changes nothing. */
export function registerWebgpuKernels(): void {
  if (getKernel("SidSigmoidGate", "webgpu")) return;
  for (const [name, body] of Object.entries(kernels)) replaceKernel(name, () => kernelFunc(body));
  for (const [name, build] of Object.entries(replacements)) replaceKernel(name, build);
}
