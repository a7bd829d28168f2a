import type { KernelFunc, TensorInfo } from "@tensorflow/tfjs-core";
import { flag, kernel, type NodeBackend } from "./operations";

/** Products of matrices, one or many; those of one matrix each take TensorFlow's quicker operation. */
export const product: KernelFunc = ({ inputs, attrs, backend }) => {
  const { a, b, bias } = inputs as { a: TensorInfo; b: TensorInfo; bias?: TensorInfo };
  const { transposeA = false, transposeB = false } = attrs as { transposeA?: boolean; transposeB?: boolean };
  return kernel(backend as unknown as NodeBackend, ({ of, run }) => {
    const y =
      a.shape.length === 2 && b.shape.length === 2
        ? run("MatMul", [of(a), of(b)], [flag("transpose_a", transposeA), flag("transpose_b", transposeB)])
        : run("BatchMatMulV2", [of(a), of(b)], [flag("adj_x", transposeA), flag("adj_y", transposeB)]);
    return bias ? run("BiasAdd", [y, of(bias)]) : y;
  });
};
