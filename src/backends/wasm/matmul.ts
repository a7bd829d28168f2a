import { broadcast_util, type KernelFunc, type TensorInfo, util } from "@tensorflow/tfjs-core";
import { pointerOf, sharedByThreads, type WasmBackend } from "./module";
import { cheapestWay, type Matrices, products } from "./product";
import { runKernel } from "./run-kernel";

interface MatMulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/**
 * matMul. The stock kernel is fast for one product of untransposed matrices (so is a batch of left
 * matrices against one right matrix, which is the same thing); everything else becomes a row of those.
 */
export function fastBatchMatMul(stock: KernelFunc): KernelFunc {
  return ({ inputs, attrs, backend: anyBackend }) => {
    const backend = anyBackend as WasmBackend;
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
    const { transposeA, transposeB } = attrs as unknown as MatMulAttributes;
    const [aOuter, aRows, aColumns] = split(a.shape);
    const [bOuter, bRows, bColumns] = split(b.shape);
    const [m, k] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
    const [bk, n] = transposeB ? [bColumns, bRows] : [bRows, bColumns];
    const outer = broadcast_util.assertAndGetBroadcastShape(aOuter, bOuter);
    const count = util.sizeFromShape(outer);
    const [aCount, bCount] = [util.sizeFromShape(aOuter), util.sizeFromShape(bOuter)];
    // The stock kernel words the errors.
    if (k !== bk || a.dtype !== "float32" || b.dtype !== "float32")
      return stock({ inputs, attrs: attrs ?? {}, backend: anyBackend });
    if (count * m * k * n === 0) return runKernel(backend, "Fill", {}, { shape: [...outer, m, n], value: 0 });
    // A batch of left matrices against one right matrix is one tall product, and stock keeps B packed.
    const tall = !transposeA && !transposeB && bCount === 1;
    if (tall && cheapestWay(false, false, [count * m, k, n]) !== "script") {
      const flat = { a: { ...pick(a), shape: [1, count * m, k] }, b: { ...pick(b), shape: [1, k, n] } };
      const out = sharedByThreads(backend.wasm, count * m * k * n)
        ? asConvolution(backend, flat.a, flat.b)
        : (stock({ inputs: flat, attrs: { transposeA, transposeB }, backend: anyBackend }) as TensorInfo);
      return { ...pick(out), shape: [...outer, m, n] };
    }
    const out = backend.makeOutput([...outer, m, n], "float32");
    const operand = (x: TensorInfo, transposed: boolean, own: number[], stored: number): Matrices => ({
      at: pointerOf(backend, x),
      transposed,
      count: stored,
      ...(tall || stored === count ? {} : { pick: broadcastIndices(own, outer) }),
    });
    products(
      backend.wasm,
      operand(a, transposeA, aOuter, aCount),
      operand(b, transposeB, bOuter, bCount),
      pointerOf(backend, out),
      tall ? 1 : count,
      [tall ? count * m : m, k, n],
    );
    return out;
  };
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

/**
 * Fused matMul. Anything but one untransposed product is matMul, bias and activation in a row; the
 * stock kernel is slow there, and adds the bias once per block of 48 in the inner dimension.
 */
export function fastFusedMatMul(stock: KernelFunc): KernelFunc {
  return (call) => {
    const { inputs, backend: anyBackend } = call;
    const backend = anyBackend as WasmBackend;
    const { a, b, bias, preluActivationWeights } = inputs as Record<string, TensorInfo | undefined>;
    const { transposeA, transposeB, activation, leakyreluAlpha } = call.attrs as unknown as MatMulAttributes & {
      activation: string;
      leakyreluAlpha?: number;
    };
    const single = [a, b].every((x) => x !== undefined && util.sizeFromShape(x.shape.slice(0, -2)) === 1);
    const name = activations[activation];
    if ((single && !transposeA && !transposeB) || (name === undefined && activation !== "linear")) {
      const [m, k, n] = [a?.shape.at(-2), a?.shape.at(-1), b?.shape.at(-1)] as [number, number, number];
      if (!single || activation !== "linear" || !sharedByThreads(backend.wasm, m * k * n)) return stock(call);
      const out = asConvolution(backend, a as TensorInfo, b as TensorInfo, bias);
      return { ...pick(out), shape: [...(a as TensorInfo).shape.slice(0, -1), n] };
    }
    const steps: ((x: TensorInfo) => TensorInfo)[] = [];
    if (bias) steps.push((x) => runKernel(backend, "Add", { a: x, b: bias }));
    if (name !== undefined)
      steps.push((x) =>
        runKernel(
          backend,
          name,
          preluActivationWeights ? { x, alpha: preluActivationWeights } : { x },
          leakyreluAlpha === undefined ? {} : { alpha: leakyreluAlpha },
        ),
      );
    let result = runKernel(backend, "BatchMatMul", { a, b }, { transposeA, transposeB });
    for (const step of steps) {
      const next = step(result);
      backend.disposeData(result.dataId);
      result = next;
    }
    return result;
  };
}

/** One product `[..., m, k]·[..., k, n]`, and a bias, as a 1×1 convolution over a column of m pixels. */
function asConvolution(backend: WasmBackend, a: TensorInfo, b: TensorInfo, bias?: TensorInfo): TensorInfo {
  const [m, k, n] = [a.shape.at(-2), a.shape.at(-1), b.shape.at(-1)] as [number, number, number];
  const [x, filter] = [
    { ...pick(a), shape: [1, m, 1, k] },
    { ...pick(b), shape: [1, 1, k, n] },
  ];
  const attrs = { strides: [1, 1], pad: "valid", dataFormat: "NHWC", dilations: [1, 1] };
  return bias
    ? runKernel(backend, "FusedConv2D", { x, filter, bias }, { ...attrs, activation: "linear" })
    : runKernel(backend, "Conv2D", { x, filter }, attrs);
}

function split(shape: readonly number[]): [number[], number, number] {
  return [shape.slice(0, -2), shape[shape.length - 2] ?? 1, shape[shape.length - 1] ?? 1];
}

function pick({ dataId, dtype }: TensorInfo): Omit<TensorInfo, "shape"> {
  return { dataId, dtype };
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
