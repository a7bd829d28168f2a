/**
 * Speed of the WASM backend's kernels, each as a share of M: the untransposed product of two
 * 1024×1024 matrices, the fastest thing the backend does. Every round measures M and the kernel
 * one after the other and takes their ratio; the table has the median ratio.
 *
 *     npm run bench
 */
import {
  add,
  conv2d,
  engine,
  type NamedAttrMap,
  randomUniform,
  sum,
  type Tensor,
  type Tensor4D,
  tidy,
} from "@tensorflow/tfjs-core";
import { useBackend } from "sid-lsg/backends";

const rounds = 7;
const milliseconds = 30;

interface Figure {
  readonly name: string;
  /** Floating-point operations of one call. */
  readonly flops: number;
  readonly run: () => unknown;
}

function secondsPerCall(run: () => unknown): number {
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

function product(a: readonly number[], b: readonly number[], transposeA = false, transposeB = false): Figure {
  const [x, y] = [randomUniform([...a]), randomUniform([...b])];
  const [m, k] = (transposeA ? [a[2], a[1]] : [a[1], a[2]]) as [number, number];
  const n = (transposeB ? b[1] : b[2]) as number;
  return {
    name: `matMul [${a}]${transposeA ? "ᵀ" : ""} · [${b}]${transposeB ? "ᵀ" : ""}`,
    flops: 2 * (a[0] as number) * m * k * n,
    run: () => kernel("BatchMatMul", { a: x, b: y }, { transposeA, transposeB }),
  };
}

type Shape4 = [number, number, number, number];

/** The convolution that keeps the size, and its two gradients. */
function convolution(inputShape: Shape4, size: number, outChannels: number, stride = 1): Figure[] {
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

function figures(): Figure[] {
  const image = randomUniform([32, 8, 8, 16]);
  return [
    product([1, 1024, 1024], [1, 1024, 1024], true, false),
    product([1, 1024, 1024], [1, 1024, 1024], false, true),
    product([16, 256, 32], [16, 32, 256]),
    product([16, 256, 256], [16, 32, 256], false, true),
    product([16, 256, 32], [16, 256, 256], true, false),
    product([64, 16, 12], [64, 12, 16]),
    product([64, 16, 16], [64, 16, 12], true, false),
    product([1, 512, 24], [1, 512, 96], true, false),
    ...convolution([8, 32, 32, 32], 3, 32),
    ...convolution([32, 16, 16, 64], 3, 64),
    ...convolution([32, 16, 16, 64], 3, 64, 2),
    ...convolution([2, 8, 8, 320], 3, 320),
    ...convolution([32, 8, 8, 16], 3, 16),
    ...convolution([32, 8, 8, 16], 1, 24),
    ...convolution([32, 4, 4, 24], 3, 24),
    { name: "add [32,8,8,16] + [32,8,8,16]", flops: image.size, run: () => add(image, image) },
    { name: "sum [32,8,8,16] over all but channels", flops: image.size, run: () => sum(image, [0, 1, 2]) },
  ];
}

await useBackend("wasm");
const yardstick = product([1, 1024, 1024], [1, 1024, 1024]);
const all = figures();
for (const { run } of [yardstick, ...all]) for (let i = 0; i < 3; i++) tidy(() => void run());

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] as number;
const speeds: number[] = [];
console.log("share of M   GFLOP/s   µs per call   kernel");
for (const { name, flops, run } of all) {
  const measured = Array.from({ length: rounds }, () => {
    const m = yardstick.flops / secondsPerCall(yardstick.run) / 1e9;
    const seconds = secondsPerCall(run);
    speeds.push(m);
    return { share: flops / seconds / 1e9 / m, seconds };
  });
  const share = median(measured.map((one) => one.share));
  const seconds = median(measured.map((one) => one.seconds));
  const columns = [share.toFixed(2).padStart(10), (flops / seconds / 1e9).toFixed(1).padStart(10)];
  console.log(`${columns.join("")}${(1e6 * seconds).toFixed(0).padStart(14)}   ${name}`);
}
console.log(`M = ${median(speeds).toFixed(1)} GFLOP/s, median of ${speeds.length}`);
