import { broadcast_util, type TensorInfo, util } from "@tensorflow/tfjs-core";
import { gemmShader, isActivation, type Products, runProducts, type Variant } from "./gemm";
import { isHalf } from "./half";
import type { Call } from "./kernel";
import { matrices, type Numbers } from "./operands";
import type { Program } from "./program";

const program: Program<Variant & { readonly a: Numbers; readonly b: Numbers }> = {
  name: "products",
  shader: ({ tile, ending, a, b }) => gemmShader(tile, { a: matrices("a", a), b: matrices("b", b), ending }),
};

/** Matrices one after the other; `transposed` means that each is stored as its transpose. */
interface Matrices {
  readonly x: TensorInfo;
  readonly transposed: boolean;
  /** Stored ones. */
  readonly count: number;
  /** Products in a row that share one; after the last comes the first again. */
  readonly each: number;
}

/** `out[i] = A[i]·B[i]`, plus `bias` in every row, then the activation, all row-major. */
export function products(
  call: Call,
  a: Matrices,
  b: Matrices,
  out: TensorInfo,
  [count, m, k, n]: readonly [count: number, m: number, k: number, n: number],
  ending: Pick<Products, "bias" | "activation" | "addend"> = {},
): void {
  const [aLine, aStep] = a.transposed ? [1, m] : [k, 1];
  const [bLine, bStep] = b.transposed ? [k, 1] : [1, n];
  const variant = {
    a: { four: aStep === 1 && k % 4 === 0 },
    b: { four: bStep === 1 && k % 4 === 0, half: isHalf(b.x) || undefined },
  };
  const params = {
    ...{ aEach: a.each, aCount: a.count, aNext: m * k, aLine, aStep },
    ...{ bEach: b.each, bCount: b.count, bNext: k * n, bLine, bStep },
  };
  runProducts(call, program, variant, {
    ...{ sizes: [count, m, k, n], a: a.x, b: b.x, out, params, splits: true },
    ...ending,
  });
}

interface Attributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly activation?: string | null;
}

interface Inputs {
  readonly a: TensorInfo;
  readonly b: TensorInfo;
  readonly bias?: TensorInfo | null;
  /** This library's own: added to the result, of its shape. */
  readonly addend?: TensorInfo;
}

/** Sizes of the products, the result's shape, and how the matrices are stored. */
function layout({ shape: a }: TensorInfo, { shape: b }: TensorInfo, { transposeA, transposeB }: Attributes) {
  const [m, k] = (transposeA ? [a.at(-1), a.at(-2)] : [a.at(-2), a.at(-1)]) as [number, number];
  const n = b.at(transposeB ? -2 : -1) as number;
  const outer = broadcast_util.assertAndGetBroadcastShape(a.slice(0, -2), b.slice(0, -2));
  const stored = [a, b].map((shape) => repetition(shape.slice(0, -2), outer)) as [Repetition?, Repetition?];
  return { sizes: [util.sizeFromShape(outer), m, k, n] as const, shape: [...outer, m, n], stored };
}

type Repetition = Pick<Matrices, "count" | "each">;

/** How the batch `own` repeats to fill `outer`; nothing where an axis between others is broadcast. */
function repetition(own: readonly number[], outer: readonly number[]): Repetition | undefined {
  const padded = [...Array<number>(outer.length - own.length).fill(1), ...own];
  const kept = outer.flatMap((size, axis) => (size > 1 && padded[axis] === size ? [axis] : []));
  const [first, last] = [kept[0] ?? 0, kept.at(-1) ?? -1];
  if (outer.slice(first, last + 1).some((size, i) => size !== padded[first + i])) return undefined;
  const each = util.sizeFromShape(last < 0 ? [...outer] : outer.slice(last + 1));
  return { count: util.sizeFromShape([...own]), each: Math.max(1, each) };
}

/** matMul, and with a bias and an activation. What is not float32, and wilder broadcasts, are the stock kernel's. */
export function matMul(call: Call): TensorInfo | undefined {
  const { a, b, bias, addend } = call.named as unknown as Inputs;
  const { transposeA, transposeB, activation } = call.attrs as unknown as Attributes;
  const { sizes, shape, stored } = layout(a, b, { transposeA, transposeB });
  const [count, m, k, n] = sizes;
  const [aStored, bStored] = stored;
  const ends = activation ?? "linear";
  const isOurs =
    [a, b, bias ?? a].every(({ dtype }) => dtype === "float32") &&
    k === b.shape.at(transposeB ? -1 : -2) &&
    (!bias || util.sizeFromShape(bias.shape) === n);
  if (!isOurs || !aStored || !bStored || !isActivation(ends)) return undefined;
  const out = call.output(shape);
  // Left matrices of one right matrix are one tall matrix.
  const tall = !transposeA && bStored.count === 1 && aStored.count === count;
  const one = { count: 1, each: 1 };
  products(
    call,
    { x: a, transposed: transposeA, ...(tall ? one : aStored) },
    { x: b, transposed: transposeB, ...(tall ? one : bStored) },
    out,
    tall ? [1, count * m, k, n] : [count, m, k, n],
    { bias: bias ?? undefined, activation: ends, addend },
  );
  return out;
}
