import { fc, test } from "@fast-check/vitest";
import {
  conv2d,
  fused,
  getBackend,
  getGradient,
  grads,
  matMul,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tile,
  unsortedSegmentSum,
} from "@tensorflow/tfjs-core";
import { beforeAll, expect } from "vitest";
import { useBackend } from "../../../src/backends";
import "../../../src/core";
import { expectSame, filled, type HostInput, positive } from "../../support/two-backends";

type Padding = Parameters<typeof conv2d>[3] & {};

const size = (max: number) => fc.integer({ min: 1, max });
/** Sizes around the tiles of 6 by 8, and larger ones. */
const matrixSize = fc.oneof(size(9), fc.integer({ min: 30, max: 90 }));

beforeAll(async () => {
  await useBackend("cpu");
  await useBackend("wasm");
});

test.prop({
  outer: fc.constantFrom<[number[], number[]][]>(
    [[], []],
    [[3], [3]],
    [[3], [1]],
    [[1], [4]],
    [
      [2, 3],
      [2, 3],
    ],
    [
      [2, 3],
      [1, 3],
    ],
  ),
  m: matrixSize,
  k: matrixSize,
  n: matrixSize,
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  seed: fc.nat(),
})("matMul and its gradients", async ({ outer, m, k, n, transposeA, transposeB, seed }) => {
  const [aOuter, bOuter] = outer;
  const a = positive([...aOuter, ...(transposeA ? [k, m] : [m, k])], seed);
  const b = positive([...bOuter, ...(transposeB ? [n, k] : [k, n])], seed + 1);
  await expectSame([a, b], (x, y) => matMul(x, y, transposeA, transposeB));
  if (aOuter.join() === bOuter.join())
    await expectSame([a, b], (x, y) =>
      grads((p, q) => matMul(p as Tensor, q as Tensor, transposeA, transposeB))([x as Tensor, y as Tensor]),
    );
});

/** [top, bottom, left, right]; tfjs computes a single number's output size rightly for square windows only. */
const convolution = fc
  .record({
    batch: size(3),
    height: size(7),
    width: size(7),
    inChannels: size(5),
    outChannels: fc.oneof(size(5), fc.constant(40)),
    filter: fc.tuple(size(4), size(4)),
    strides: fc.tuple(size(3), size(3)),
    pad: fc.oneof(
      fc.constantFrom("same" as const, "valid" as const),
      fc.nat(4),
      fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4), fc.nat(4)),
    ),
    seed: fc.nat(),
  })
  .map(({ pad, filter: [filterHeight, filterWidth], strides: [strideHeight, strideWidth], ...rest }) => {
    const square = typeof pad === "number";
    return {
      ...rest,
      filterHeight,
      filterWidth: square ? filterHeight : filterWidth,
      strides: [strideHeight, square ? strideHeight : strideWidth] as [number, number],
      pad: (Array.isArray(pad) ? [[0, 0], pad.slice(0, 2), pad.slice(2), [0, 0]] : pad) as Padding,
    };
  })
  .filter(({ height, width, filterHeight, filterWidth, pad }) => {
    if (pad === "same") return true;
    const zeros = Array.isArray(pad) ? pad : Array(4).fill(typeof pad === "number" ? [pad, pad] : [0, 0]);
    const [, [top, bottom], [left, right]] = zeros as [unknown, [number, number], [number, number], unknown];
    return height + top + bottom >= filterHeight && width + left + right >= filterWidth;
  });

test.prop({ c: convolution }, { numRuns: 300 })("conv2d and its gradients", async ({ c }) => {
  const x = positive([c.batch, c.height, c.width, c.inChannels], c.seed);
  const filter = positive([c.filterHeight, c.filterWidth, c.inChannels, c.outChannels], c.seed + 1);
  await expectSame([x, filter], (p, q) =>
    grads((y, w) => conv2d(y as Tensor4D, w as Tensor4D, c.strides, c.pad))([p as Tensor, q as Tensor]),
  );
});

test.each([
  { m: 7, k: 520, n: 1033 },
  { m: 300, k: 257, n: 70 },
])("products that take several blocks: $m, $k, $n", async ({ m, k, n }) => {
  for (const [transposeA, transposeB] of [
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])
    await expectSame([positive(transposeA ? [k, m] : [m, k]), positive(transposeB ? [n, k] : [k, n], 1)], (x, y) =>
      matMul(x as Tensor, y as Tensor, transposeA, transposeB),
    );
});

test("a bias of several blocks of columns", () =>
  expectSame([positive([5, 3]), positive([3, 1100], 1), filled([1100], 2)], (a, b, bias) =>
    fused.matMul({ a: a as Tensor2D, b: b as Tensor2D, bias: bias as Tensor }),
  ));

test("a 1×1 convolution whose stride and padding keep the size is no plain product", () =>
  expectSame([positive([1, 1, 2, 1]), positive([1, 1, 1, 1], 1)], (x, filter) => {
    const pad: Padding = [
      [0, 0],
      [0, 0],
      [0, 1],
      [0, 0],
    ];
    return grads((y, w) => conv2d(y as Tensor4D, w as Tensor4D, [1, 2], pad))([x as Tensor, filter as Tensor]);
  }));

test.each([1, 2])("an image too large for one piece, stride %d", (stride) =>
  expectSame([positive([1, 263, 130, 32]), positive([3, 3, 32, 1], 1)], (x, filter) => [
    conv2d(x as Tensor4D, filter as Tensor4D, stride, "same"),
    ...grads((y, w) => conv2d(y as Tensor4D, w as Tensor4D, stride, "same"))([x as Tensor, filter as Tensor]),
  ]),
);

test("matMul broadcasts both batches at once", async () => {
  // The cpu backend cannot: compare with repeated operands.
  await expectSame([filled([2, 1, 3, 4]), filled([1, 5, 4, 2])], (x, y) =>
    getBackend() === "wasm"
      ? matMul(x as Tensor, y as Tensor)
      : matMul(tile(x as Tensor, [1, 5, 1, 1]), tile(y as Tensor, [2, 1, 1, 1])),
  );
});

test.prop({
  activation: fc.constantFrom(...(["linear", "relu", "relu6", "elu", "sigmoid", "leakyrelu"] as const)),
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  batch: size(3),
  k: matrixSize,
  sign: fc.constantFrom(1, -1),
  seed: fc.nat(),
})("fused matMul with bias and activation", async ({ activation, transposeA, transposeB, batch, k, sign, seed }) => {
  const scaled = ({ values, shape }: HostInput) => ({ shape, values: values.map((x) => (sign * x) / k) });
  const inputs = [
    scaled(positive([batch, ...(transposeA ? [k, 3] : [3, k])], seed)),
    positive([batch, ...(transposeB ? [4, k] : [k, 4])], seed + 1),
    filled([4], seed + 2),
  ];
  await expectSame(inputs, (a, b, bias) =>
    fused.matMul({ a: a as Tensor3D, b: b as Tensor3D, bias: bias as Tensor, transposeA, transposeB, activation }),
  );
});

test("a dilated convolution has no gradient, and says so", () => {
  // Asked for directly: a throw inside a tape would leak what the tape had kept.
  const { gradFunc } = getGradient("Conv2D");
  const attrs = { strides: 1, pad: "valid", dataFormat: "NHWC", dilations: 2 };
  expect(() => gradFunc([], [], attrs)).toThrow(/dilation rates greater than 1/);
});

test.prop({
  rows: fc.array(fc.integer({ min: -1, max: 5 }), { minLength: 1, maxLength: 20 }),
  inner: fc.array(size(4), { maxLength: 2 }),
  seed: fc.nat(),
})("unsortedSegmentSum", async ({ rows, inner, seed }) => {
  const ids: HostInput = { values: rows, shape: [rows.length], dtype: "int32" };
  await expectSame([positive([rows.length, ...inner], seed), ids], (x, i) =>
    unsortedSegmentSum(x as Tensor, i as never, 5),
  );
});
