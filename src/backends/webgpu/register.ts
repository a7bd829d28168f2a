import { hasOwnKernels } from "../../core/fused-kernels";
import { attention } from "./attention";
import { attentionGradient } from "./attention-gradient";
import { convFilterGradient } from "./conv-filter-gradient";
import { convInputGradient } from "./conv-input-gradient";
import { convolution } from "./convolution";
import { cast, concat, fill, filledLike, slice, splitV, stack, unstack } from "./copies";
import { geglu, gegluGradient, geluGate, geluGateGradient, sigmoidGate, sigmoidGateGradient } from "./gates";
import { groupNorm, groupNormGradient } from "./group-norm";
import { type Kernel, putKernel } from "./kernel";
import { layerNorm, layerNormGradient } from "./layer-norm";
import { matMul } from "./matmul";
import { reduction } from "./reductions";
import { finiteSamples, onlyValid } from "./samples";
import { adamStep, cleanGradient, pack, unpack } from "./steps";
import { toHalves } from "./to-half";
import { convGradient, linearGradient } from "./weight-gradients";

/** All of ours; those that have a kernel of tfjs's beside them leave to it what they do not take. */
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
  BatchMatMul: matMul,
  _FusedMatMul: matMul,
  Conv2D: convolution,
  FusedConv2D: convolution,
  Conv2DBackpropFilter: convFilterGradient,
  Conv2DBackpropInput: convInputGradient,
  Sum: reduction("sum"),
  Mean: reduction("mean"),
  Slice: slice,
  SplitV: splitV,
  Concat: concat,
  Pack: stack,
  Unpack: unstack,
  Cast: cast,
  Fill: fill,
  ZerosLike: filledLike(0),
  OnesLike: filledLike(1),
};

/** Puts the kernels in place; a second call, of another copy of this package too, changes nothing. */
export function registerWebgpuKernels(): void {
  if (hasOwnKernels("webgpu")) return;
  for (const [name, body] of Object.entries(kernels)) putKernel(name, body);
}
