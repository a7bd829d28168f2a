import {
  getKernelsForBackend,
  type KernelConfig,
  type KernelFunc,
  registerKernel,
  type TensorInfo,
  unregisterKernel,
} from "@tensorflow/tfjs-core";

/** What one kernel did while it was watched. */
export interface KernelFigures {
  calls: number;
  seconds: number;
  /** Floating-point operations of products and convolutions; 0 for the others. */
  flops: number;
}

const elements = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** Two operations per multiplication of a product or convolution, by the shapes of operands and result. */
function flopsOf(
  name: string,
  inputs: Record<string, TensorInfo>,
  attrs: Record<string, unknown>,
  out: TensorInfo,
): number {
  switch (name) {
    case "BatchMatMul":
    case "_FusedMatMul": {
      const { shape } = inputs["a"] as TensorInfo;
      const inner = shape[shape.length - (attrs["transposeA"] ? 2 : 1)] as number;
      return 2 * elements(out.shape) * inner;
    }
    case "Conv2D":
    case "FusedConv2D":
      return 2 * elements(out.shape) * elements((inputs["filter"] as TensorInfo).shape.slice(0, 3));
    case "Conv2DBackpropInput":
      return (
        2 * elements((inputs["dy"] as TensorInfo).shape) * elements((inputs["filter"] as TensorInfo).shape.slice(0, 3))
      );
    case "Conv2DBackpropFilter":
      return 2 * elements((inputs["dy"] as TensorInfo).shape) * elements(out.shape.slice(0, 3));
    // Two products forward, four backward; what the backward pass computes again does not count.
    case "SidAttention":
    case "SidAttentionGradient": {
      const operands = Object.values(inputs).map(({ shape }) => shape as [number, number, number]);
      const [q, k] = operands.slice(-3) as [[number, number, number], [number, number, number]];
      return (name === "SidAttention" ? 4 : 8) * elements(q) * k[1];
    }
    default:
      return 0;
  }
}

/** Runs `work` with every kernel of a backend watched; a kernel that another one calls counts as part of it. */
export async function watchKernels(backend: string, work: () => Promise<unknown>): Promise<Map<string, KernelFigures>> {
  const figures = new Map<string, KernelFigures>();
  const stock = getKernelsForBackend(backend);
  let depth = 0;
  const watched = ({ kernelName, kernelFunc }: KernelConfig): KernelFunc => {
    return (call) => {
      if (depth > 0) return kernelFunc(call);
      const started = performance.now();
      depth++;
      try {
        const out = kernelFunc(call);
        const found = figures.get(kernelName) ?? { calls: 0, seconds: 0, flops: 0 };
        figures.set(kernelName, found);
        found.calls++;
        found.seconds += (performance.now() - started) / 1000;
        const [first] = [out].flat() as [TensorInfo];
        found.flops += flopsOf(kernelName, call.inputs as Record<string, TensorInfo>, call.attrs ?? {}, first);
        return out;
      } finally {
        depth--;
      }
    };
  };
  const replace = (config: KernelConfig, kernelFunc: KernelFunc) => {
    unregisterKernel(config.kernelName, backend);
    registerKernel({ ...config, kernelFunc });
  };
  for (const config of stock) replace(config, watched(config));
  try {
    await work();
  } finally {
    for (const config of stock) replace(config, config.kernelFunc);
  }
  return figures;
}

/** All the floating-point operations of what was watched. */
export function totalFlops(figures: ReadonlyMap<string, KernelFigures>): number {
  return [...figures.values()].reduce((sum, { flops }) => sum + flops, 0);
}
