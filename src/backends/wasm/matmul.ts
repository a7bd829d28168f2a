import { broadcast_util, type KernelFunc, type TensorInfo, util } from "@tensorflow/tfjs-core";
import { pointerOf, type WasmBackend } from "./module";
import { type Matrices, products } from "./product";
import { runKernel } from "./run-kernel";

interface MatMulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** matMul. */
export function fastBatchMatMul(stock: KernelFunc): KernelFunc {
  return (call) => multiply(call) ?? stock(call);
}

/** The product and a bias vector; nothing where the stock kernel must word an error. */
function multiply({ inputs, attrs, backend: anyBackend }: Parameters<KernelFunc>[0]): TensorInfo | undefined {
  const backend = anyBackend as WasmBackend;
  const { a, b, bias } = inputs as { a: TensorInfo; b: TensorInfo; bias?: TensorInfo };
  const { transposeA, transposeB } = attrs as unknown as MatMulAttributes;
  const [aOuter, aRows, aColumns] = split(a.shape);
  const [bOuter, bRows, bColumns] = split(b.shape);
  const [m, k] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const [bk, n] = transposeB ? [bColumns, bRows] : [bRows, bColumns];
  const outer = broadcast_util.assertAndGetBroadcastShape(aOuter, bOuter);
  const count = util.sizeFromShape(outer);
  const [aCount, bCount] = [util.sizeFromShape(aOuter), util.sizeFromShape(bOuter)];
  if (k !== bk || a.dtype !== "float32" || b.dtype !== "float32") return undefined;
  if (count * m * k * n === 0)
    return bias ? undefined : runKernel(backend, "Fill", {}, { shape: [...outer, m, n], value: 0 });
  const out = backend.makeOutput([...outer, m, n], "float32");
  // A batch of left matrices against one right matrix is one tall product.
  const tall = !transposeA && bCount === 1;
  const operand = (x: TensorInfo, transposed: boolean, own: number[], stored: number): Matrices => ({
    at: pointerOf(backend, x),
    transposed,
    count: tall ? 1 : stored,
    ...(tall || stored === count || stored === 1 ? {} : { pick: broadcastIndices(own, outer) }),
  });
  products(
    backend.wasm,
    operand(a, transposeA, aOuter, aCount),
    operand(b, transposeB, bOuter, bCount),
    pointerOf(backend, out),
    tall ? 1 : count,
    [tall ? count * m : m, k, n],
    bias && pointerOf(backend, bias),
  );
  return out;
}

/** Kernels behind the activation names of tfjs's fused operations. */
const activations: Readonly<Record<string, string>> = {
  relu: "Relu",
  relu6: "Relu6",
  elu: "Elu",
  sigmoid: "Sigmoid",
  prelu: "Prelu",
  leakyrelu: "LeakyRelu",
};

/** Fused matMul: product and bias in one go, then the activation. */
export function fastFusedMatMul(stock: KernelFunc): KernelFunc {
  return (call) => {
    const backend = call.backend as WasmBackend;
    const { b, bias, preluActivationWeights: alpha } = call.inputs as Record<string, TensorInfo | undefined>;
    const { transposeB, activation, leakyreluAlpha } = call.attrs as unknown as MatMulAttributes & {
      activation: string;
      leakyreluAlpha?: number;
    };
    const name = activations[activation];
    const columns = b?.shape.at(transposeB ? -2 : -1);
    const vector = !bias || (bias.dtype === "float32" && util.sizeFromShape(bias.shape) === columns);
    if (!vector || (name === undefined && activation !== "linear")) return stock(call);
    const product = multiply(call);
    if (!product) return stock(call);
    if (name === undefined) return product;
    const result = runKernel(
      backend,
      name,
      alpha ? { x: product, alpha } : { x: product },
      leakyreluAlpha === undefined ? {} : { alpha: leakyreluAlpha },
    );
    backend.disposeData(product.dataId);
    return result;
  };
}

function split(shape: readonly number[]): [number[], number, number] {
  return [shape.slice(0, -2), shape[shape.length - 2] ?? 1, shape[shape.length - 1] ?? 1];
}

/** For each index of the batch shape `out`, row-major, the index into the broadcast batch shape `own`. */
function broadcastIndices(own: readonly number[], out: readonly number[]): number[] {
  const padded = [...Array<number>(out.length - own.length).fill(1), ...own];
  let indices = [0];
  out.forEach((size, axis) => {
    const stored = padded[axis] as number;
    indices = indices.flatMap((base) => Array.from({ length: size }, (_, i) => base * stored + (stored === 1 ? 0 : i)));
  });
  return indices;
}
