import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { zipSync } from "fflate";
import { afterAll, describe, expect } from "vitest";
import { type HostTensor, SidError, type WeightMap } from "../../src/core";
import { blobSource, openPth, readPth, readSafetensors, writeSafetensors } from "../../src/io";
import {
  archive,
  dict,
  eight,
  floats,
  type Ints,
  int,
  latin1,
  storage,
  tensor,
  text,
  tuple,
  uint32,
} from "../support/pickle-assembler";

const folder = "test/golden/pickles";
const temporary = mkdtempSync(join(tmpdir(), "pth-"));
afterAll(() => rmSync(temporary, { recursive: true }));

const read = async (bytes: Uint8Array, key?: string): Promise<WeightMap> => {
  const file = await openPth(blobSource(new Blob([new Uint8Array(bytes)])), { key });
  const tensors = new Map<string, HostTensor>();
  for (const name of file.entries.keys()) tensors.set(name, await file.read(name));
  await file.close();
  return tensors;
};

/** The SidError of a file; undefined where it is read; anything else fails the test. */
const failure = async (bytes: Uint8Array, key?: string): Promise<SidError | undefined> => {
  try {
    await read(bytes, key);
  } catch (error) {
    if (error instanceof SidError) return error;
    throw error;
  }
  return undefined;
};

const { tensors: all } = await readSafetensors(join(folder, "expected.safetensors"));
const expected = (file: string) =>
  new Map(
    [...all].filter(([name]) => name.startsWith(`${file}/`)).map(([name, x]) => [name.slice(file.length + 1), x]),
  );
const sorted = (tensors: WeightMap) => [...tensors].sort(([a], [b]) => (a < b ? -1 : 1));

describe("what PyTorch wrote", () => {
  const files = [...new Set([...all.keys()].map((name) => name.split("/")[0] ?? ""))].filter(
    (file) => file !== "zip-two-sets",
  );
  test("the files of both formats are there", () => {
    expect(files.length).toBeGreaterThan(12);
  });

  test.each(files)("%s", async (file) => {
    const tensors = await readPth(join(folder, `${file}.pth`));
    expect(sorted(tensors)).toEqual(sorted(expected(file)));
    expect(await read(readFileSync(join(folder, `${file}.pth`)))).toEqual(tensors);
  });

  test("one of several dictionaries by its key", async () => {
    const path = join(folder, "zip-two-sets.pth");
    await expect(readPth(path)).rejects.toMatchObject({
      code: "invalid-argument",
      message: expect.stringMatching(/2 sets of tensors, "ema", "net": say which, by the option key/),
    });
    expect((await readPth(path, { key: "ema" })).get("w")?.data).toEqual(Float32Array.of(1));
    expect((await readPth(path, { key: "net" })).get("w")?.data).toEqual(Float32Array.of(0));
    await expect(readPth(path, { key: "emma" })).rejects.toMatchObject({
      code: "invalid-argument",
      message: expect.stringMatching(/no "emma" in it; it holds "ema", "net"/),
    });
    const step = await readPth(join(folder, "zip-nested.pth"), { key: "optimizer.state.0" });
    expect([...step.keys()]).toEqual(["step", "exp_avg"]);
    expect([...(await readPth(join(folder, "zip-nested.pth"), { key: "optimizer" })).keys()]).toEqual([
      "state.0.step",
      "state.0.exp_avg",
    ]);
    await expect(readPth(path, { keys: "ema" } as never)).rejects.toMatchObject({ code: "invalid-argument" });
  });

  test("becomes safetensors and stays the same", async () => {
    const path = join(temporary, "weights.safetensors");
    const tensors = await readPth(join(folder, "legacy-dtypes.pth"));
    await writeSafetensors(path, tensors);
    expect(sorted((await readSafetensors(path)).tensors)).toEqual(sorted(tensors));
  });

  test("tensors are read one by one, and are the caller's", async () => {
    const bytes = new Blob([readFileSync(join(folder, "zip-views.pth"))]);
    const source = blobSource(bytes);
    const spans: number[] = [];
    const file = await openPth({
      ...source,
      read(begin, end) {
        spans.push(end - begin);
        return source.read(begin, end);
      },
    });
    expect(file.entries.get("transposed")).toEqual({ dtype: "F32", shape: [6, 4] });
    const before = spans.length;
    const first = await file.read("whole");
    expect(spans.length).toBe(before + 2);
    (first.data as Float32Array).fill(-1);
    expect((await file.read("whole")).data[5]).toBe(5);
    expect((await file.read("offset")).data).toEqual(Float32Array.of(5, 6, 7, 8, 9, 10));
    expect(spans.length).toBe(before + 2);
    await expect(file.read("none")).rejects.toMatchObject({ code: "invalid-argument" });
  });
});

describe("nothing is executed", () => {
  test.each([
    ["code-system", /(posix|nt)\.system/],
    ["code-eval", /(__builtin__|builtins)\.eval/],
    ["code-module", /torch\.nn\.modules\.linear\.Linear/],
    ["code-sparse", /torch\._utils\._rebuild_sparse_tensor/],
  ])("%s is refused by the name in it", async (name, named) => {
    for (const ending of ["", "-legacy"])
      await expect(readPth(join(folder, `${name}${ending}.pth`))).rejects.toMatchObject({
        code: "unsupported",
        message: expect.stringMatching(
          new RegExp(`${name}.*the pickle names "${named.source}", which is not run: .*torch.save`),
        ),
      });
    expect(existsSync("hacked")).toBe(false);
  });

  test("an archive of TorchScript, a pickle of others, a safetensors file, a folder's page", async () => {
    await expect(readPth(join(folder, "script.pt"))).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/TorchScript.*state_dict\(\)/),
    });
    await expect(readPth(join(folder, "plain.pkl"))).rejects.toThrow(/a pickle, but none of PyTorch's torch.save/);
    await expect(readPth(join(folder, "expected.safetensors"))).rejects.toThrow(/a safetensors file: read it as one/);
    const text = (content: string) => failure(new TextEncoder().encode(content));
    expect((await text("version https://git-lfs.github.com/spec/v1\n"))?.message).toMatch(/Git-LFS pointer/);
    expect((await text("<!doctype html>"))?.message).toMatch(/HTML page/);
    expect((await text(""))?.message).toMatch(/empty/);
    expect(await failure(zipSync({ "a.txt": new Uint8Array(3) }))).toMatchObject({
      code: "corrupt-file",
      message: expect.stringMatching(/one data.pkl; this one holds 1 other files, such as "a.txt"/),
    });
    await expect(readPth(join(folder, "none.pth"))).rejects.toMatchObject({ code: "io" });
  });

  const names = ["posix system", "torch load", "torch.storage _load_from_bytes", "builtins getattr", "__proto__ x"];
  test.each([...names, "torch FooStorage", "torch.float32 __class__", "constructor constructor", "a.torch float32"])(
    "global %s",
    async (name) => {
      const [module = "", attribute = ""] = name.split(" ");
      const refused = {
        code: "unsupported",
        message: expect.stringContaining(`the pickle names "${module}.${attribute}"`),
      };
      // As an old global, by the stack, and as an instance.
      expect(await failure(archive(`c${module}\n${attribute}\n(tR.`))).toMatchObject(refused);
      expect(await failure(archive(`${text(module)}${text(attribute)}\x93)R.`))).toMatchObject(refused);
      expect(await failure(archive(`(i${module}\n${attribute}\n.`))).toMatchObject(refused);
    },
  );
  test("an extension's code", async () => {
    expect((await failure(archive("\x82\x07.")))?.message).toMatch(/names "copyreg extension 7"/);
  });
});

describe("hostile files", () => {
  test("the assembler of these tests makes files that are read", async () => {
    const pickle = `${dict({ w: tensor(floats, 1, [2, 3], [1, 2]) })}.`;
    for (const level of [0, 6] as const)
      expect((await read(archive(pickle, eight, level))).get("w")).toEqual({
        dtype: "F32",
        shape: [2, 3],
        data: Float32Array.of(1, 3, 5, 2, 4, 6),
      });
  });

  const one = (offset: number | bigint, shape: Ints, strides: Ints, from = floats) =>
    archive(`${dict({ w: tensor(from, offset, shape, strides) })}.`, eight);
  const deep = (depth: number, open: string, close: string) => archive(`${open.repeat(depth)}N${close.repeat(depth)}.`);
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`w${i}`, tensor(floats, 0, [2 ** 22], [0])]));
  test.each<[string, Uint8Array, RegExp]>([
    ["an offset outside", one(8, [1], [1]), /does not lie in its storage of 8 elements/],
    ["a huge offset", one(2n ** 62n, [1], [1]), /an offset that is no whole number/],
    ["a negative offset", one(-1, [1], [1]), /an offset that is no whole number, got -1/],
    ["a shape too large", one(0, [3, 3], [3, 1]), /does not lie/],
    ["strides too large", one(0, [2, 2], [2 ** 52, 1]), /does not lie/],
    ["negative strides", one(7, [4], [-1]), /stride that is no whole number, got -1/],
    ["a negative size", one(0, [-4], [1]), /shape that is no whole number/],
    ["strides of another rank", one(0, [2, 2], [1]), /does not lie/],
    ["65 dimensions", one(0, Array(65).fill(1), Array(65).fill(1)), /shape that is no list/],
    ["more elements than numbers count", one(0, [2 ** 30, 2 ** 30], [0, 0]), /does not lie/],
    ["a view that repeats without end", one(0, [2 ** 40], [0]), /would take 4398046511104 bytes/],
    ["many such views", archive(`${dict(many)}.`, eight), /would take \d+ bytes/],
    [
      "a storage larger than its record",
      one(0, [1], [1], storage("FloatStorage", "s", 2 ** 40)),
      /wanted \d+ bytes, got 32/,
    ],
    ["a storage of another type", one(0, [1], [1], storage("DoubleStorage", "s", 8)), /wanted 64 bytes, got 32/],
    [
      "a storage that is not there",
      one(0, [1], [1], storage("FloatStorage", "t", 8)),
      /"m\/data\/t", which the archive lacks/,
    ],
    [
      "a storage beside the folder",
      one(0, [1], [1], storage("FloatStorage", "../data.pkl", 8)),
      /which the archive lacks/,
    ],
    ["no storage", one(0, [1], [1], "N"), /a tensor without a storage, got null/],
    ["a storage that is called", archive("ctorch\nFloatStorage\n)R."), /calls "torch.FloatStorage"/],
    ["an id of no storage", archive(`${text("x")}Q.`), /a persistent id of no storage/],
    [
      "a parameter of no tensor",
      archive("ctorch._utils\n_rebuild_parameter\n(K\x01\x89}tR."),
      /parameter that is no tensor/,
    ],
    ["lists in lists", deep(1e5, "]", "a"), /values in values/],
    ["tuples in tuples", deep(1e5, "", "\x85"), /values in values/],
    ["marks without end", deep(1e6, "(", ""), /there is no tensor|damaged/],
    ["containers without end", archive(`${"]".repeat(2 ** 22)}].`), /more than 4194304 containers/],
    ["a list in itself", archive("]2a."), /values in values|more than/],
    ["a dictionary in itself", archive(`]q\x00}${text("x")}h\x00sa.`), /values in values|more than/],
    ["a text longer than the file", archive(`X${uint32(2 ** 31)}abc.`), /cut off/],
    ["bytes longer than the file", archive("\x8e\xff\xff\xff\xff\xff\xff\xff\xff."), /cut off/],
    ["an integer of 4 GB", archive(`\x8b${uint32(2 ** 31)}1.`), /an integer of 2147483648 bytes/],
    ["an integer of many digits", archive(`L${"9".repeat(1e4)}L\n.`), /no integer/],
    ["an empty stack", archive("."), /a value that is not there/],
    ["no mark", archive("t."), /a mark that is not there/],
    ["a value that was not kept", archive("h\x07."), /recalls the value 7/],
    ["an append to a number", archive("K\x01K\x02a."), /appends to 1/],
    ["a key without a value", archive("}(K\x01u."), /halves of pairs/],
    ["attributes of a number", archive("K\x01}b."), /attributes to 1/],
    ["an opcode that is none", archive("\xff."), /no opcode 255/],
    ["protocol 6", archive("\x80\x06."), /protocol 6/],
    ["no end", archive("N"), /cut off/],
    ["no tensors", archive(`${dict({ epoch: "K\x03" })}.`), /no tensor in it; it holds "epoch"/],
    ["not even a dictionary", archive("K\x03."), /no tensor in it; it is 3/],
    [
      "two tensors of one name",
      archive(`${dict({ "a.b": tensor(floats, 0, [1], [1]), a: dict({ b: tensor(floats, 0, [1], [1]) }) })}.`, eight),
      /two tensors would be called "a.b"/,
    ],
    [
      "a name that safetensors keeps",
      archive(`${dict({ __metadata__: tensor(floats, 0, [1], [1]) })}.`, eight),
      /cannot be called/,
    ],
    [
      "a byteorder that is none",
      zipSync({ "m/data.pkl": latin1("N."), "m/byteorder": latin1("middle") }),
      /byteorder must be/,
    ],
  ])("%s", async (_, bytes, message) => {
    const error = await failure(bytes);
    expect(error?.message).toMatch(message);
    expect(["corrupt-file", "unsupported"]).toContain(error?.code);
  });

  test("lists of the same lists, doubled thirty times, end soon", async () => {
    const doubled = `]q\x00${"0]h\x00ah\x00aq\x00".repeat(25)}`;
    expect((await failure(archive(`${doubled}.`)))?.message).toMatch(/more than 4194304 values/);
  });

  test("dictionaries named like parts of JavaScript's objects are dictionaries", async () => {
    const pickle = `${dict({ __proto__x: tensor(floats, 0, [1], [1]), constructor: tensor(floats, 2, [1], [1]) })}.`;
    expect((await read(archive(pickle, eight))).get("constructor")?.data).toEqual(Float32Array.of(2));
  });

  test("big-endian machines' files", async () => {
    const swapped = Uint8Array.from(eight.s, (_, i, all = eight.s) => all[(i & ~3) + 3 - (i & 3)] as number);
    const bytes = zipSync({
      "m/data.pkl": latin1(`${dict({ w: tensor(floats, 0, [8], [1]) })}.`),
      "m/byteorder": latin1("big"),
      "m/data/s": swapped,
    });
    expect((await read(bytes)).get("w")?.data).toEqual(Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7));
  });

  test("a view of a storage, as PyTorch of old wrote them", async () => {
    const view = tuple([text("v"), int(2), int(4)]);
    const viewed = `${tuple([text("storage"), "ctorch\nFloatStorage\n", text("s"), text("cpu"), int(8), view])}Q`;
    const bytes = archive(`${dict({ w: tensor(viewed, 1, [3], [1]) })}.`, eight);
    expect((await read(bytes)).get("w")?.data).toEqual(Float32Array.of(3, 4, 5));
    const outside = archive(`${dict({ w: tensor(viewed, 2, [3], [1]) })}.`, eight);
    expect((await failure(outside))?.message).toMatch(/does not lie in its storage of 4 elements/);
  });
});

describe("hostile files of before PyTorch 1.6", () => {
  const start = "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
  const count = (n: number | bigint) => int(n).slice(2);
  const numbers = String.fromCharCode(...eight.s);
  const keys = (...names: string[]) => `\x80\x02](${names.map(text).join("")}e.`;
  const state = `\x80\x02${dict({ w: tensor(floats, 0, [8], [1]) })}.`;

  test("the assembler makes files that are read, beyond the first window too", async () => {
    const whole = `${start}${state}${keys("s")}${count(8)}${numbers}`;
    expect((await read(latin1(whole))).get("w")?.data).toEqual(Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7));
    const long = `\x80\x02${dict({ note: text("n".repeat(2 ** 20)), w: tensor(floats, 0, [8], [1]) })}.`;
    expect((await read(latin1(`${start}${long}${keys("s")}${count(8)}${numbers}`))).get("w")?.data[7]).toBe(7);
  });

  test.each<[string, string, RegExp]>([
    ["fewer elements than said", `${state}${keys("s")}${count(7)}${numbers}`, /"s" has 7 elements, the pickle says 8/],
    ["2^60 elements", `${state}${keys("s")}${count(2n ** 60n)}${numbers}`, /has 1152921504606846976 elements/],
    ["−1 elements", `${state}${keys("s")}${count(-1)}${numbers}`, /has -1 elements/],
    ["a count cut off", `${state}${keys("s")}abc`, /"s" is not there: the file is cut off/],
    ["elements cut off", `${state}${keys("s")}${count(8)}abc`, /ends at byte \d+, the file at \d+: it is cut off/],
    ["a storage not listed", `${state}${keys()}`, /lies in storage "s": wanted 32 bytes, got none/],
    ["a storage listed twice", `${state}${keys("s", "s")}${count(8)}${numbers}${count(8)}${numbers}`, /is listed/],
    ["a storage of no tensor", `${state}${keys("t")}${count(8)}${numbers}`, /"t" is listed, and no tensor/],
    ["no list", `${state}\x80\x02K\x01.`, /the list of storages is 1/],
    ["no pickle of keys", state, /its pickle is cut off/],
    [
      "two types of one storage",
      `\x80\x02${dict({ a: tensor(floats, 0, [1], [1]), b: tensor(storage("HalfStorage", "s", 8), 0, [1], [1]) })}.${keys("s")}${count(8)}${numbers}`,
      /lies in storage "s": wanted \d+ bytes, got \d+/,
    ],
  ])("%s", async (_, rest, message) => {
    const error = await failure(latin1(`${start}${rest}`));
    expect(error?.message).toMatch(message);
    expect(error?.code).toBe("corrupt-file");
  });

  test("another version", async () => {
    const old = `${start.replace("\xe9\x03", "\xe8\x03")}${state}`;
    expect((await failure(latin1(old)))?.message).toMatch(/version must be 1001, got 1000/);
  });
});

describe("damage", () => {
  const files = ["zip-nested", "legacy-nested", "zip-views", "legacy-dtypes"].map(
    (name) => new Uint8Array(readFileSync(join(folder, `${name}.pth`))),
  );
  const codes = [undefined, "corrupt-file", "unsupported", "invalid-argument"];

  test.prop(
    { file: fc.constantFrom(...files), at: fc.nat(), flip: fc.integer({ min: 1, max: 255 }) },
    { numRuns: 600 },
  )("a flipped byte is an error of this library, or harmless", async ({ file, at, flip }) => {
    const bytes = Uint8Array.from(file);
    bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ flip;
    expect(codes).toContain((await failure(bytes))?.code);
  });

  test.prop({ file: fc.constantFrom(...files), length: fc.nat() }, { numRuns: 200 })(
    "a file that is cut off is refused",
    async ({ file, length }) => {
      expect(["corrupt-file", "unsupported"]).toContain((await failure(file.subarray(0, length % file.length)))?.code);
    },
  );

  const opcodes = "().012FNIJKLMRPQabcdeghijloqrstuU]}\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x90\x91\x92\x93\x94\x95";
  const word = fc.oneof(
    fc.constantFrom(...opcodes),
    fc.constantFrom(
      floats,
      tensor(floats, 0, [2], [1]),
      text("a"),
      "h\x00",
      "q\x00",
      "K\x01",
      "ccollections\nOrderedDict\n",
    ),
  );
  test.prop({ words: fc.array(word, { maxLength: 40 }) }, { numRuns: 1000 })("any opcodes", async ({ words }) => {
    expect(codes).toContain((await failure(archive(`${words.join("")}.`, eight)))?.code);
  });
});
