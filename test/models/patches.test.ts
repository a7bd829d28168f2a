import { readFileSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import { depthToSpace, grad, mul, square, sum, type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import * as sid from "../../src";
import { randomStream, type SidErrorCode, vjp } from "../../src/core";
import { onDryBackend } from "../../src/memory/dry-backend";
import { patchify, unpatchify } from "../../src/models";
import { expectSidError } from "../support/errors";
import { numbers } from "../support/matchers";
import { draw, free, seeds } from "../support/values";

interface Golden {
  cases: { size: number; shape: number[]; patchShape: number[]; images: number[]; patches: number[] }[];
}
const golden: Golden = JSON.parse(readFileSync(new URL("../golden/patches.json", import.meta.url), "utf8"));

/** A batch of images and patches that tile them. */
const tilings = fc
  .tuple(...[3, 4, 4, 4, 4].map((max) => fc.integer({ min: 1, max })))
  .map(([b = 1, rows = 1, columns = 1, c = 1, size = 1]) => ({
    size,
    shape: [b, rows * size, columns * size, c] as const,
    patchShape: [b, rows, columns, size * size * c] as const,
  }));
const plain = (x: Tensor) => ({ shape: x.shape, dtype: x.dtype, values: numbers(x) });

/** The definition, number by number. */
function slowly(images: readonly number[], [b, h, w, c]: readonly [number, number, number, number], size: number) {
  const out: number[] = [];
  for (let n = 0; n < b; n++)
    for (let i = 0; i < h / size; i++)
      for (let j = 0; j < w / size; j++)
        for (let r = 0; r < size; r++)
          for (let s = 0; s < size; s++)
            for (let k = 0; k < c; k++) out.push(images[((n * h + i * size + r) * w + j * size + s) * c + k] as number);
  return out;
}

describe("images as patches", () => {
  test.each(golden.cases)(
    "are torch's, of $size × $size out of $shape",
    ({ size, shape, patchShape, images, patches }) =>
      free(() => {
        for (const dtype of ["float32", "int32"] as const) {
          expect(plain(patchify(tensor(images, shape, dtype), size))).toEqual({
            ...{ shape: patchShape, dtype, values: patches },
          });
          expect(plain(unpatchify(tensor(patches, patchShape, dtype), size))).toEqual({ shape, dtype, values: images });
        }
      }),
  );

  test.prop({ tiling: tilings, seed: seeds })("are the definition's, and come back exactly", ({ tiling, seed }) =>
    free(() => {
      const { size, shape, patchShape } = tiling;
      const [images] = draw(seed, shape, 1) as [Tensor];
      const patches = patchify(images, size);
      expect(plain(patches)).toEqual({
        shape: patchShape,
        dtype: "float32",
        values: slowly(numbers(images), shape, size),
      });
      expect(plain(unpatchify(patches, size))).toEqual(plain(images));
    }),
  );

  test.prop({ tiling: tilings, seed: seeds })("and back are TensorFlow's depth to space", ({ tiling, seed }) =>
    free(() => {
      const { size, patchShape } = tiling;
      const [patches] = draw(seed, patchShape, 1) as [Tensor];
      // TensorFlow.js refuses blocks of 1.
      const wanted = size === 1 ? patches : depthToSpace(patches as never, size, "NHWC");
      expect(plain(unpatchify(patches, size))).toEqual(plain(wanted));
      expect(plain(patchify(wanted, size))).toEqual(plain(patches));
    }),
  );

  test.prop({ tiling: tilings, seed: seeds })("have the inverse for a gradient, both ways", ({ tiling, seed }) =>
    free(() => {
      const { size, shape, patchShape } = tiling;
      const [images] = draw(seed, shape, 1) as [Tensor];
      const [patches] = draw(seed + 1, patchShape, 1) as [Tensor];
      const there = vjp((x: Tensor) => patchify(x, size), [images], patches) as Tensor[];
      expect(there.map(plain)).toEqual([plain(unpatchify(patches, size))]);
      const back = vjp((x: Tensor) => unpatchify(x, size), [patches], images) as Tensor[];
      expect(back.map(plain)).toEqual([plain(patchify(images, size))]);
    }),
  );

  test("change no loss and no gradient of one", () =>
    free(() => {
      const [images] = draw(3, [2, 6, 6, 3], 1) as [Tensor];
      const loss = (x: Tensor) => sum(square(x));
      expect(numbers(loss(patchify(images, 3)))[0]).toBeCloseTo(numbers(loss(images))[0] as number, 3);
      expect(plain(grad((x) => loss(patchify(x, 3)))(images))).toEqual(plain(mul(images, 2)));
    }));

  test("of flags stay flags; NaN and infinities move as they are", () =>
    free(() => {
      const flags = tensor([1, 0, 0, 1, 1, 1, 0, 0], [1, 2, 4, 1], "bool");
      expect(plain(patchify(flags, 2))).toEqual({
        shape: [1, 1, 2, 4],
        dtype: "bool",
        values: [1, 0, 1, 1, 0, 1, 0, 0],
      });
      const odd = tensor([Number.NaN, 1, Number.POSITIVE_INFINITY, -0], [1, 2, 2, 1]);
      expect(numbers(patchify(odd, 2))).toEqual([Number.NaN, 1, Number.POSITIVE_INFINITY, -0]);
    }));

  test("leave what they are made of alone", () =>
    free(() => {
      const images = randomStream(1).normal([1, 2, 2, 1]);
      const before = numbers(images);
      patchify(images, 1).dispose();
      unpatchify(images, 1).dispose();
      expect(numbers(images)).toEqual(before);
    }));

  test.each([true, false])("have the shape that an estimate of memory takes (fused kernels: %s)", (fused) =>
    onDryBackend(fused, async (usage) => {
      const before = usage.bytes;
      tidy(() => {
        const images = randomStream(1).normal([2, 24, 24, 3]);
        const patches = patchify(images, 3);
        expect(patches.shape).toEqual([2, 8, 8, 27]);
        expect(unpatchify(patches, 3).shape).toEqual([2, 24, 24, 3]);
        const [gradient] = vjp((x: Tensor) => patchify(x, 3), [images], patches) as Tensor[];
        expect(gradient?.shape).toEqual([2, 24, 24, 3]);
      });
      expect(usage.bytes).toBe(before);
    }),
  );

  test("are in sid-lsg too", () => {
    expect(sid.patchify).toBe(patchify);
    expect(sid.unpatchify).toBe(unpatchify);
  });
});

describe("is refused", () => {
  const as = (value: unknown) => value as never;
  const of = (shape: number[]) => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
  const gone = () => {
    const x = of([1, 4, 4, 4]);
    x.dispose();
    return x;
  };
  const cases: readonly (readonly [string, () => Tensor, unknown, SidErrorCode, RegExp])[] = [
    ["a patch of no pixels", () => of([1, 4, 4, 4]), 0, "out-of-range", /size must lie in \[1, .*got 0/],
    ["a negative size", () => of([1, 4, 4, 4]), -2, "out-of-range", /size must lie in \[1, .*got -2/],
    ["half a pixel", () => of([1, 4, 4, 4]), 2.5, "invalid-argument", /size must be an integer, got 2\.5/],
    ["a size of NaN", () => of([1, 4, 4, 4]), Number.NaN, "not-finite", /size must be finite, got NaN/],
    ["an infinite size", () => of([1, 4, 4, 4]), Number.POSITIVE_INFINITY, "not-finite", /got Infinity/],
    ["text for a size", () => of([1, 4, 4, 4]), "2", "invalid-argument", /size must be a number, got "2"/],
    ["no size", () => of([1, 4, 4, 4]), undefined, "invalid-argument", /size must be a number, got undefined/],
    [
      "a pair for a size",
      () => of([1, 4, 4, 4]),
      [2, 2],
      "invalid-argument",
      /size must be a number, got an array of 2/,
    ],
    ["a tensor of rank 3", () => of([4, 4, 4]), 2, "shape-mismatch", /must be \[B, .*got \[4, 4, 4\]/],
    ["a tensor of rank 5", () => of([1, 4, 4, 4, 1]), 2, "shape-mismatch", /got \[1, 4, 4, 4, 1\]/],
    ["a scalar", () => tensor(1), 2, "shape-mismatch", /got \[\]/],
    ["an empty batch", () => of([0, 4, 4, 4]), 2, "shape-mismatch", /at least one element, got \[0, 4, 4, 4\]/],
    ["no channels", () => of([1, 4, 4, 0]), 2, "shape-mismatch", /at least one element, got \[1, 4, 4, 0\]/],
    ["text", () => tensor(["a"], [1, 1, 1, 1]), 1, "invalid-argument", /real numbers, got string/],
    ["a tensor that is gone", gone, 2, "invalid-argument", /was disposed before/],
    ["an array", () => as([[[[1]]]]), 1, "invalid-argument", /must be a tensor, got an array of 1/],
    ["nothing", () => as(undefined), 1, "invalid-argument", /must be a tensor, got undefined/],
  ];
  for (const [name, make, size, code, message] of cases)
    for (const [where, f] of Object.entries({ patchify, unpatchify }))
      test(`${name} by ${where}`, () =>
        free(() => {
          const x = make();
          expectSidError(code, () => f(x, as(size)), new RegExp(`^${where}: .*${message.source}`));
        }));

  test.each([
    [3, [1, 4, 6, 2]],
    [3, [1, 6, 4, 2]],
    [8, [1, 4, 4, 2]],
    [Number.MAX_SAFE_INTEGER, [1, 4, 4, 2]],
  ])("what patches of %i do not tile: %j", (size, shape) =>
    free(() => {
      expectSidError(
        "shape-mismatch",
        () => patchify(of(shape), size),
        /^patchify: .*do not tile images \[1, .*divide height/,
      );
    }),
  );

  test.each([
    [2, 6],
    [3, 12],
    [4, 4],
    [2 ** 30, 4],
  ])("what is no patch of %i: %i channels", (size, channels) =>
    free(() => {
      const x = of([1, 2, 2, channels]);
      expectSidError(
        "shape-mismatch",
        () => unpatchify(x, size),
        /^unpatchify: the \d+ channels .*size² must divide them\.$/,
      );
    }),
  );
});
