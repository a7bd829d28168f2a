import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeSafetensors } from "../../../src/io";
import { type Pictures, type Resizing, resizePictures, resizeToFloats } from "../../../src/models/features";
import type { ResizeFilter } from "../../../src/models/features/resize-windows";
import { expectSidError } from "../../support/errors";
import { relativeError } from "../../support/matchers";

const golden = new URL("../../golden/resize.safetensors", import.meta.url);
const { tensors } = decodeSafetensors(readFileSync(golden));
const names = [...tensors.keys()];
const cases = names.filter((name) => name.endsWith(".input")).map((name) => name.replace(".input", ""));

function input(name: string): Pictures {
  const { data, shape } = tensors.get(`${name}.input`) ?? { data: [], shape: [] };
  const [height, width, channels] = shape as [number, number, number];
  return { data: data as Uint8Array, shape: [1, height, width, channels] };
}

/** The results of a case: what follows the name of their kind, the numbers, and their size. */
function results(name: string, kind: string) {
  const prefix = `${name}.${kind}.`;
  return names
    .filter((key) => key.startsWith(prefix))
    .map((key) => {
      const { data, shape } = tensors.get(key) ?? { data: [], shape: [] };
      return { way: key.slice(prefix.length), data, size: shape.slice(0, 2) as unknown as [number, number] };
    });
}

test("the golden vectors are all there", () => {
  expect(cases.length).toBe(11);
  for (const name of cases) {
    expect(results(name, "bytes").map(({ way }) => way)).toEqual(["bicubic", "bilinear", "lanczos"]);
    expect(results(name, "floats").length).toBe(5);
  }
});

test.each(cases)("%s: bytes are Pillow's, every one", (name) => {
  for (const { way, data, size } of results(name, "bytes")) {
    const resized = resizePictures(input(name), size, way as ResizeFilter);
    expect(resized.shape).toEqual([1, ...size, 3]);
    expect([...resized.data], way).toEqual([...(data as Uint8Array)]);
  }
});

test.each(cases)("%s: floats are those of Pillow, PyTorch and TensorFlow 1", (name) => {
  for (const { way, data, size } of results(name, "floats")) {
    const error = relativeError(resizeToFloats(input(name), size, way as Resizing), data as Float32Array);
    expect(error, way).toBeLessThan(1e-6);
  }
});

test("many pictures are resized as each alone", () => {
  const one = input("smaller");
  const other = { ...one, data: one.data.map((x) => 255 - x) };
  const [, height, width, channels] = one.shape;
  const both: Pictures = { data: Uint8Array.from([...one.data, ...other.data]), shape: [2, height, width, channels] };
  const alone = (f: (p: Pictures) => ArrayLike<number>) => [one, other].flatMap((p) => Array.from(f(p)));
  for (const f of [
    (p: Pictures) => resizePictures(p, [13, 9], "bicubic").data,
    (p: Pictures) => resizeToFloats(p, [13, 9], "pytorch"),
    (p: Pictures) => resizeToFloats(p, [13, 9], "pillow-lanczos"),
  ])
    expect(Array.from(f(both))).toEqual(alone(f));
});

test("what are no pictures of RGB bytes is refused with a remedy", () => {
  const of = (data: unknown, shape: readonly number[]) => () =>
    resizePictures({ data, shape } as unknown as Pictures, [2, 2], "bicubic");
  const bytes = (n: number) => new Uint8Array(n);
  expectSidError("invalid-argument", of(new Float32Array(12), [1, 2, 2, 3]), /got a Float32Array: .*127\.5/);
  expectSidError("invalid-argument", of([1, 2, 3], [1, 1, 1, 3]), /got an array of 3/);
  expectSidError("shape-mismatch", of(bytes(4), [1, 2, 2, 1]), /3 channels.*repeat the grey three times\.$/);
  expectSidError("shape-mismatch", of(bytes(16), [1, 2, 2, 4]), /leave out the opacity/);
  expectSidError("shape-mismatch", of(bytes(60), [1, 3, 4, 5]), /lay the channels last/);
  expectSidError("shape-mismatch", of(bytes(12), [2, 2, 3]), /\[count, height, width, 3\]/);
  expectSidError("shape-mismatch", of(bytes(11), [1, 2, 2, 3]), /are 12 bytes, got 11/);
  expectSidError("out-of-range", of(bytes(0), [0, 2, 2, 3]), /the count of pictures\.shape/);
  expectSidError("out-of-range", () => resizePictures(input("same"), [0, 2], "bicubic"), /each of size/);
  expectSidError("invalid-argument", () => resizePictures(input("same"), [2, 2], "area" as never), /"lanczos"/);
});
