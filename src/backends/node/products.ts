import type { KernelFunc, TensorInfo } from "@tensorflow/tfjs-core";
import { flag, kernel, type NodeBackend } from "./operations";

/**
 * Products of matrices, one or many. TensorFlow's operation for one, `MatMul`, is not used: TensorFlow 2.12 corrupts the
 * heap when a signal, such as that of a resized terminal, arrives while a processor with AVX-512 is in it.
 */
export const product: KernelFunc = ({ inputs, attrs, backend }) => {
  const { a, b, bias } = inputs as { a: TensorInfo; b: TensorInfo; bias?: TensorInfo };
  const { transposeA = false, transposeB = false } = attrs as { transposeA?: boolean; transposeB?: boolean };
  return kernel(backend as unknown as NodeBackend, ({ of, run }) => {
    const y = run("BatchMatMulV2", [of(a), of(b)], [flag("adj_x", transposeA), flag("adj_y", transposeB)]);
    return bias ? run("BiasAdd", [y, of(bias)]) : y;
  });
};
