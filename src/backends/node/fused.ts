import { type NamedAttrMap, registerKernel, type TensorInfo } from "@tensorflow/tfjs-core";
import type { FusedKernel, StepKernel } from "../../core/fused-kernels";
import { geluGate, geluGateGradient, sigmoidGate, sigmoidGateGradient } from "./activations";
import { attention, attentionGradient } from "./attention";
import { groupNorm, groupNormGradient, layerNorm, layerNormGradient } from "./norms";
import { type Handle, kernel, type NodeBackend, type Operations } from "./operations";
import { adamStep, cleanGradient, pack, unpack } from "./steps";

/** A kernel's results from its inputs. */
type Body = (ops: Operations, inputs: readonly Handle[], attrs: NamedAttrMap) => Handle[];

const kernels: Readonly<Record<FusedKernel | `${FusedKernel}Gradient` | StepKernel, Body>> = {
  SidAttention: attention,
  SidAttentionGradient: attentionGradient,
  SidGroupNorm: groupNorm,
  SidGroupNormGradient: groupNormGradient,
  SidLayerNorm: layerNorm,
  SidLayerNormGradient: layerNormGradient,
  SidSigmoidGate: sigmoidGate,
  SidSigmoidGateGradient: sigmoidGateGradient,
  SidGeluGate: geluGate,
  SidGeluGateGradient: geluGateGradient,
  SidPack: pack,
  SidUnpack: unpack,
  SidClean: cleanGradient,
  SidAdam: adamStep,
};

/** Registers the kernels for a backend. */
export function registerFusedKernels(backendName: string): void {
  for (const [kernelName, body] of Object.entries(kernels))
    registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs = {}, backend }) =>
        kernel(backend as unknown as NodeBackend, (ops) =>
          body(ops, (Object.values(inputs) as TensorInfo[]).map(ops.of), attrs),
        ),
    });
}
