import {
  _FusedMatMul,
  Conv2DBackpropFilter,
  Conv2DBackpropInput,
  engine,
  FusedConv2D,
  type GradConfig,
  matMul,
  registerGradient,
  sum,
  type Tensor,
  type Tensor2D,
} from "@tensorflow/tfjs-core";

/*
 * Every backend has kernels that add the bias while they convolve or multiply. tfjs differentiates
 * them only through a customGrad that computes the gradients of frozen weights as well and keeps
 * the output. Gradients registered for the kernels themselves are computed one by one, only where
 * the tape wants them, and keep the two factors.
 */

/** Matrices, `activation` always linear and transposition never used: see linear.ts. */
const matMulGradient: GradConfig = {
  kernelName: _FusedMatMul,
  inputsToSave: ["a", "b"],
  gradFunc: (dy, saved) => {
    const [a, b] = saved as [Tensor2D, Tensor2D];
    return {
      a: () => matMul(dy as Tensor2D, b, false, true),
      b: () => matMul(a, dy as Tensor2D, true, false),
      bias: () => sum(dy as Tensor, 0),
    };
  },
};

const convGradient: GradConfig = {
  kernelName: FusedConv2D,
  inputsToSave: ["x", "filter"],
  gradFunc: (dyOrDys, saved, attrs) => {
    const dy = dyOrDys as Tensor;
    const [x, filter] = saved as [Tensor, Tensor];
    const inputShape: number[] = x.shape;
    const filterShape: number[] = filter.shape;
    return {
      x: () => engine().runKernel(Conv2DBackpropInput, { dy, filter }, { ...attrs, inputShape }) as Tensor,
      filter: () => engine().runKernel(Conv2DBackpropFilter, { x, dy }, { ...attrs, filterShape }) as Tensor,
      bias: () => sum(dy, [0, 1, 2]),
    };
  },
};

/** Makes the fused kernels differentiable; registering twice is harmless. */
export function registerFusedGradients(): void {
  registerGradient(matMulGradient);
  registerGradient(convGradient);
}
