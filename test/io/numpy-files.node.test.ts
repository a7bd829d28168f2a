import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { zipSync } from "fflate";
import { afterAll, describe, expect } from "vitest";
import { type HostTensor, SidError, type WeightMap } from "../../src/core";
import { decodeNpy, decodeNpz, encodeNpy, encodeNpz, readNpy, readNpz, writeNpy, writeNpz } from "../../src/io";

const folder = "test/golden/numpy";
const file = (name: string) => new Uint8Array(readFileSync(join(folder, name)));
const temporary = mkdtempSync(join(tmpdir(), "npz-"));
afterAll(() => rmSync(temporary, { recursive: true }));

/** The SidError of some work; undefined where it succeeds; anything else fails the test. */
const failure = async (work: () => unknown): Promise<SidError | undefined> => {
  try {
    await work();
  } catch (error) {
    if (error instanceof SidError) return error;
    throw error;
  }
  return undefined;
};

const thirds = [0, -0, 1 / 3, -2.5, Infinity];
const expected: WeightMap = new Map<string, HostTensor>([
  ["f2", { dtype: "F16", shape: [2, 3], data: Float32Array.of(0, -0, 0.333251953125, -2.5, Infinity, 2 ** -24) }],
  ["f4", { dtype: "F32", shape: [2, 3], data: Float32Array.of(...thirds, 6e-8) }],
  ["f8", { dtype: "F64", shape: [2, 3], data: Float64Array.of(...thirds, 6e-8) }],
  ["i1", { dtype: "I8", shape: [3], data: Int8Array.of(-128, 127, 1) }],
  ["i2", { dtype: "I16", shape: [3], data: Int16Array.of(-32768, 32767, 1) }],
  ["i4", { dtype: "I32", shape: [3], data: Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 1) }],
  ["i8", { dtype: "I64", shape: [3], data: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 1n) }],
  ["u1", { dtype: "U8", shape: [3], data: Uint8Array.of(0, 255, 1) }],
  ["u2", { dtype: "U16", shape: [3], data: Uint16Array.of(0, 65535, 1) }],
  ["u4", { dtype: "U32", shape: [3], data: Uint32Array.of(0, 2 ** 32 - 1, 1) }],
  ["u8", { dtype: "U64", shape: [3], data: BigUint64Array.of(0n, 2n ** 64n - 1n, 1n) }],
  ["b1", { dtype: "BOOL", shape: [3], data: Uint8Array.of(1, 0, 1) }],
  ["scalar", { dtype: "F64", shape: [], data: Float64Array.of(3.25) }],
  ["empty", { dtype: "F64", shape: [0, 4], data: new Float64Array(0) }],
  ["cube", { dtype: "F32", shape: [2, 3, 4], data: Float32Array.from({ length: 24 }, (_, i) => i) }],
  ["ünï/x", { dtype: "I64", shape: [1], data: BigInt64Array.of(7n) }],
]);
const cube = expected.get("cube") as HostTensor;

describe("what NumPy wrote", () => {
  test("stored, compressed, big-endian, in Fortran's order", async () => {
    expect(await readNpz(join(folder, "expected.npz"))).toEqual(expected);
    expect(await decodeNpz(file("expected.npz"))).toEqual(expected);
    expect(await readNpz(join(folder, "big-endian.npz"))).toEqual(expected);
    expect(await readNpz(join(folder, "fortran.npz"))).toEqual(expected);
    expect((await readNpz(join(folder, "fortran-big-endian.npz"))).get("cube")).toEqual(cube);
    const zeros: HostTensor = { dtype: "F64", shape: [64, 64], data: new Float64Array(4096) };
    expect(await readNpz(join(folder, "compressed.npz"))).toEqual(new Map([...expected, ["zeros", zeros]]));
  });

  test.each(["one", "version-2", "version-3"])("%s.npy", async (name) => {
    expect(await readNpy(join(folder, `${name}.npy`))).toEqual(cube);
    expect(decodeNpy(file(`${name}.npy`))).toEqual(cube);
  });

  test.each([
    ["objects", /"\|O" is not read: objects, which NumPy stores as a pickle.*astype\(float\)/],
    ["text", /"<U3" is not read: text/],
    ["bytes", /"\|S3" is not read: text/],
    ["complex", /"<c16" is not read: complex numbers: save array.real/],
    ["dates", /is not read: dates/],
    ["long", /"<f16" is not read: wide floating-point/],
    ["fields", /an array of structures.*save each field alone/],
    ["void", /"\|V2" is not read: a structure, or a type that NumPy lacks, such as bfloat16/],
  ])("an array of %s is refused by its type", async (name, message) => {
    const error = { code: "unsupported", message: expect.stringMatching(message) };
    await expect(readNpy(join(folder, `refused-${name}.npy`))).rejects.toMatchObject(error);
    if (name === "objects")
      await expect(readNpz(join(folder, "refused.npz"))).rejects.toMatchObject({
        code: "unsupported",
        message: expect.stringMatching(/refused.npz": array "objects": an array of type/),
      });
  });
});

describe("what this library writes", () => {
  // That NumPy reads it is checked by `python test/golden/numpy_files.py FILE`; byte by byte the arrays are NumPy's own.
  test("holds the arrays as NumPy's writer lays them out", async () => {
    const path = join(temporary, "all.npz");
    await writeNpz(path, expected);
    expect(await readNpz(path)).toEqual(expected);
    expect(readFileSync(path)).toEqual(Buffer.from(encodeNpz(expected)));
    expect([...(await readNpz(path)).keys()]).toEqual([...expected.keys()]);
    await writeNpy(join(temporary, "one.npy"), cube);
    expect(readFileSync(join(temporary, "one.npy"))).toEqual(readFileSync(join(folder, "one.npy")));
    expect(readdirSync(temporary).sort()).toEqual(["all.npz", "one.npy"]);
  });

  const array = fc
    .record({
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
      dtype: fc.constantFrom("F64" as const, "I32" as const, "U8" as const),
    })
    .chain(({ shape, dtype }) => {
      const length = shape.reduce((a, b) => a * b, 1);
      const size = { minLength: length, maxLength: length };
      const data = { F64: fc.float64Array(size), I32: fc.int32Array(size), U8: fc.uint8Array(size) }[dtype];
      return (data as fc.Arbitrary<HostTensor["data"]>).map((data): HostTensor => ({ dtype, shape, data }));
    });
  const name = fc
    .oneof(
      fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }),
      fc.constantFrom("__proto__", "0", "a.npy", "arr_0"),
    )
    .filter((text) => text !== "__metadata__" && !/\p{Surrogate}/u.test(text));
  test.prop({ arrays: fc.uniqueArray(fc.tuple(name, array), { selector: ([key]) => key, maxLength: 4 }) })(
    "is read back",
    async ({ arrays }) => {
      expect(await decodeNpz(encodeNpz(new Map(arrays)))).toEqual(new Map(arrays));
      for (const [, one] of arrays) expect(decodeNpy(encodeNpy(one))).toEqual(one);
    },
  );

  test.each<[string, () => unknown, string, RegExp]>([
    ["BF16", () => encodeNpy({ dtype: "BF16", shape: [1], data: new Float32Array(1) }), "unsupported", /NumPy lacks/],
    ["a wrong shape", () => encodeNpy({ ...cube, shape: [5] }), "shape-mismatch", /wants 5 elements, got 24/],
    ["no array", () => encodeNpy(null as never), "invalid-argument", /array must be an object/],
    ["no map", () => encodeNpz({ mu: cube } as never), "invalid-argument", /must be a Map/],
    ["no name", () => encodeNpz(new Map([["", cube]])), "invalid-argument", /another name/],
    ["a long name", () => encodeNpz(new Map([["x".repeat(70000), cube]])), "invalid-argument", /another name/],
    ["no bytes", () => decodeNpy("x" as never), "invalid-argument", /Uint8Array/],
    ["no bytes of an archive", () => decodeNpz("x" as never), "invalid-argument", /Uint8Array/],
    ["a folder that is not there", () => writeNpz(join(temporary, "no", "x.npz"), expected), "io", /x.npz/],
    ["a path that is none", () => readNpz(""), "invalid-argument", /path/],
    ["a file that is not there", () => readNpz(join(temporary, "none.npz")), "io", /none.npz/],
  ])("%s is refused", async (_, work, code, message) => {
    const error = await failure(work);
    expect(error?.message).toMatch(message);
    expect(error?.code).toBe(code);
  });
});

describe("damaged files", () => {
  const latin1 = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
  const npy = (header: string, data = 0, version = 1) =>
    latin1(
      `\x93NUMPY${String.fromCharCode(version)}\0${String.fromCharCode(header.length & 255, header.length >> 8)}${header}${"\0".repeat(data)}`,
    );
  const header = (descr: string, shape: string, order = "False") =>
    `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`;

  test("headers in any form that NumPy has written", () => {
    for (const text of [
      header("'<f4'", "(2L, 3L)"),
      `{"shape": (2,3),"descr":"<f4","fortran_order":False}`,
      `${header("'<f4'", "( 2, 3, )")}   \n`,
    ])
      expect(decodeNpy(npy(text, 24))).toEqual({ dtype: "F32", shape: [2, 3], data: new Float32Array(6) });
  });

  test.each<[string, Uint8Array, RegExp]>([
    ["empty", new Uint8Array(0), /the file is empty/],
    ["an archive", file("expected.npz"), /a zip archive.*readNpz/],
    ["a picture", latin1("\x89PNG\r\n\x1a\n"), /a picture: take a .npy file in its place/],
    ["cut in the header", file("one.npy").subarray(0, 40), /header is cut off/],
    ["cut in its first bytes", file("one.npy").subarray(0, 9), /header is cut off/],
    [
      "cut in the data",
      file("one.npy").subarray(0, 200),
      /\[2, 3, 4\] wants 96 bytes, the file has \d+: it is cut off/,
    ],
    ["something after it", npy(header("'<f4'", "(1,)"), 5), /wants 4 bytes, the file has 5/],
    ["version 4", npy(header("'<f4'", "(1,)"), 4, 4), /version 4.0/],
    ["a huge shape", npy(header("'<f4'", "(9007199254740991,)"), 4), /wants \S+ bytes, the file has 4/],
    ["a shape beyond numbers", npy(header("'<f4'", "(9999999, 9999999, 9999999)"), 4), /has no shape/],
    ["65 dimensions", npy(header("'<f4'", `(${"1,".repeat(65)})`), 4), /has no shape/],
    ["a negative shape", npy(header("'<f4'", "(-1,)"), 4), /damaged/],
    ["code in the header", npy(header("__import__('os')", "(1,)"), 4), /damaged/],
    ["a header that is none", npy("abc", 4), /is no dictionary/],
    ["a key twice", npy("{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", 4), /damaged/],
    ["a key missing", npy("{'descr': '<f4', 'shape': (1,)}", 4), /lacks/],
    ["an order that is none", npy(header("'<f4'", "(1,)", "(0,)"), 4), /lacks/],
    ["a type that is none", npy(header("'<q9'", "(1,)"), 4), /"<q9" is not read: a type that NumPy itself calls/],
    ["a type of JavaScript's objects", npy(header("'constructor'", "(1,)"), 4), /is not read/],
  ])("%s", async (_, bytes, message) => {
    const error = await failure(() => decodeNpy(bytes));
    expect(error?.message).toMatch(message);
    expect(["corrupt-file", "unsupported"]).toContain(error?.code);
  });

  const zipped = (files: Record<string, Uint8Array>) => zipSync(files, { level: 0 });
  /** The archive with other numbers in the directory's entry of its only file. */
  const lying = (level: 0 | 9, change: (directory: DataView) => void) => {
    const bytes = zipSync({ "x.npy": file("one.npy") }, { level });
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const at = view.getUint32(bytes.length - 6, true);
    change(new DataView(bytes.buffer, bytes.byteOffset + at));
    return bytes;
  };
  test.each<[string, Uint8Array, RegExp]>([
    ["empty", new Uint8Array(0), /the file is empty/],
    ["one array", file("one.npy"), /one array of NumPy \(.npy\): read it with readNpy/],
    ["a file of PyTorch", new Uint8Array(readFileSync("test/golden/pickles/zip.pth")), /there is "zip\/data.pkl"/],
    ["cut off", file("expected.npz").subarray(0, 1000), /directory.*is missing. Was its download broken off/],
    ["a text in it", zipped({ "a.txt": new Uint8Array(2) }), /there is "a.txt"/],
    ["an array that is none", zipped({ "a.npy": new Uint8Array(20) }), /array "a": wanted an array of NumPy/],
    ["a size beyond the file", lying(0, (d) => d.setUint32(20, 2 ** 31, true)), /ends at byte \d+, the archive at/],
    [
      "a size that deflate cannot reach",
      lying(9, (d) => d.setUint32(24, 2 ** 31, true)),
      /claims to be 2147483648 bytes/,
    ],
    ["more than it claims", lying(9, (d) => d.setUint32(24, 100, true)), /unpacks to more than the 100 bytes/],
    ["less than it claims", lying(9, (d) => d.setUint32(24, 5000, true)), /unpacks to 224 bytes and claims 5000/],
    ["another CRC", lying(0, (d) => d.setUint32(16, 1, true)), /its CRC/],
    ["encrypted", lying(0, (d) => d.setUint16(8, 1, true)), /encrypted/],
    ["another method", lying(0, (d) => d.setUint16(10, 14, true)), /method 14/],
    ["an entry's header elsewhere", lying(0, (d) => d.setUint32(42, 5, true)), /archive at|header is damaged/],
    ["a damaged directory", lying(0, (d) => d.setUint32(0, 5, true)), /directory is damaged/],
    ["a name of 60 kB", lying(0, (d) => d.setUint16(28, 60000, true)), /directory is damaged/],
  ])("an archive: %s", async (_, bytes, message) => {
    const error = await failure(() => decodeNpz(bytes));
    expect(error?.message).toMatch(message);
    expect(["corrupt-file", "unsupported"]).toContain(error?.code);
  });

  test("two files of one name, and files that share bytes", async () => {
    const twice = zipped({ "a.npy": file("one.npy"), "b.npy": file("one.npy") });
    const view = new DataView(twice.buffer, twice.byteOffset);
    const at = view.getUint32(twice.length - 6, true);
    const second = at + 46 + 5;
    const same = twice.slice();
    same[second + 46] = "a".charCodeAt(0);
    expect((await failure(() => decodeNpz(same)))?.message).toMatch(/holds "a.npy" twice/);
    const shared = twice.slice();
    new DataView(shared.buffer).setUint32(second + 42, 0, true);
    expect((await failure(() => decodeNpz(shared)))?.message).toMatch(
      /"a.npy" lies on "b.npy"|"b.npy" lies on "a.npy"/,
    );
  });

  test("an archive with 64-bit fields, as Python writes large ones", async () => {
    const extra = (values: readonly bigint[]) => {
      const bytes = new DataView(new ArrayBuffer(4 + 8 * values.length));
      bytes.setUint16(0, 1, true);
      bytes.setUint16(2, 8 * values.length, true);
      for (const [i, value] of values.entries()) bytes.setBigUint64(4 + 8 * i, value, true);
      return new Uint8Array(bytes.buffer);
    };
    const short = zipped({ "x.npy": file("one.npy") });
    const view = new DataView(short.buffer, short.byteOffset, short.length);
    const at = view.getUint32(short.length - 6, true);
    const entry = short.slice(at, short.length - 22);
    const fields = new DataView(entry.buffer);
    for (const field of [20, 24, 42]) fields.setUint32(field, 0xffffffff, true);
    fields.setUint16(30, 28, true);
    const directory = Buffer.concat([entry, extra([224n, 224n, 0n])]);
    const record = new DataView(new ArrayBuffer(56));
    record.setUint32(0, 0x06064b50, true);
    for (const [place, value] of [
      [4, 44],
      [24, 1],
      [32, 1],
      [40, directory.length],
      [48, at],
    ] as const)
      record.setBigUint64(place, BigInt(value), true);
    const locator = new DataView(new ArrayBuffer(20));
    locator.setUint32(0, 0x07064b50, true);
    locator.setBigUint64(8, BigInt(at + directory.length), true);
    const end = new DataView(short.slice(-22).buffer);
    for (const place of [8, 10]) end.setUint16(place, 0xffff, true);
    for (const place of [12, 16]) end.setUint32(place, 0xffffffff, true);
    const tail = [record, locator, end].map(({ buffer }) => new Uint8Array(buffer));
    const long = Buffer.concat([short.subarray(0, at), directory, ...tail]);
    expect((await decodeNpz(new Uint8Array(long))).get("x")).toEqual(cube);
  });

  const files = [file("expected.npz"), file("compressed.npz"), file("fortran.npz")];
  const codes = [undefined, "corrupt-file", "unsupported"];
  test.prop(
    { bytes: fc.constantFrom(...files), at: fc.nat(), flip: fc.integer({ min: 1, max: 255 }) },
    { numRuns: 500 },
  )("a flipped byte is an error of this library, or harmless", async ({ bytes, at, flip }) => {
    const damaged = bytes.slice();
    damaged[at % bytes.length] = (damaged[at % bytes.length] ?? 0) ^ flip;
    expect(codes).toContain((await failure(() => decodeNpz(damaged)))?.code);
  });
  test.prop({ bytes: fc.constantFrom(...files), length: fc.nat() })(
    "an archive that is cut off is refused",
    async ({ bytes, length }) => {
      expect((await failure(() => decodeNpz(bytes.subarray(0, length % bytes.length))))?.code).toBe("corrupt-file");
    },
  );
  test.prop({ at: fc.nat(127), flip: fc.integer({ min: 1, max: 255 }) })(
    "a flipped byte in an array's header",
    async ({ at, flip }) => {
      const damaged = file("one.npy");
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      expect(codes).toContain((await failure(() => decodeNpy(damaged)))?.code);
    },
  );
});

test("a failed write leaves the old file and nothing else", async () => {
  const path = join(temporary, "kept.npz");
  writeFileSync(path, "old");
  await expect(writeNpz(path, new Map([["x", { ...cube, shape: [5] }]]))).rejects.toMatchObject({
    code: "shape-mismatch",
  });
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(temporary).filter((name) => name.includes("tmp"))).toEqual([]);
});
