import { fc, test } from "@fast-check/vitest";
import {
  add,
  concat,
  div,
  mean,
  mul,
  slice,
  split,
  squaredDifference,
  sub,
  sum,
  type Tensor,
  tile,
  zeros,
} from "@tensorflow/tfjs-core";
import { beforeAll, expect } from "vitest";
import { useBackend } from "../../../src/backends";
import { expectSame, filled, positive } from "../../support/two-backends";

beforeAll(async () => {
  await useBackend("cpu");
  await useBackend("wasm");
});

const operations = { add, sub, mul, div, squaredDifference };
const shape = fc.array(fc.constantFrom(1, 2, 3, 5, 16), { minLength: 1, maxLength: 3 });

/** A shape and another that broadcasts to it: some axes kept, some of one element, some left out in front. */
const broadcast = fc
  .tuple(shape, fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), fc.nat(4), fc.constantFrom(1, 16, 64))
  .map(([whole, kept, dropped, positions]) => {
    const full = [...whole.slice(0, -1), positions, ...whole.slice(-1)];
    return { full, part: full.map((size, i) => (kept[i % 4] ? size : 1)).slice(Math.min(dropped, full.length)) };
  });

test.prop({
  name: fc.constantFrom(...(Object.keys(operations) as (keyof typeof operations)[])),
  shapes: broadcast,
  swap: fc.boolean(),
  seed: fc.nat(),
})("binary operations broadcast either operand", async ({ name, shapes: { full, part }, swap, seed }) => {
  const operands = [positive(full, seed), positive(part, seed + 1)];
  await expectSame(swap ? operands.reverse() : operands, (x, y) => operations[name](x as Tensor, y as Tensor));
});

test("both operands may broadcast at once", async () => {
  await expectSame([positive([3, 1, 4, 1], 1), positive([2, 1, 5], 2)], (x, y) => sub(x as Tensor, y as Tensor));
});

test.prop({
  dims: fc.array(fc.constantFrom(1, 2, 3, 16), { minLength: 1, maxLength: 2 }),
  axes: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  keepDims: fc.boolean(),
  rows: fc.constantFrom(1, 7, 257, 1024),
  seed: fc.nat(),
})("sums and means over any axes", async ({ dims, axes, keepDims, rows, seed }) => {
  const full = [rows, ...dims].slice(0, 4);
  const over = full.map((_, i) => i).filter((i) => axes[i]);
  const x = [positive(full, seed)];
  await expectSame(x, (t) => sum(t as Tensor, over, keepDims));
  await expectSame(x, (t) => mean(t as Tensor, over, keepDims));
});

test.prop({
  dims: fc.array(fc.constantFrom(1, 2, 3, 5, 6), { minLength: 1, maxLength: 4 }),
  axis: fc.nat(3),
  other: fc.integer({ min: 1, max: 60 }),
  reps: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 }),
  seed: fc.nat(),
})("concat, split, slice and tile move the same elements", async ({ dims, axis, other, reps, seed }) => {
  const along = axis % dims.length;
  const size = dims[along] as number;
  const second = dims.map((whole, i) => (i === along ? other : whole));
  await expectSame([filled(dims, seed), filled(second, seed + 1)], (x, y) => {
    const joined = concat([x as Tensor, y as Tensor, x as Tensor], along);
    const [, middle, last] = split(joined, [size, other, size], along) as [Tensor, Tensor, Tensor];
    const start = dims.map((_, i) => (i === along ? size : 0));
    const ends = dims.map((whole, i) => (i === along ? other : Math.ceil(whole / 2)));
    return [joined, middle, slice(joined, start, ends), tile(last, reps.slice(0, dims.length))];
  });
});

test("a slice that reaches past the tensor is refused", () => {
  const x = zeros([2, 3]);
  expect(() => slice(x, [0, 2], [2, 2])).toThrow(/slice/i);
  x.dispose();
});
