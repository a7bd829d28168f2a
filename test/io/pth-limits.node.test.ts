import { zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { SidError } from "../../src/core";
import { type ByteSource, blobSource, openPth } from "../../src/io";
import { archive, dict, eight, floats, latin1, storage, tensor, text, uint32 } from "../support/pickle-assembler";

const sourceOf = (bytes: Uint8Array) => blobSource(new Blob([new Uint8Array(bytes)]));

/** The SidError of opening a file and reading all its tensors. */
const failure = async (bytes: Uint8Array): Promise<SidError> => {
  try {
    const file = await openPth(sourceOf(bytes));
    for (const name of file.entries.keys()) await file.read(name);
  } catch (error) {
    if (error instanceof SidError) return error;
    throw error;
  }
  throw new Error("The file is read.");
};
const packed = (pickle: string) => archive(pickle, eight, 6);
const wide = Array<number>(64).fill(1);
const int64 = (low: number, high: number) => `\x8a\x0c${uint32(low)}${uint32(0)}${uint32(high)}`;
const first = tensor(floats, 0, [1], [1]);

describe("short files that would take long, or all memory", () => {
  test.each<[string, () => Uint8Array, RegExp]>([
    [
      "a dictionary of one list of pairs, made again and again",
      () =>
        packed(
          `ccollections\nOrderedDict\nq\x000](${Array.from({ length: 5e4 }, (_, i) => `${text(String(i))}N\x86`).join("")}e\x85q\x02${"0h\x00h\x02R".repeat(1e4)}.`,
        ),
      /more than 4194304 containers/,
    ],
    [
      "tensors of 64 dimensions, made again and again",
      () =>
        packed(
          `${tensor(floats, 0, wide, wide).slice(0, -1)}q\x01${"0ctorch._utils\n_rebuild_tensor_v2\nh\x01R".repeat(7e4)}.`,
        ),
      /more than 4194304 containers/,
    ],
    ["empty bytes without end", () => packed(`${"C\x00".repeat(2 ** 19 + 1)}.`), /more than 4194304 containers/],
    ["values kept without end", () => packed(`N${"\x94".repeat(2 ** 22 + 1)}.`), /more than 4194304 containers/],
    [
      "storages without end",
      () => packed(`${floats.slice(0, -1)}q\x01Q${"0h\x01Q".repeat(2 ** 22)}.`),
      /more than 4194304 containers/,
    ],
    ["opcodes without end", () => packed(`${"N0".repeat(2 ** 23)}N.`), /more than 16777216 opcodes/],
    [
      "a key that 400 lists repeat",
      () => packed(`](${first}q\x01${"h\x01".repeat(400)}eq\x020}${text("k".repeat(2 ** 21))}h\x02s.`),
      /a key of 2097152 characters in a dictionary; at most 4096/,
    ],
    [
      "keys of keys",
      () => packed(`}${text("w")}${first}s${text("k".repeat(600))}}${text("l".repeat(600))}${first}ss.`),
      /a tensor's name has 1201 characters; at most 1024/,
    ],
    [
      "one tensor under many long names",
      () => packed(`}${text("w")}${first}q\x01s${text("k".repeat(1000))}](${"h\x01".repeat(4e4)}es.`),
      /names of more than 33554432 characters/,
    ],
    [
      "one tensor under many short names",
      () => packed(`${first}q\x010](${"h\x01".repeat(1000)}eq\x020](${"h\x02".repeat(1000)}e.`),
      /names of more than 33554432 characters/,
    ],
  ])("%s", async (_, bytes, message) => {
    const error = await failure(bytes());
    expect(error.message).toMatch(message);
    expect(error.code).toBe("corrupt-file");
  });

  test("numbers chosen to fall into one place of a table are as fast as others", async () => {
    const entries = Array.from({ length: 6e4 }, (_, i) => `${int64(5, i + 1)}N`).join("");
    const begun = performance.now();
    await expect(openPth(sourceOf(packed(`}(${entries}u.`)))).rejects.toThrow(/no tensor in it/);
    await expect(openPth(sourceOf(packed(`\x8f(${entries}\x90.`)))).rejects.toThrow(/no tensor in it/);
    // In a table of bigints it takes a minute.
    expect(performance.now() - begun).toBeLessThan(15_000);
  }, 120_000);

  test("a number and its text are one key, which no pickler writes twice", async () => {
    expect((await failure(packed(`}(K\x01${first}${text("1")}${first}u.`))).message).toMatch(/puts the key "1" into/);
  });
});

describe("storages that unpack to more than weights do", () => {
  const at = (key: string, count: number) => tensor(storage("ByteStorage", key, count), 0, [1], [1]);

  test("one element of 64 MiB of zeros", async () => {
    const bytes = archive(`${dict({ w: at("z", 2 ** 26) })}.`, { z: new Uint8Array(2 ** 26) }, 6);
    expect(bytes.length).toBeLessThan(7e4);
    expect((await failure(bytes)).message).toMatch(/its storages unpack to 67108864 bytes, the file has 6\d+/);
  });

  test("many of one MiB each, but one as often as it is named", async () => {
    const zeros = new Uint8Array(2 ** 20);
    const keys = ["a", "b"];
    const both = archive(
      `${dict(Object.fromEntries(keys.map((key) => [key, at(key, 2 ** 20)])))}.`,
      Object.fromEntries(keys.map((key) => [key, zeros])),
      6,
    );
    expect((await failure(both)).message).toMatch(/unpack to 2097152 bytes/);
    const one = archive(`${dict({ a: at("a", 2 ** 20), b: at("a", 2 ** 20) })}.`, { a: zeros }, 6);
    expect((await (await openPth(sourceOf(one))).read("b")).data).toEqual(Uint8Array.of(0));
  });

  test("a byteorder of many bytes is not unpacked", async () => {
    const bytes = zipSync({ "m/data.pkl": latin1("N."), "m/byteorder": new Uint8Array(2 ** 20) }, { level: 6 });
    expect((await failure(bytes)).message).toMatch(/byteorder must be little or big, it has 1048576 bytes/);
  });
});

test("a file in the archive whose own header leads into the next one is refused", async () => {
  const bytes = archive(`${dict({ w: first })}.`, eight);
  // The length of the further data in the local header of data.pkl, which lies first.
  new DataView(bytes.buffer, bytes.byteOffset).setUint16(28, 40, true);
  expect((await failure(bytes)).message).toMatch(/"m\/data.pkl" in the archive: it ends in the archive's next file/);
});

describe("files of before PyTorch 1.6", () => {
  const start = "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
  const names = Array.from({ length: 40 }, (_, i) => `s${i}`);
  const numbers = String.fromCharCode(...eight.s);
  const state = dict(
    Object.fromEntries(names.map((name) => [name, tensor(storage("FloatStorage", name, 8), 0, [8], [1])])),
  );
  const whole = `${start}\x80\x02${state}.\x80\x02](${names.map(text).join("")}e.${names.map(() => `\x08${"\0".repeat(7)}${numbers}`).join("")}`;

  test("are opened in two reads, and each tensor read in one", async () => {
    let reads = 0;
    const inner = sourceOf(latin1(whole));
    const source: ByteSource = {
      ...inner,
      read(begin, end) {
        reads++;
        return inner.read(begin, end);
      },
    };
    const file = await openPth(source);
    expect(reads).toBe(2);
    expect((await file.read("s39")).data).toEqual(Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7));
    expect(reads).toBe(3);
  });
});

test.each([
  ["ShortStorage", Int16Array.of(1, -2, 300), 2],
  ["IntStorage", Int32Array.of(1, -2, 70_000), 4],
  ["DoubleStorage", Float64Array.of(1, -2, 0.1), 8],
  ["ByteStorage", Uint8Array.of(1, 2, 255), 1],
] as const)("%s of a big-endian machine", async (type, values, size) => {
  const bytes = Uint8Array.from(
    new Uint8Array(values.buffer),
    (_, i) => new Uint8Array(values.buffer).at(i - (i % size) + size - 1 - (i % size)) as number,
  );
  const file = await openPth(
    sourceOf(
      zipSync({
        "m/data.pkl": latin1(`\x80\x02${dict({ w: tensor(storage(type, "s", 3), 0, [3], [1]) })}.`),
        "m/byteorder": latin1("big"),
        "m/data/s": bytes,
      }),
    ),
  );
  expect((await file.read("w")).data).toEqual(values);
});
