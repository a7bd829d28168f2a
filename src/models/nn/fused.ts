import { engine, type NamedTensorMap, type Tensor } from "@tensorflow/tfjs-core";
import { type FusedAttributes, type FusedKernel, type GpuFusedKernel, hasKernel } from "../../core/fused-kernels";
import { mayNeedGradient } from "../../core/tape";
import { operation } from "./custom-gradient";

/** The operation in one kernel, with its gradient, where the backend has one; otherwise nothing. */
export function fused<T extends Tensor>(
  name: FusedKernel | GpuFusedKernel,
  inputs: readonly Tensor[],
  attributes: FusedAttributes = {},
): T | undefined {
  if (!hasKernel(name)) return undefined;
  const firstOnly = !inputs.slice(1).some(mayNeedGradient);
  return operation<T>(inputs, (...xs) => {
    const [value, ...extras] = run(name, xs, attributes);
    return {
      value: value as T,
      saved: [...xs, ...extras],
      backward: (dy, saved) => run(`${name}Gradient`, [dy, ...saved], { ...attributes, firstOnly }),
    };
  });
}

function run(name: string, inputs: readonly Tensor[], attributes: FusedAttributes): Tensor[] {
  return engine().runKernel(name, { ...inputs } as unknown as NamedTensorMap, attributes) as unknown as Tensor[];
}
