import {
  add,
  backend,
  conv2d,
  engine,
  type KernelFunc,
  type NamedAttrMap,
  randomUniform,
  sum,
  type Tensor,
  type Tensor4D,
  type TensorInfo,
  tidy,
} from "@tensorflow/tfjs-core";

const milliseconds = 30;

/** One kernel at one shape. */
export interface Figure {
  readonly name: string;
  /** Share of M that it shall reach. */
  readonly target?: number;
  /** Floating-point operations of one call. */
  readonly flops: number;
  readonly run: () => unknown;
}

/** Mean time of a call over a few hundredths of a second. */
export function secondsPerCall(run: () => unknown): number {
  const start = performance.now();
  let calls = 0;
  while (performance.now() - start < milliseconds) {
    tidy(() => void run());
    calls++;
  }
  return (performance.now() - start) / 1000 / calls;
}

const kernel = (name: string, inputs: Record<string, Tensor>, attrs: NamedAttrMap = {}) =>
  engine().runKernel(name, inputs, attrs) as Tensor;

/** A batched product. */
export function product(a: readonly number[], b: readonly number[], transposeA = false, transposeB = false): Figure {
  const [x, y] = [randomUniform([...a]), randomUniform([...b])];
  const [m, k] = (transposeA ? [a[2], a[1]] : [a[1], a[2]]) as [number, number];
  const n = (transposeB ? b[1] : b[2]) as number;
  return {
    name: `matMul [${a}]${transposeA ? "ᵀ" : ""} · [${b}]${transposeB ? "ᵀ" : ""}`,
    flops: 2 * (a[0] as number) * m * k * n,
    run: () => kernel("BatchMatMul", { a: x, b: y }, { transposeA, transposeB }),
  };
}

/**
 * The stock backend's own product of two matrices of 1024 rows, in the backend that runs: M is its speed. `stock` is its
 * kernel, as it was before `useBackend` replaced it.
 */
export function stockProduct(stock: KernelFunc): Figure {
  const [a, b] = [randomUniform([1, 1024, 1024]), randomUniform([1, 1024, 1024])];
  const run = () => {
    const call = { inputs: { a, b }, attrs: { transposeA: false, transposeB: false }, backend: backend() };
    const { dataId } = [stock(call)].flat()[0] as TensorInfo;
    backend().disposeData(dataId);
  };
  return { name: "M: matMul 1024³ of the stock backend, one thread", flops: 2 * 1024 ** 3, run };
}

type Shape4 = [number, number, number, number];

/** The convolution that keeps the size, and its two gradients. */
export function convolution(inputShape: Shape4, size: number, outChannels: number, stride = 1): Figure[] {
  const filterShape: Shape4 = [size, size, inputShape[3], outChannels];
  const x: Tensor4D = randomUniform(inputShape);
  const filter: Tensor4D = randomUniform(filterShape);
  const forward = () => conv2d(x, filter, stride, "same");
  const dy = forward();
  const attrs = { strides: [stride, stride], pad: "same", dataFormat: "NHWC" };
  const flops = 2 * dy.size * size * size * inputShape[3];
  const name = (part: string) =>
    `conv ${size}×${size}${stride > 1 ? ` /${stride}` : ""} [${inputShape}] → ${outChannels}, ${part}`;
  return [
    { name: name("forward"), flops, run: forward },
    {
      name: name("input gradient"),
      flops,
      run: () => kernel("Conv2DBackpropInput", { dy, filter }, { ...attrs, inputShape }),
    },
    {
      name: name("filter gradient"),
      flops,
      run: () => kernel("Conv2DBackpropFilter", { x, dy }, { ...attrs, filterShape }),
    },
  ];
}

/**
 * The kernels that training needs, at shapes of middle-sized networks (with a target) and of small ones. Where multiply-adds
 * are fused, that target is the same for all.
 */
export function figures(fused: boolean): Figure[] {
  const image = randomUniform([32, 8, 8, 16]);
  const aim = (target: number, figure: Figure): Figure => ({ ...figure, target: fused ? 1.6 : target });
  /** Forward, then the input's and the filter's gradient with their targets. */
  const convolutionFor = (inputGradient: number, filterGradient: number, ...shape: Parameters<typeof convolution>) => {
    const [forward, ofInput, ofFilter] = convolution(...shape) as [Figure, Figure, Figure];
    return [forward, aim(inputGradient, ofInput), aim(filterGradient, ofFilter)];
  };
  return [
    aim(0.8, product([1, 1024, 1024], [1, 1024, 1024], true, false)),
    aim(0.8, product([1, 1024, 1024], [1, 1024, 1024], false, true)),
    aim(0.5, product([16, 256, 32], [16, 32, 256])),
    aim(0.5, product([16, 256, 256], [16, 32, 256], false, true)),
    aim(0.5, product([16, 256, 32], [16, 256, 256], true, false)),
    ...convolutionFor(0.8, 0.6, [8, 32, 32, 32], 3, 32),
    ...convolutionFor(0.8, 0.6, [32, 16, 16, 64], 3, 64),
    ...convolutionFor(0.5, 0.5, [2, 8, 8, 320], 3, 320),
    ...convolution([32, 16, 16, 64], 3, 64, 2),
    product([64, 16, 12], [64, 12, 16]),
    product([64, 16, 16], [64, 16, 12], true, false),
    product([1, 512, 24], [1, 512, 96], true, false),
    ...convolution([32, 8, 8, 16], 3, 16),
    ...convolution([32, 8, 8, 16], 1, 24),
    ...convolution([32, 4, 4, 24], 3, 24),
    { name: "add [32,8,8,16] + [32,8,8,16]", flops: image.size, run: () => add(image, image) },
    { name: "sum [32,8,8,16] over all but channels", flops: image.size, run: () => sum(image, [0, 1, 2]) },
  ];
}
