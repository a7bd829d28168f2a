import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { afterEach, beforeEach, describe, expect } from "vitest";
import { type HostTensor, SidError, type SidErrorCode, type WeightMap } from "../../src/core";
import {
  type ByteSource,
  blobFolder,
  diskFolder,
  encodeSafetensors,
  type FileTree,
  openComponent,
  readComponent,
  readModelIndex,
  readText,
  urlFolder,
  writeModelFolder,
} from "../../src/io";
import { clipTextParameterSpecs, parseClipTextConfig, parseUnetConfig, unetParameterSpecs } from "../../src/models";
import { serveFiles } from "../support/file-server";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sid-components-"));
});
afterEach(() => rm(folder, { recursive: true }));

const error = (code: SidErrorCode, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });
const ones = (n: number, value: number): HostTensor => ({
  dtype: "F32",
  shape: [n],
  data: new Float32Array(n).fill(value),
});
const file = (...tensors: [string, HostTensor][]) => new Uint8Array(encodeSafetensors(new Map(tensors)));
const text = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));

const [first, second] = [
  "diffusion_pytorch_model-00001-of-00002.safetensors",
  "diffusion_pytorch_model-00002-of-00002.safetensors",
];
/** A U-Net in two files. */
const sharded: Readonly<Record<string, Uint8Array>> = {
  "unet/config.json": text({ _class_name: "UNet2DConditionModel" }),
  "unet/diffusion_pytorch_model.safetensors.index.json": text({
    metadata: { total_size: 24 },
    weight_map: { a: first, b: second, c: first },
  }),
  [`unet/${first}`]: file(["a", ones(1, 1)], ["c", ones(2, 3)]),
  [`unet/${second}`]: file(["b", ones(3, 2)]),
};
const whole: WeightMap = new Map([
  ["a", ones(1, 1)],
  ["c", ones(2, 3)],
  ["b", ones(3, 2)],
]);

/** A tree of these files that counts what is open. */
function treeOf(files: Readonly<Record<string, Uint8Array | undefined>>) {
  const given = Object.entries(files).filter((entry): entry is [string, Uint8Array] => entry[1] !== undefined);
  const inner = blobFolder(new Map(given.map(([path, bytes]) => [path, new Blob([new Uint8Array(bytes)])])));
  const counted = { open: 0, read: 0 };
  const tree: FileTree = {
    name: "the tree",
    async open(path) {
      const source = await inner.open(path);
      if (!source) return undefined;
      counted.open++;
      const watched: ByteSource = {
        ...source,
        read: (begin, end) => {
          counted.read += end - begin;
          return source.read(begin, end);
        },
        close: async () => {
          counted.open--;
        },
      };
      return watched;
    },
  };
  return { tree, counted };
}

async function onDisk(files: Readonly<Record<string, Uint8Array>>): Promise<string> {
  for (const [path, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
  }
  return folder;
}

describe("the same model", () => {
  test("from a disk, an address, a map of blobs and a browser's chosen folder", async () => {
    const server = await serveFiles(
      new Map(Object.entries(sharded).map(([path, bytes]) => [`models/x/${path}`, bytes])),
    );
    const chosen = Object.entries(sharded).map(([path, bytes]) =>
      Object.assign(new File([new Uint8Array(bytes)], path.split("/").at(-1) ?? ""), {
        webkitRelativePath: `x/${path}`,
      }),
    );
    try {
      for (const place of [
        await onDisk(sharded),
        diskFolder(folder),
        urlFolder(`${server.url}/models/x`),
        urlFolder(new URL(`${server.url}/models/x/?token=1`)),
        treeOf(sharded).tree,
        blobFolder(chosen),
      ])
        expect(await readComponent(place, "unet")).toEqual({
          config: { _class_name: "UNet2DConditionModel" },
          weights: whole,
        });
    } finally {
      await server.close();
    }
  });

  test("is read tensor by tensor, in the order of the bytes, and closed", async () => {
    const { tree, counted } = treeOf(sharded);
    const { weights } = await openComponent(tree, "unet");
    expect([...weights.entries]).toEqual([...whole].map(([name, { dtype, shape }]) => [name, { dtype, shape }]));
    expect(counted.open).toBe(2);
    counted.read = 0;
    expect(await weights.read("b")).toEqual(whole.get("b"));
    expect(counted.read).toBe(12);
    await expect(weights.read("d")).rejects.toEqual(error("invalid-argument", /"d"/));
    await weights.close();
    expect(counted.open).toBe(0);
  });
});

describe("variants", () => {
  const half = (value: number): HostTensor => ({ dtype: "F16", shape: [1], data: Float32Array.of(value) });
  const files = {
    "text_encoder/config.json": text({}),
    "text_encoder/model.safetensors": file(["w", ones(1, 1)]),
    "text_encoder/model.fp16.safetensors": file(["w", half(0.5)]),
    "vae/config.json": text({}),
    "vae/diffusion_pytorch_model.safetensors.index.fp16.json": text({ weight_map: { w: "v.fp16-1.safetensors" } }),
    "vae/v.fp16-1.safetensors": file(["w", half(0.25)]),
  };
  test("are read by name, single or sharded, and widened exactly", async () => {
    const { tree } = treeOf(files);
    const read = async (...given: Parameters<typeof readComponent> extends [unknown, ...infer R] ? R : never) =>
      (await readComponent(tree, ...given)).weights.get("w")?.data[0];
    expect(await read("text_encoder")).toBe(1);
    expect(await read("text_encoder", { variant: "fp16" })).toBe(0.5);
    expect(await read("vae", { variant: "fp16" })).toBe(0.25);
    expect(await read("vae", { variant: "fp16", subfolder: "vae" })).toBe(0.25);
  });
  test("that are not there: the message says what is", async () => {
    const { tree, counted } = treeOf(files);
    await expect(openComponent(tree, "text_encoder", { variant: "bf16" })).rejects.toEqual(
      error(
        "io",
        /lacks the file "text_encoder\/model.bf16.safetensors".*"text_encoder\/model.safetensors": leave out/,
      ),
    );
    await expect(openComponent(tree, "vae")).rejects.toEqual(error("io", /"vae\/diffusion_pytorch_model.safetensors"/));
    for (const variant of ["../x", "a/b", "", 3])
      await expect(openComponent(tree, "vae", { variant } as never)).rejects.toEqual(
        error("invalid-argument", /variant/),
      );
    expect(counted.open).toBe(0);
  });
});

describe("a part that is not whole gives nothing", () => {
  const index = (weight_map: unknown, rest = {}) => ({
    "unet/diffusion_pytorch_model.safetensors.index.json": text({ ...rest, weight_map }),
  });
  const map = { a: first, b: second, c: first };
  test.each<[string, Readonly<Record<string, Uint8Array | undefined>>, SidErrorCode, RegExp]>([
    ["no configuration", { "unet/config.json": undefined }, "io", /lacks the file "unet\/config.json"/],
    ["a configuration of no text", { "unet/config.json": Uint8Array.of(0xff) }, "corrupt-file", /UTF-8/],
    ["a configuration twice", { "unet/config.json": text('{"a":1,"a":2}') }, "corrupt-file", /"a" twice/],
    ["a configuration of 65 MiB", { "unet/config.json": new Uint8Array(65 * 2 ** 20) }, "corrupt-file", /67108864/],
    ["a missing shard", { [`unet/${second}`]: undefined }, "io", /"diffusion_pytorch_model-00002[^"]*" is missing/],
    ["a shard cut short", { [`unet/${second}`]: sharded[`unet/${second}`]?.subarray(0, -1) }, "corrupt-file", /00002/],
    [
      "an index of no JSON",
      { "unet/diffusion_pytorch_model.safetensors.index.json": text("{") },
      "corrupt-file",
      /JSON/,
    ],
    ["an index without a map", index(undefined), "corrupt-file", /weight_map must be an object/],
    ["an empty map", index({}), "corrupt-file", /no tensor/],
    ["a list for a map", index([first]), "corrupt-file", /weight_map must be an object/],
    ["a number for a file", index({ ...map, a: 3 }), "corrupt-file", /"a" must be in a .safetensors file.*got 3/],
    ["a file above the folder", index({ ...map, a: "../x.safetensors" }), "corrupt-file", /"a".*"..\/x.safetensors"/],
    ["a file of the root", index({ ...map, a: "/etc/x.safetensors" }), "corrupt-file", /"a".*same folder/],
    ["a file of a drive", index({ ...map, a: "C:x.safetensors" }), "corrupt-file", /"a".*same folder/],
    ["a backslash", index({ ...map, a: "..\\x.safetensors" }), "corrupt-file", /"a".*same folder/],
    ["a file of another kind", index({ ...map, a: "model.bin" }), "corrupt-file", /"a".*"model.bin"/],
    ["a tensor in no shard", index({ ...map, d: first }), "corrupt-file", /"d" is not in "diff/],
    [
      "a tensor not in the index",
      index({ a: first, b: second }),
      "corrupt-file",
      /holds the tensor "c".*does not list/,
    ],
    [
      "a tensor elsewhere",
      index({ ...map, c: second }),
      "corrupt-file",
      /holds the tensor "c".*places in "diff.*00002/,
    ],
    [
      "a tensor in two shards",
      { [`unet/${second}`]: file(["b", ones(3, 2)], ["a", ones(1, 1)]) },
      "corrupt-file",
      /"a"/,
    ],
    [
      "an index with a tensor twice",
      {
        "unet/diffusion_pytorch_model.safetensors.index.json": text(
          `{"weight_map":{"a":"${first}","b":"${second}","c":"${first}","a":"${second}"}}`,
        ),
      },
      "corrupt-file",
      /"a" twice/,
    ],
    [
      "too many shards",
      index(Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`t${i}`, `${i}.safetensors`]))),
      "corrupt-file",
      /at most 1000 files, got 1001/,
    ],
  ])("%s", async (_, change, code, message) => {
    const { tree, counted } = treeOf({ ...sharded, ...change });
    await expect(openComponent(tree, "unet")).rejects.toEqual(error(code, message));
    expect(counted.open).toBe(0);
  });

  test("pickles are refused by name, with what to do", async () => {
    for (const [name, variant] of [
      ["diffusion_pytorch_model.bin"],
      ["diffusion_pytorch_model.bin.index.json"],
      ["diffusion_pytorch_model.fp16.bin", "fp16"],
    ] as const) {
      const { tree } = treeOf({ "unet/config.json": text({}), [`unet/${name}`]: text("") });
      const remedy = name.endsWith(".bin")
        ? `npm run convert -- "unet/${name}" "unet/${name.replace(".bin", ".safetensors")}", or readPth`
        : "safe_serialization";
      await expect(openComponent(tree, "unet", variant ? { variant } : {})).rejects.toEqual(
        error("unsupported", new RegExp(`"unet/${name}" is a pickle.*${remedy}`)),
      );
    }
  });

  const name = fc.oneof(fc.constantFrom("a", "b", "c", "__proto__"), fc.string({ maxLength: 3 }));
  const place = fc.oneof(
    fc.constantFrom(first, second, "../x.safetensors", ".."),
    fc.json({ maxDepth: 1 }),
    fc.string(),
  );
  test.prop({ map: fc.oneof(fc.dictionary(name, place), fc.jsonValue()), junk: fc.json() }, { numRuns: 300 })(
    "any index: the model it describes, or a SidError and nothing open",
    async ({ map, junk }) => {
      const whatever = [text({ weight_map: map }), text(junk)];
      for (const bytes of whatever) {
        const { tree, counted } = treeOf({ ...sharded, "unet/diffusion_pytorch_model.safetensors.index.json": bytes });
        const result = await openComponent(tree, "unet").catch((thrown) => thrown);
        if (!(result instanceof SidError)) expect([...result.weights.entries.keys()].sort()).toEqual(["a", "b", "c"]);
        else expect(counted.open).toBe(0);
      }
    },
  );

  const size = (path: string) => sharded[path]?.length ?? 0;
  test.prop({ path: fc.constantFrom(...Object.keys(sharded)), part: fc.double({ min: 0, max: 1, noNaN: true }) })(
    "any of its files cut anywhere",
    async ({ path, part }) => {
      const { tree, counted } = treeOf({
        ...sharded,
        [path]: sharded[path]?.subarray(0, Math.floor(part * (size(path) - 1))),
      });
      await expect(openComponent(tree, "unet")).rejects.toEqual(error("corrupt-file", /./));
      expect(counted.open).toBe(0);
    },
  );
});

describe("paths", () => {
  const wrong = ["", "/etc/passwd", "..", "../x", "a/../../x", "./x", "a//b", "a\\b", "C:x", "x\0", "\ud800"];
  test.each(wrong)("%j leaves no folder", async (path) => {
    const trees = [diskFolder(folder), blobFolder(new Map()), urlFolder("http://127.0.0.1:9/")];
    for (const tree of trees) {
      await expect(tree.open(path)).rejects.toEqual(error("invalid-argument", /relative path/));
      await expect(readText(tree, path)).rejects.toEqual(error("invalid-argument", /relative path/));
    }
    if (path !== "")
      await expect(openComponent(folder, "unet", { subfolder: path })).rejects.toEqual(
        error("invalid-argument", /path/),
      );
  });

  test("names are sent to a server as names", async () => {
    const server = await serveFiles(new Map([["m/%2e%2e/a b?c#d", text("kept")]]));
    try {
      expect(await readText(urlFolder(`${server.url}/m`), "%2e%2e/a b?c#d")).toBe("kept");
    } finally {
      await server.close();
    }
  });

  test("a file in a folder's place is no file of it, a folder in a file's place an error", async () => {
    await onDisk({ unet: text("x"), "vae/config.json/x": text("x") });
    expect(await diskFolder(folder).open("unet/config.json")).toBe(undefined);
    await expect(openComponent(folder, "vae")).rejects.toEqual(error("io", /wanted a file/));
  });

  test("blobs of another kind", () => {
    for (const files of [null, "zz", 3, [null], [["a"]], new Map([["a", "text"]]), new Map([["../a", new Blob([])]])])
      expect(() => blobFolder(files as never)).toThrow(SidError);
  });

  test("a tree that gives no files", async () => {
    for (const given of [null, 3, {}, { read: () => 1, close: () => {}, size: 9, name: "w" }]) {
      const tree = { name: "odd", open: async () => given } as never;
      await expect(openComponent(tree, "unet")).rejects.toBeInstanceOf(SidError);
    }
  });
});

describe("a tokenizer and the index of the model", () => {
  const texts = { "vocab.json": '{"a</w>": 0}', "merges.txt": "#version: 0.2\na b\n", "special_tokens_map.json": "{}" };
  const tokenizer = { config: { tokenizer_class: "CLIPTokenizer" }, weights: new Map(), texts };

  test("are written and read as text", async () => {
    const vae = { config: { _class_name: "AutoencoderKL" }, weights: whole };
    await writeModelFolder(folder, { tokenizer, vae });
    expect(await readComponent(folder, "tokenizer")).toEqual(tokenizer);
    expect(await readText(folder, "tokenizer/merges.txt")).toBe(texts["merges.txt"]);
    expect(await readModelIndex(folder)).toEqual({
      pipeline: "StableDiffusionPipeline",
      components: new Map([
        ["tokenizer", ["transformers", "CLIPTokenizer"]],
        ["vae", ["diffusers", "AutoencoderKL"]],
      ]),
    });
  });

  test("a vocabulary must be there, special tokens need not", async () => {
    await writeModelFolder(folder, { tokenizer });
    await rm(join(folder, "tokenizer", "special_tokens_map.json"));
    expect(Object.keys((await readComponent(folder, "tokenizer")).texts ?? {})).toEqual(["vocab.json", "merges.txt"]);
    await rm(join(folder, "tokenizer", "merges.txt"));
    await expect(readComponent(folder, "tokenizer")).rejects.toEqual(error("io", /"tokenizer\/merges.txt", or/));
    await writeFile(join(folder, "tokenizer", "tokenizer.json"), "{}");
    expect(Object.keys((await readComponent(folder, "tokenizer")).texts ?? {})).toEqual([
      "vocab.json",
      "tokenizer.json",
    ]);
  });

  test("an index of a pipeline as diffusers writes it", async () => {
    const { tree } = treeOf({
      "model_index.json": text({
        _class_name: "StableDiffusionPipeline",
        _diffusers_version: "0.6.0",
        requires_safety_checker: true,
        safety_checker: [null, null],
        unet: ["diffusers", "UNet2DConditionModel"],
        "../up": ["a", "b"],
      }),
    });
    expect([...(await readModelIndex(tree)).components.keys()]).toEqual(["unet"]);
    await expect(readModelIndex(treeOf({}).tree)).rejects.toEqual(error("io", /lacks the file "model_index.json"/));
  });

  test("texts that are none are refused before anything is written", async () => {
    for (const bad of [{ "../x": "y" }, { "tokenizer_config.json": "y" }, { "vocab.json": 3 }, 3])
      await expect(writeModelFolder(folder, { tokenizer: { ...tokenizer, texts: bad as never } })).rejects.toEqual(
        error("invalid-argument", /tokenizer/),
      );
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("writing in shards", () => {
  const unet = { config: {}, weights: whole };
  const names = async () => (await readdir(join(folder, "unet"))).filter((name) => name !== "config.json").sort();
  const index = "diffusion_pytorch_model.safetensors.index.json";

  test("cuts where the next tensor would not fit, and is read back", async () => {
    await writeModelFolder(folder, { unet }, { maxShardBytes: 12 });
    expect(await names()).toEqual([first, second, index]);
    expect(JSON.parse(await readFile(join(folder, "unet", index), "utf8"))).toEqual({
      metadata: { total_size: 24 },
      weight_map: { a: first, c: first, b: second },
    });
    expect((await readComponent(folder, "unet")).weights).toEqual(whole);
  });

  test("the form that is written last is the one that is read", async () => {
    const other: WeightMap = new Map([["a", ones(1, 9)]]);
    await writeModelFolder(folder, { unet: { config: {}, weights: other } });
    await writeModelFolder(folder, { unet }, { maxShardBytes: 1 });
    expect((await readComponent(folder, "unet")).weights).toEqual(whole);
    await writeModelFolder(folder, { unet: { config: {}, weights: other } });
    expect((await readComponent(folder, "unet")).weights).toEqual(other);
    expect(await names()).not.toContain(index);
  });

  const sizes = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 8 });
  test.prop({ sizes, most: fc.integer({ min: 1, max: 40 }) }, { numRuns: 30 })(
    "any weights, any size",
    async ({ sizes, most }) => {
      const weights = new Map(sizes.map((n, i) => [`w${i}`, ones(n, i)]));
      await writeModelFolder(folder, { unet: { config: {}, weights } }, { maxShardBytes: most });
      expect(new Map([...(await readComponent(folder, "unet")).weights].sort())).toEqual(weights);
    },
  );

  test.each([0, -1, 0.5, "1", Number.NaN])("%j bytes are no size", async (maxShardBytes) => {
    await expect(writeModelFolder(folder, { unet }, { maxShardBytes } as never)).rejects.toBeInstanceOf(SidError);
  });
});

describe("a folder that diffusers and transformers wrote", () => {
  const golden = "test/golden/model-folder";
  const read = (path: string): Promise<string> => readText(golden, path);

  test.each(["unet", "vae", "text_encoder"] as const)("has every tensor of the %s", async (name) => {
    const sums: Record<string, number> = JSON.parse(await read("sums.json"))[name];
    const { weights } = await readComponent(golden, name, { variant: "fp16" });
    const prefix = name === "text_encoder" ? "text_model." : "";
    expect([...weights.keys()].sort()).toEqual(
      Object.keys(sums)
        .map((key) => prefix + key)
        .sort(),
    );
    for (const [key, { data }] of weights)
      expect(
        (data as Float32Array).reduce((sum, x) => sum + x, 0),
        key,
      ).toBeCloseTo(sums[key.slice(prefix.length)] ?? Number.NaN, 5);
  });

  test("holds exactly the weights of our networks", async () => {
    const { config, weights } = await readComponent(golden, "text_encoder", { variant: "fp16" });
    const specs = clipTextParameterSpecs(parseClipTextConfig(config));
    expect([...weights.keys()].sort()).toEqual(specs.map(({ name }) => name).sort());
    const unet = await openComponent(golden, "unet", { variant: "fp16" });
    const shapes = Object.fromEntries([...unet.weights.entries].map(([name, { shape }]) => [name, shape]));
    await unet.weights.close();
    expect(shapes).toEqual(
      Object.fromEntries(unetParameterSpecs(parseUnetConfig(unet.config)).map(({ name, shape }) => [name, shape])),
    );
  });

  test("has a scheduler, a tokenizer and an index", async () => {
    expect((await readComponent(golden, "scheduler")).config["_class_name"]).toBe("DDIMScheduler");
    expect((await readComponent(golden, "tokenizer")).texts?.["tokenizer.json"]).toContain("<|endoftext|>");
    expect([...(await readModelIndex(golden)).components.keys()].sort()).toEqual([
      "scheduler",
      "text_encoder",
      "tokenizer",
      "unet",
      "vae",
    ]);
  });

  test("numbers that Python's JSON has and JSON has not are read, and written as they were", async () => {
    const config = `{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity,
      "a": [Infinity, NaN], "b": "-Infinity \\"NaN"}`;
    const { tree } = treeOf({ "scheduler/scheduler_config.json": text(config) });
    const scheduler = await readComponent(tree, "scheduler");
    const { lambda_min_clipped, a, b } = scheduler.config;
    expect([lambda_min_clipped, a, b]).toEqual([Number.NEGATIVE_INFINITY, [Infinity, null], '-Infinity "NaN']);
    await writeModelFolder(folder, { scheduler });
    const written = await readText(folder, "scheduler/scheduler_config.json");
    expect(written).toContain('"lambda_min_clipped": -Infinity,');
    expect(written).toContain(String.raw`"b": "-Infinity \"NaN"`);
    expect(await readComponent(folder, "scheduler")).toEqual(scheduler);
    for (const wrong of ['{"a": -infinity}', '{"a": +Infinity}', '{"a": nan}', '{"a": Infinity1}', "{NaN: 1}"])
      await expect(
        readComponent(treeOf({ "scheduler/scheduler_config.json": text(wrong) }).tree, "scheduler"),
      ).rejects.toEqual(error("corrupt-file", /not valid JSON/));
  });

  test("is written again as transformers reads it: floats stay floats", async () => {
    await writeModelFolder(folder, { text_encoder: await readComponent(golden, "text_encoder", { variant: "fp16" }) });
    const numbers = (text: string) => text.match(/"(initializer|attention_dropout|hidden_size)\w*": [\d.]+/g)?.sort();
    const written = numbers(await readText(folder, "text_encoder/config.json"));
    expect(written).toEqual(numbers(await read("text_encoder/config.json")));
    expect(written).toContain('"initializer_factor": 1.0');
  });
});
