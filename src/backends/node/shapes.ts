import { backend_util, type KernelFunc, type TensorInfo, util } from "@tensorflow/tfjs-core";
import { flag, type Handle, kernel, type NodeBackend, type Operations } from "./operations";

type Body = (ops: Operations, x: Handle, attrs: never) => Handle;

/** A kernel with one input, `x`. */
const unary =
  (f: Body): KernelFunc =>
  ({ inputs, attrs, backend }) =>
    kernel(backend as unknown as NodeBackend, (ops) => f(ops, ops.of(inputs["x"] as TensorInfo), attrs as never));

/** Another shape for the same memory; see {@link shareReshaped}. */
export const reshape: KernelFunc = ({ inputs, attrs, backend }) => {
  const { dataId, shape, dtype } = inputs["x"] as TensorInfo;
  (backend as unknown as NodeBackend).incRef(dataId);
  const wanted = (attrs as unknown as { shape: number[] }).shape;
  return { dataId, dtype, shape: util.inferFromImplicitShape(wanted, util.sizeFromShape(shape)) };
};

export const transpose = unary(({ run, integers }, x, { perm }: { perm: number[] }) =>
  run("Transpose", [x, integers(perm)]),
);

interface Reduction {
  readonly axis: number | number[];
  readonly keepDims?: boolean | undefined;
}

/** Sum or mean. A sum over all axes but the last, such as the gradient of a bias, has an operation of its own. */
export function reduction(name: "Sum" | "Mean"): (stock: KernelFunc) => KernelFunc {
  const ours = unary(({ run, integers }, x, { axis, keepDims = false }: Reduction) => {
    const axes = util.parseAxisParam(axis, [...x.shape]);
    const last = x.shape.length - 1;
    if (name === "Sum" && !keepDims && last > 0 && axes.length === last && !axes.includes(last))
      return run("BiasAddGrad", [x]);
    return run(name, [x, integers(axes)], [flag("keep_dims", keepDims)]);
  });
  return (stock) => (call) => (call.inputs["x"]?.dtype === "float32" ? ours(call) : stock(call));
}

/** Part of a tensor. */
export const slice = unary(({ run, integers }, x, { begin, size }: { begin: number[]; size: number[] }) => {
  const info = { shape: [...x.shape] } as TensorInfo;
  const [from, count] = backend_util.slice_util.parseSliceParams(info, begin, size) as [number[], number[]];
  return run("Slice", [x, integers(from), integers(count)]);
});
