import {
  _FusedMatMul,
  Conv2DBackpropFilter,
  Conv2DBackpropInput,
  clone,
  engine,
  FusedConv2D,
  type GradConfig,
  matMul,
  type NamedAttrMap,
  registerGradient,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import { runIfThere } from "../../core/fused-kernels";
import { mayNeedGradient } from "../../core/tape";
import { operation } from "./custom-gradient";

/*
 * Every backend has kernels that add the bias while they convolve or multiply. tfjs differentiates
 * them only through a customGrad that computes the gradients of frozen weights as well and keeps
 * the output. Gradients registered for the kernels themselves are computed one by one, only where
 * the tape wants them, and keep the two factors.
 */

type Gradients = {
  readonly x: () => Tensor;
  readonly weight: () => Tensor;
  readonly bias: () => Tensor;
};

/** Of `a·b + bias`; `activation` is always linear and transposition never used: see linear.ts. */
const ofProduct = (dy: Tensor, a: Tensor, b: Tensor): Gradients => ({
  x: () => matMul(dy as Tensor2D, b as Tensor2D, false, true),
  weight: () => matMul(a as Tensor2D, dy as Tensor2D, true, false),
  bias: () => sum(dy, 0),
});

const ofConvolution = (dy: Tensor, x: Tensor, filter: Tensor, attrs: NamedAttrMap): Gradients => {
  const inputShape: number[] = x.shape;
  const filterShape: number[] = filter.shape;
  return {
    x: () => engine().runKernel(Conv2DBackpropInput, { dy, filter }, { ...attrs, inputShape }) as Tensor,
    weight: () => engine().runKernel(Conv2DBackpropFilter, { x, dy }, { ...attrs, filterShape }) as Tensor,
    bias: () => sum(dy, [0, 1, 2]),
  };
};

const matMulGradient: GradConfig = {
  kernelName: _FusedMatMul,
  inputsToSave: ["a", "b"],
  gradFunc: (dy, saved) => {
    const { x, weight, bias } = ofProduct(dy as Tensor, saved[0] as Tensor, saved[1] as Tensor);
    return { a: x, b: weight, bias };
  },
};

const convGradient: GradConfig = {
  kernelName: FusedConv2D,
  inputsToSave: ["x", "filter"],
  gradFunc: (dy, saved, attrs) => {
    const { x, weight, bias } = ofConvolution(dy as Tensor, saved[0] as Tensor, saved[1] as Tensor, attrs);
    return { x, filter: weight, bias };
  },
};

/** Makes the fused kernels differentiable; registering twice is harmless. */
export function registerFusedGradients(): void {
  registerGradient(matMulGradient);
  registerGradient(convGradient);
}

/** x, weight, bias, and what may be added to the result. */
type LayerInputs = readonly [x: Tensor, weight: Tensor, bias: Tensor, addend?: Tensor | undefined];

/**
 * A layer in one kernel, whose gradients of weight and bias are another one, where a GPU would have to start a program for
 * each. What is not wanted is not computed: nobody looks at what stands in its place.
 */
function layerInOne<T extends Tensor>(
  inputs: LayerInputs,
  forward: (...inputs: LayerInputs) => T,
  backward: (dy: T, x: Tensor, weight: Tensor) => Gradients,
  both: (dy: T, x: Tensor) => Tensor[] | undefined,
): T {
  const given = inputs.filter((x) => x !== undefined);
  const [wantsX, wantsWeight, wantsBias] = given.map(mayNeedGradient);
  return operation<T>(given, (...tensors) => ({
    value: forward(...(tensors as unknown as LayerInputs)),
    saved: tensors.slice(0, 3),
    backward: (dy, saved) => {
      const [x, weight, bias] = saved as [Tensor, Tensor, Tensor];
      const gradients = backward(dy, x, weight);
      const [dWeight, dBias] = (wantsWeight && wantsBias && both(dy, x)) || [
        wantsWeight ? gradients.weight() : weight,
        wantsBias ? gradients.bias() : bias,
      ];
      const all = [wantsX ? gradients.x() : x, dWeight as Tensor, dBias as Tensor];
      return given.length > 3 ? [...all, clone(dy)] : all;
    },
  }));
}

const withAddend = (addend: Tensor | undefined) => (addend ? { addend } : {});

/** `a·b + bias + addend` of matrices. */
export function linearInOne(inputs: LayerInputs, attrs: NamedAttrMap): Tensor {
  return layerInOne(
    inputs,
    (a, b, bias, addend) => engine().runKernel(_FusedMatMul, { a, b, bias, ...withAddend(addend) }, attrs) as Tensor,
    ofProduct,
    (dy, a) => runIfThere("SidLinearGradient", [a, dy]),
  );
}

/** A convolution with a bias, plus `addend`. */
export function convInOne(inputs: LayerInputs, attrs: NamedAttrMap): Tensor4D {
  const [, { shape: filterShape }] = inputs;
  return layerInOne(
    inputs,
    (x, filter, bias, addend) =>
      engine().runKernel(FusedConv2D, { x, filter, bias, ...withAddend(addend) }, attrs) as Tensor4D,
    (dy, x, filter) => ofConvolution(dy, x, filter, attrs),
    (dy, x) => runIfThere("SidConvGradient", [x, dy], { ...attrs, filterShape }),
  );
}
