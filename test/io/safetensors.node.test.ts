import { readFileSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { type HostTensor, SidError } from "../../src/core";
import { blobSource, decodeSafetensors, encodeSafetensors, openSafetensors } from "../../src/io";

const golden = readFileSync("test/golden/safetensors.safetensors");

/** A file with this header and data, its length field included; `length` overrides the truth. */
function file(header: unknown, dataBytes = 0, length?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

/** The SidError that decoding throws; undefined where it succeeds; anything else fails the test. */
function failure(bytes: Uint8Array): SidError | undefined {
  try {
    decodeSafetensors(bytes);
  } catch (error) {
    if (error instanceof SidError) return error;
    throw error;
  }
  return undefined;
}

const entry = (dtype: string, shape: unknown, ...data_offsets: number[]) => ({ dtype, shape, data_offsets });
const bits = (x: HostTensor["data"]) => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);

/** Each dtype with the elements that it stores exactly, NaN payloads included. */
const half = fc.integer({ min: 0, max: 0xffff });
const widen = { F16: f16Value, BF16: (h: number) => new Float32Array(Uint32Array.of(h << 16).buffer)[0] ?? 0 };
const elements: { [D in HostTensor["dtype"]]: (n: number) => fc.Arbitrary<HostTensor["data"]> } = {
  F32: (n) => fc.float32Array({ minLength: n, maxLength: n }),
  F16: (n) => fc.array(half, { minLength: n, maxLength: n }).map((h) => Float32Array.from(h, widen.F16)),
  BF16: (n) => fc.array(half, { minLength: n, maxLength: n }).map((h) => Float32Array.from(h, widen.BF16)),
  F64: (n) => fc.float64Array({ minLength: n, maxLength: n }),
  I64: (n) => fc.bigInt64Array({ minLength: n, maxLength: n }),
  I32: (n) => fc.int32Array({ minLength: n, maxLength: n }),
  I16: (n) => fc.int16Array({ minLength: n, maxLength: n }),
  I8: (n) => fc.int8Array({ minLength: n, maxLength: n }),
  U64: (n) => fc.bigUint64Array({ minLength: n, maxLength: n }),
  U32: (n) => fc.uint32Array({ minLength: n, maxLength: n }),
  U16: (n) => fc.uint16Array({ minLength: n, maxLength: n }),
  U8: (n) => fc.uint8Array({ minLength: n, maxLength: n }),
  BOOL: (n) => fc.uint8Array({ minLength: n, maxLength: n, max: 1 }),
};
const hostTensor: fc.Arbitrary<HostTensor> = fc
  .record({
    dtype: fc.constantFrom(...(Object.keys(elements) as HostTensor["dtype"][])),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
  })
  .chain(({ dtype, shape }) =>
    elements[dtype](shape.reduce((a, b) => a * b, 1)).map((data) => ({ dtype, shape, data })),
  );
const text = fc.string({ unit: "binary", maxLength: 12 }).filter((s) => !/\p{Surrogate}/u.test(s));
const tensorName = fc
  .oneof(text, fc.constantFrom("__proto__", "0", "constructor", "a.b.weight", "data_offsets"))
  .filter((name) => name !== "__metadata__");
const contents = fc.record({
  tensors: fc.uniqueArray(fc.tuple(tensorName, hostTensor), { selector: ([name]) => name, maxLength: 6 }),
  metadata: fc.dictionary(text, text, { maxKeys: 3 }),
});

/** Value of a binary16 pattern by its definition. */
function f16Value(h: number): number {
  const exponent = (h >> 10) & 31;
  const fraction = (h & 1023) / 1024;
  const size =
    exponent === 31
      ? fraction
        ? Number.NaN
        : Infinity
      : exponent
        ? 2 ** (exponent - 15) * (1 + fraction)
        : 2 ** -14 * fraction;
  return h & 0x8000 ? -size : size;
}

describe("round trip", () => {
  test.prop({ contents })("what is written is read back", ({ contents: { tensors, metadata } }) => {
    const read = decodeSafetensors(encodeSafetensors(new Map(tensors), metadata));
    expect(Object.entries(read.metadata).sort()).toEqual(Object.entries(metadata).sort());
    expect([...read.tensors.keys()].sort()).toEqual(tensors.map(([name]) => name).sort());
    for (const [name, { dtype, shape, data }] of tensors) {
      const tensor = read.tensors.get(name) as HostTensor;
      expect({ dtype: tensor.dtype, shape: tensor.shape }).toEqual({ dtype, shape });
      expect(tensor.data).toEqual(data);
      expect(tensor.data.buffer).not.toBe(data.buffer);
    }
  });

  test.prop({ contents })(
    "writing is deterministic, in any order of the map",
    ({ contents: { tensors, metadata } }) => {
      const bytes = encodeSafetensors(new Map(tensors), metadata);
      expect(encodeSafetensors(new Map([...tensors].reverse()), metadata)).toEqual(bytes);
      expect(encodeSafetensors(decodeSafetensors(bytes).tensors, metadata)).toEqual(bytes);
    },
  );

  test("every 16-bit pattern survives both half formats", () => {
    const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i);
    for (const dtype of ["F16", "BF16"]) {
      const header = { x: entry(dtype, [65536], 0, 131072) };
      const bytes = file(header, 131072);
      bytes.set(bits(patterns as never), bytes.length - 131072);
      const { tensors } = decodeSafetensors(bytes);
      const wide = (tensors.get("x") as HostTensor).data;
      const expected = Float32Array.from(patterns, dtype === "F16" ? widen.F16 : widen.BF16);
      expect(wide).toEqual(expected);
      const back = new Uint16Array(encodeSafetensors(tensors).slice(-131072).buffer);
      const isSignalling = (p: number) => Number.isNaN(expected[p]) && !(p & (dtype === "F16" ? 0x200 : 0x40));
      expect(
        patterns.every((p) => back[p] === p || (isSignalling(p) && Number.isNaN(widen[dtype as "F16"](back[p] ?? 0)))),
      ).toBe(true);
    }
  });

  test.prop({ x: fc.float({ noNaN: true }), dtype: fc.constantFrom("F16" as const, "BF16" as const) })(
    "rounding takes the nearest value, ties to even",
    ({ x, dtype }) => {
      const data = Float32Array.of(x);
      const bytes = encodeSafetensors(new Map([["x", { dtype, shape: [1], data }]]));
      const pattern = new DataView(bytes.buffer).getUint16(bytes.length - 2, true);
      const value = (p: number) => ((p & 0x7fff) === infinity ? Math.sign(widen[dtype](p)) * top : widen[dtype](p));
      const infinity = dtype === "F16" ? 0x7c00 : 0x7f80;
      const top = dtype === "F16" ? 2 ** 16 : 2 ** 128; // where the infinity stands for rounding
      const target = Math.abs(x) === Infinity ? Math.sign(x) * top : x;
      const clamped = Math.max(-top, Math.min(top, target));
      const error = Math.abs(value(pattern) - clamped);
      for (const other of [pattern - 1, pattern + 1]) {
        if (other < 0 || (other & 0x8000) !== (pattern & 0x8000) || (other & 0x7fff) > infinity) continue;
        const otherError = Math.abs(value(other) - clamped);
        expect(error < otherError || (error === otherError && pattern % 2 === 0)).toBe(true);
      }
      expect(pattern >= 0x8000).toBe(x < 0 || Object.is(x, -0));
    },
  );
});

describe("the official library", () => {
  test("its file is read", () => {
    const { tensors, metadata } = decodeSafetensors(golden);
    expect(metadata).toEqual({ format: "pt" });
    const wide = (tensors.get("wide") as HostTensor).data;
    expect(tensors.get("f32")?.shape).toEqual([2, 3]);
    expect(tensors.get("scalar")).toEqual({ dtype: "F32", shape: [], data: Float32Array.of(3.25) });
    expect(tensors.get("empty")).toEqual({ dtype: "F32", shape: [0, 4], data: new Float32Array(0) });
    expect(tensors.get("i64")?.data).toEqual(BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 0n));
    expect(tensors.get("\u{1f600}")?.data).toEqual(Float32Array.of(3));
    // PyTorch's rounding of the same numbers is ours.
    for (const dtype of ["F16", "BF16"] as const) {
      const bytes = encodeSafetensors(new Map([["x", { dtype, shape: [10], data: wide }]]));
      expect(decodeSafetensors(bytes).tensors.get("x")?.data).toEqual(
        tensors.get(`${dtype.toLowerCase()}.rounded`)?.data,
      );
    }
  });

  test("the same tensors give the same bytes", () => {
    const { tensors, metadata } = decodeSafetensors(golden);
    expect(Buffer.from(encodeSafetensors(tensors, metadata)).equals(golden)).toBe(true);
  });
});

describe("a damaged file is refused with one clear error", () => {
  test.prop({ length: fc.integer({ min: 0, max: golden.length - 1 }) })("truncated anywhere", ({ length }) => {
    expect(failure(golden.subarray(0, length))?.code).toBe("corrupt-file");
  });

  test.prop({ at: fc.nat(golden.length - 1), flip: fc.integer({ min: 1, max: 255 }) }, { numRuns: 2000 })(
    "any byte flipped: a SidError or a file of the same size",
    ({ at, flip }) => {
      const bytes = Uint8Array.from(golden);
      bytes[at] = (bytes[at] ?? 0) ^ flip;
      const code = failure(bytes)?.code;
      expect([undefined, "corrupt-file", "unsupported"]).toContain(code);
    },
  );

  test.prop({ bytes: fc.uint8Array({ maxLength: 200 }) })("random bytes", ({ bytes }) => {
    expect(failure(bytes)?.code).toBe("corrupt-file");
  });

  test.prop({ json: fc.json({ maxDepth: 4 }), dataBytes: fc.nat(16) })("any JSON", ({ json, dataBytes }) => {
    expect(["{}", "corrupt-file"]).toContain(failure(file(json, dataBytes))?.code ?? json);
  });

  test.each<[string, unknown, number, RegExp]>([
    ["wrong size", { w: entry("F32", [2], 0, 4) }, 4, /"w": F32 \[2\] wants 8 bytes, its data_offsets span 4/],
    ["out of range", { w: entry("F32", [2], 0, 8) }, 4, /"w" ends at byte 8, the file's data at 4/],
    ["negative span", { w: entry("U8", [0], 4, 0) }, 4, /"w"/],
    ["overlap", { a: entry("U8", [4], 0, 4), w: entry("U8", [4], 2, 6) }, 6, /"w" overlaps/],
    ["hole", { a: entry("U8", [2], 0, 2), w: entry("U8", [2], 4, 6) }, 6, /"w" leaves a hole/],
    ["surplus data", { w: entry("U8", [2], 0, 2) }, 3, /end at byte 2, the file's data at 3/],
    ["unknown dtype", { w: entry("F99", [2], 0, 2) }, 2, /"w" has no valid dtype, got "F99"/],
    ["no dtype", { w: { shape: [], data_offsets: [0, 1] } }, 1, /"w" has no valid dtype/],
    ["inherited dtype", { w: entry("toString", [1], 0, 1) }, 1, /"w" has no valid dtype/],
    ["shape of fractions", { w: entry("U8", [0.5], 0, 0) }, 0, /"w": the shape must be whole numbers, got \[0.5\]/],
    ["negative shape", { w: entry("U8", [-1, -1], 0, 1) }, 1, /"w": the shape/],
    ["shape beyond counting", { w: entry("F32", [2 ** 40, 2 ** 40], 0, 4) }, 4, /"w": F32/],
    ["offset NaN", '{"w":{"dtype":"U8","shape":[1],"data_offsets":[NaN,1]}}', 1, /not valid JSON/],
    ["offset infinite", '{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1e999]}}', 1, /"w": data_offsets/],
    ["three offsets", { w: entry("U8", [1], 0, 1, 1) }, 1, /"w": data_offsets must be two/],
    [
      "duplicate name",
      '{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0077":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
      0,
      /"w" twice/,
    ],
    ["duplicate field", '{"w":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}', 0, /"dtype" twice/],
    ["lone surrogate", '{"\\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}', 0, /not valid Unicode/],
    ["metadata not text", { __metadata__: { step: 1 } }, 0, /__metadata__ "step" must be a string, got 1/],
    ["metadata a list", { __metadata__: [] }, 0, /__metadata__ must be an object/],
    ["tensor null", { w: null }, 0, /"w" must be an object, got null/],
    ["header a list", [], 0, /must begin with an object/],
    ["header after a space", " {}", 0, /must begin with an object/],
    ["header with a byte order mark", "\ufeff{}", 0, /not valid JSON/],
    ["nested without end", "[".repeat(100_000), 0, /not valid JSON/],
  ])("%s", (_, header, dataBytes, message) => {
    const error = failure(file(header, dataBytes));
    expect(error?.code).toBe("corrupt-file");
    expect(error?.message).toMatch(message);
  });

  test("a length that is a lie allocates nothing", () => {
    expect(failure(file("{}", 0, 2n ** 63n))?.message).toMatch(/at most 100000000 bytes, got 9223372036854775808/);
    expect(failure(file("{}", 0, 99_999_999n))?.message).toMatch(/needs 99999999 bytes, the file has 2/);
  });

  test("a dtype of the format that is not held is named", () => {
    expect(failure(file({ w: entry("C64", [1], 0, 8) }, 8))).toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/"w" is C64; only .*F32/),
    });
  });

  const otherTypes = {
    C64: 8,
    F8_E4M3: 1,
    F8_E5M2: 1,
    F4: 0.5,
  };
  test.each(Object.entries(otherTypes))("%s: refused when its tensor is read, not before", async (dtype, size) => {
    const header = { other: entry(dtype, [2], 0, 2 * size), w: entry("U8", [3], 2 * size, 2 * size + 3) };
    const bytes = file(header, 2 * size + 3);
    const opened = await openSafetensors(blobSource(new Blob([new Uint8Array(bytes)])));
    expect(opened.entries.get("other")).toEqual({ dtype, shape: [2] });
    expect((await opened.read("w")).data).toEqual(new Uint8Array(3));
    const refused = { code: "unsupported", message: expect.stringMatching(`"other" is ${dtype}; only`) };
    await expect(opened.read("other")).rejects.toMatchObject(refused);
    expect(failure(bytes)).toMatchObject(refused);
    expect(failure(file({ other: entry(dtype, [2], 0, 2 * size + 1) }, 2 * size + 1))?.message).toMatch(/span/);
  });

  test("__metadata__ null is none, as in the official reader", () => {
    const bytes = file({ __metadata__: null, w: entry("U8", [1], 0, 1) }, 1);
    expect(decodeSafetensors(bytes)).toEqual({
      metadata: {},
      tensors: new Map([["w", { dtype: "U8", shape: [1], data: new Uint8Array(1) }]]),
    });
  });

  test("a header longer than the file", async () => {
    const bytes = file("{}", 0, 3n);
    expect(failure(bytes)?.message).toMatch(/the header needs 3 bytes, the file has 2 after its length/);
    const opened = openSafetensors(blobSource(new Blob([bytes as Uint8Array<ArrayBuffer>])));
    await expect(opened).rejects.toThrow(/the header needs 3 bytes, the file has 2 after its length/);
  });

  test("a header of spaces at its end and an empty file of tensors are fine", () => {
    expect(decodeSafetensors(file("{}      ")).tensors.size).toBe(0);
  });
});

describe("what cannot be written is refused", () => {
  const good: HostTensor = { dtype: "F32", shape: [1], data: Float32Array.of(1) };
  const bad: [string, unknown, unknown, string][] = [
    ["not a map", {}, {}, "invalid-argument"],
    ["reserved name", new Map([["__metadata__", good]]), {}, "invalid-argument"],
    ["name beyond UTF-8", new Map([["\ud800", good]]), {}, "invalid-argument"],
    ["wrong array", new Map([["w", { ...good, dtype: "I32" }]]), {}, "invalid-argument"],
    ["unknown dtype", new Map([["w", { ...good, dtype: "C64" }]]), {}, "invalid-argument"],
    ["null", new Map([["w", null]]), {}, "invalid-argument"],
    ["shape against data", new Map([["w", { ...good, shape: [2] }]]), {}, "shape-mismatch"],
    ["shape of NaN", new Map([["w", { ...good, shape: [Number.NaN] }]]), {}, "invalid-argument"],
    ["shape missing", new Map([["w", { ...good, shape: undefined }]]), {}, "invalid-argument"],
    ["metadata of numbers", new Map([["w", good]]), { step: 3 }, "invalid-argument"],
  ];
  test.each(bad)("%s", (_, tensors, metadata, code) => {
    expect(() => encodeSafetensors(tensors as never, metadata as never)).toThrow(expect.objectContaining({ code }));
  });
  test("bytes of another kind", () => {
    expect(() => decodeSafetensors("{}" as never)).toThrow(expect.objectContaining({ code: "invalid-argument" }));
  });
});
