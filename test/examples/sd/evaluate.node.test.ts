import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memory } from "@tensorflow/tfjs-core";
import { encode } from "fast-png";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { drawPictures } from "../../../examples/sd/draw-pictures";
import { collect, jobOf } from "../../../examples/sd/evaluate/collect";
import { figuresOf } from "../../../examples/sd/evaluate/figures";
import { fingerprint } from "../../../examples/sd/evaluate/fingerprint";
import { disposeJudges, featuresOf, loadJudges } from "../../../examples/sd/evaluate/networks";
import { parseEvaluateOptions } from "../../../examples/sd/evaluate/options";
import type { Evaluation } from "../../../examples/sd/evaluate/report";
import { evaluate } from "../../../examples/sd/evaluate/run";
import { growSet, type PictureSet } from "../../../examples/sd/evaluate/set";
import { middle } from "../../../examples/sd/evaluate/sized";
import { folderSource } from "../../../examples/sd/evaluate/sources";
import { writeSeenStatistics } from "../../../examples/sd/evaluate/statistics";
import { parseGenerateOptions } from "../../../examples/sd/generate-options";
import { writeTinyClip } from "../../../examples/sd/tiny-clip";
import { writeTinyModel } from "../../../examples/sd/tiny-model";
import { useBackend } from "../../../src/backends";
import { randomStream } from "../../../src/core/random";
import { readNpz, writeNpz } from "../../../src/io";
import {
  clipScore,
  featureStatistics,
  frechetDistance,
  inceptionScore,
  kernelDistance,
  neighbourMetrics,
  readStatistics,
  writeStatistics,
} from "../../../src/metrics";
import type { FeatureNetwork } from "../../../src/models/features";

const folder = mkdtempSync(join(tmpdir(), "sid-lsg-evaluate-"));
const at = (...names: string[]) => join(folder, ...names);
const [tiny, clip, captions, real] = [at("tiny"), at("clip"), at("captions.txt"), at("real")];
const dimension = 16;
const count = 23;
const texts = Array.from({ length: count }, (_, i) => `a ${i % 2 ? "red fox" : "blue boat"} in the snow`);

beforeAll(async () => {
  await useBackend("cpu");
  await writeTinyModel(tiny, 0);
  await writeTinyClip(clip, 1);
  await writeTinyClip(at("other-clip"), 2);
  writeFileSync(captions, texts.join("\n"));
  mkdirSync(real);
  // Of several sizes, one of them grey.
  for (let i = 0; i < 20; i++) {
    const [width, height, channels] = [64, i % 3 ? 64 : 80, i === 4 ? 1 : 3];
    const data = Uint8Array.from(randomStream(i).uniform(width * height * channels), (u) => 255 * u);
    writeFileSync(at("real", `${String(i).padStart(2, "0")}.png`), encode({ width, height, channels, data }));
  }
  await useBackend("wasm");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const drawn = ["--model", tiny, "--prompts", captions, "--resolution", "64"];
const judges = ["--network", clip, "--clip", clip];

/** Evaluates into a folder of this name; returns what was printed. No tensor stays. */
async function run(out: string, ...args: string[]): Promise<string> {
  const spies = [vi.spyOn(console, "log"), vi.spyOn(console, "warn")].map((spy) => spy.mockImplementation(() => {}));
  const tensors = memory().numTensors;
  try {
    const settings = parseEvaluateOptions(["--out", at(out), ...args]);
    await evaluate(settings as NonNullable<typeof settings>);
    return spies.flatMap((spy) => spy.mock.calls.map(([line]) => line)).join("\n");
  } finally {
    expect(memory().numTensors).toBe(tensors);
    for (const spy of spies) spy.mockRestore();
  }
}

const result = (out: string): Evaluation => JSON.parse(readFileSync(at(out, "evaluation.json"), "utf8"));
const bytes = (out: string, name: string) => readFileSync(at(out, `${name}.f32`));
const rows = (out: string, name: string) => {
  const { buffer, byteOffset, length } = bytes(out, name);
  return new Float32Array(buffer.slice(byteOffset, byteOffset + length));
};
const same = (a: string, b: string) => {
  for (const name of ["features", "images", "texts"]) expect(bytes(a, name).equals(bytes(b, name))).toBe(true);
};

test("captions become pictures, features, figures; three shards merged are what one run leaves", async () => {
  const told = await run("whole", ...drawn, ...judges, "--reference", real, "--batch", "3");
  const { figures, reference, job } = result("whole");
  const [features, others] = [rows("whole", "features"), rows("whole/reference", "features")];
  expect([features.length, others.length]).toEqual([count * dimension, 20 * dimension]);
  const [a, b] = [featureStatistics(features, dimension), featureStatistics(others, dimension)];
  expect(figures.frechet).toBeCloseTo(frechetDistance(a, b, { onWarning() {} }), 9);
  const { precision, recall, density, coverage } = neighbourMetrics(others, features, { dimension });
  expect(figures.neighbours).toMatchObject({ precision, recall, density, coverage, k: 5, real: 20, generated: count });
  const { cosine } = clipScore(rows("whole", "images"), rows("whole", "texts"), { dimension });
  expect(figures.clip?.cosine).toBeCloseTo(cosine, 12);
  expect(figures.retrieval?.chance).toBeCloseTo(1 / count, 12);
  expect(figures.kernel).toEqual({ mean: kernelDistance(features, others, { dimension }) });
  expect(told).toMatch(/^KID · 1000 +-?[\d.]+ +lower is better; all pictures at once$/m);
  expect(figures.inception).toBeUndefined();
  expect(reference?.count).toBe(20);
  expect(job.pictures).toMatchObject({ kind: "generator", steps: 1, tInit: 625, seedOffset: 0, resolution: 64 });
  expect(told).toMatch(/^23 pictures: captions text, a prompt per line, \w+, seedOffset 0, model \w+, resolution 64/m);
  expect(told).toMatch(/^Fréchet distance +\d+\.\d{4} +lower is better$/m);
  expect(told).toContain("Note: KID is that of all pictures at once, without a deviation: with 20 of a set");

  for (const i of [1, 2, 3])
    expect(await run(`shard${i}`, ...drawn, ...judges, "--shard", `${i}/3`, "--batch", String(i))).toContain(
      `Shard ${i}/3, ${i < 3 ? 8 : 7} pictures, is in`,
    );
  const shards = [3, 1, 2].flatMap((i) => ["--merge", at(`shard${i}`)]);
  await run("merged", ...shards, "--reference", at("whole/reference"));
  same("merged", "whole");
  const { notes: _, ...merged } = result("merged").figures;
  const { notes: __, ...whole } = figures;
  expect(merged).toEqual(whole);
  // The reference's file does as well, but for what needs the vectors.
  await run("merged-npz", ...shards, "--reference", at("whole/reference/statistics.npz"));
  expect(result("merged-npz").figures.frechet).toBeCloseTo(figures.frechet as number, 10);
  expect(result("merged-npz").figures.kernel).toBeUndefined();
  expect(result("merged-npz").figures.notes.join()).toContain("need the real pictures");

  await expect(run("bad-merge", ...shards.slice(2))).rejects.toThrow("--merge: shards 3/3 are missing.");
  await expect(run("bad-merge", ...shards, "--merge", at("shard1"))).rejects.toThrow(
    /shard1 is shard 1\/3, which is there already/,
  );
  await run("foreign", ...drawn, ...judges, "--shard", "2/3", "--seed-offset", "1");
  await expect(
    run("bad-merge", ...[at("shard1"), at("foreign"), at("shard3")].flatMap((x) => ["--merge", x])),
  ).rejects.toThrow(
    /foreign is a shard of another evaluation than \S+shard1: pictures\.seedOffset \(there 0, here 1\)/,
  );
  await expect(run("bad-merge", ...shards, "--reference", real)).rejects.toThrow(
    "holds pictures; give the --network that they are to be seen with",
  );
});

test("the pictures are those of sd:generate; a folder of them comes to the same vectors", async () => {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  const args = [...drawn, "--seed-per-prompt", "--grid", "0", "--first", "7", "--out", at("pictures")];
  await drawPictures(parseGenerateOptions(args) as NonNullable<ReturnType<typeof parseGenerateOptions>>);
  log.mockRestore();
  const names = readdirSync(at("pictures")).filter((name) => name.endsWith(".png"));
  const lines = names.map((name, i) => JSON.stringify({ file_name: name, text: texts[i] }));
  writeFileSync(at("pictures", "metadata.jsonl"), lines.join("\n"));
  await run("of-folder", "--images", at("pictures"), ...judges);
  await run("of-generator", ...drawn, "--first", "7", ...judges);
  same("of-folder", "of-generator");
  expect(result("of-folder").figures.clip).toEqual(result("of-generator").figures.clip);
});

test("a run that was stopped, or killed at its worst, goes on to what one run leaves", async () => {
  await run("left-alone", "--images", real, "--network", clip);
  const networks = await loadJudges({ network: clip, protocol: undefined, clip: undefined, clipPrefix: "" });
  const source = await folderSource(real, { option: "images" });
  mkdirSync(at("stopped"));
  const controller = new AbortController();
  const set = await growSet(at("stopped"), jobOf(source, networks), { index: 1, of: 1 }, false);
  let seen = 0;
  const artist = await source.start();
  const pictures = async (indices: readonly number[]) => {
    seen += indices.length;
    if (seen >= 7) controller.abort();
    return artist.pictures(indices);
  };
  const counting = { ...source, start: async () => ({ ...artist, pictures }) };
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  await collect(set, counting, networks, { batch: 2, title: "pictures", signal: controller.signal });
  log.mockRestore();
  expect(set.done).toBe(8);
  set.close();
  disposeJudges(networks);
  expect(existsSync(at("stopped", "statistics.npz"))).toBe(false);
  // Rows that were not saved, and one that was cut off; statistics of another set.
  appendFileSync(at("stopped", "features.f32"), new Uint8Array(5 * 4 * dimension - 3));
  copyFileSync(at("left-alone", "statistics.npz"), at("stopped", "statistics.npz"));
  await expect(run("stopped", "--images", real, "--network", clip)).rejects.toThrow(/go on with --resume/);
  await expect(run("stopped", "--images", real, "--network", at("other-clip"), "--resume")).rejects.toThrow(
    /differs in features\.weights \(there \w{16}, here \w{16}\)/,
  );
  await run("stopped", "--images", real, "--network", clip, "--resume");
  expect(bytes("stopped", "features").equals(bytes("left-alone", "features"))).toBe(true);
  const statistics = (out: string) => readFileSync(at(out, "statistics.npz"));
  expect(statistics("stopped").equals(statistics("left-alone"))).toBe(true);

  // Once all is there, figures are computed anew without a network pass.
  await run("stopped", "--images", real, "--network", clip, "--resume", "--reference", at("left-alone"));
  expect(result("stopped").figures.frechet).toBeCloseTo(0, 9);
  expect(result("stopped").figures.neighbours).toMatchObject({ precision: 1, recall: 1 });

  truncateSync(at("stopped", "features.f32"), 6 * 4 * dimension);
  await expect(run("stopped", "--images", real, "--network", clip, "--resume")).rejects.toThrow(
    /features\.f32 holds 6 rows, fewer than the 20 that were saved: it was cut off/,
  );
  writeFileSync(at("stopped", "set.json"), "{");
  await expect(run("stopped", "--images", real, "--network", clip, "--resume")).rejects.toThrow(
    /set\.json is not as sd:evaluate wrote it/,
  );
});

test("a network that classifies gives the Inception Score, in parts as torchmetrics cuts them", async () => {
  const classes = 3;
  const model: FeatureNetwork = {
    ...{ name: "classifier", dimension: 1, variables: [], dispose() {} },
    forward() {
      throw new Error("not asked");
    },
    async features({ data, shape: [number] }) {
      const size = data.length / number;
      const of = (i: number) =>
        Float64Array.from(data.subarray(i * size, (i + 1) * size)).reduce((sum, x) => sum + x, 0) / size - 127;
      const logits = Float32Array.from(
        { length: number * classes },
        (_, i) => of(Math.floor(i / classes)) * (i % classes),
      );
      return { features: new Float32Array(number), logits };
    },
  };
  const networks = { features: await featuresOf(model, "none"), clip: undefined };
  const source = await folderSource(real, { option: "reference" });
  mkdirSync(at("classified"));
  const set = await growSet(at("classified"), jobOf(source, networks), { index: 1, of: 1 }, false);
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  const { signal } = new AbortController();
  await collect(set, source, networks, { batch: 3, title: "pictures", signal });
  log.mockRestore();
  const { inception } = await figuresOf(set, undefined, { sample: 100, nearest: 5 });
  set.close();
  const logits = rows("classified", "logits");
  expect(logits.length).toBe(20 * classes);
  const { mean, deviation } = inceptionScore(logits, { classes, splits: 10 });
  expect(inception?.mean).toBeCloseTo(mean, 12);
  expect(inception?.deviation).toBeCloseTo(deviation, 12);
  expect(inception?.splits).toBe(10);
});

test("references that do not fit are refused before a picture is drawn", async () => {
  const features = randomStream(3).normals(40 * dimension);
  const weights = fingerprint(clip);
  await run("own-network", "--images", real, "--network", clip);
  const network = result("own-network").job.features?.network;
  const good = featureStatistics(features, dimension, { network });
  await writeSeenStatistics(at("good.npz"), good, { weights, size: 0 });
  expect(await readStatistics(at("good.npz"))).toEqual(good);
  await writeSeenStatistics(at("weights.npz"), good, { weights: "another", size: 0 });
  await writeSeenStatistics(at("size.npz"), good, { weights, size: 8 });
  const arrays = await readNpz(at("good.npz"));
  const without = (...names: string[]) => new Map([...arrays].filter(([name]) => !names.includes(name)));
  await writeStatistics(at("network.npz"), { ...good, network: "inception-v3-fid" });
  await writeStatistics(at("dimension.npz"), featureStatistics(features, 8));
  await writeNpz(at("no-sigma.npz"), without("sigma"));
  const sigma = { dtype: "F64", shape: [dimension, 8], data: new Float64Array(dimension * 8) } as const;
  await writeNpz(at("torn.npz"), new Map([...arrays, ["sigma", sigma]]));
  const nan = { dtype: "F64", shape: [dimension], data: new Float64Array(dimension).fill(Number.NaN) } as const;
  await writeNpz(at("nan.npz"), new Map([...arrays, ["mu", nan]]));
  const changed = (change: (covariance: Float64Array) => void) => {
    const data = good.covariance.slice();
    change(data);
    return new Map([...arrays, ["sigma", { dtype: "F64", shape: [dimension, dimension], data } as const]]);
  };
  await writeNpz(
    at("asymmetric.npz"),
    changed((data) => data.fill(1, 1, 2)),
  );
  await writeNpz(
    at("negative.npz"),
    changed((data) => data.fill(-1, 0, 1)),
  );
  // Symmetric, no variance below 0, no correlation above 1; but three dimensions that all oppose each other.
  await writeNpz(
    at("indefinite.npz"),
    changed((data) => {
      for (let i = 0; i < 3; i++)
        for (let j = 0; j < 3; j++) {
          const [a, b] = [data[i * dimension + i] as number, data[j * dimension + j] as number];
          if (i !== j) data[i * dimension + j] = -0.9 * Math.sqrt(a * b);
        }
    }),
  );
  for (const [name, number] of [
    ["minus", -5],
    ["not-a-number", Number.NaN],
  ] as const)
    await writeNpz(
      at(`${name}.npz`),
      new Map([...arrays, ["count", { dtype: "F64", shape: [], data: Float64Array.of(number) }]]),
    );
  writeFileSync(at("cut.npz"), readFileSync(at("good.npz")).subarray(0, 900));
  writeFileSync(at("text.npz"), "mu and sigma");
  mkdirSync(at("one"));
  copyFileSync(at("real", "00.png"), at("one", "00.png"));
  mkdirSync(at("none"));
  mkdirSync(at("broken"));
  copyFileSync(at("real", "00.png"), at("broken", "00.png"));
  writeFileSync(at("broken", "01.png"), readFileSync(at("real", "01.png")).subarray(0, 700));
  await run("other-network", "--images", real, "--network", at("other-clip"));
  mkdirSync(at("described"));
  for (const i of [0, 1]) {
    copyFileSync(at("real", `0${i}.png`), at("described", `${i}.png`));
    writeFileSync(at("described", `${i}.txt`), "a red fox");
  }
  await run("no-features", "--images", at("described"), "--clip", clip);
  for (const [name, message] of [
    ["network.npz", /network\.npz is of the network inception-v3-fid, --network is clip-vit-p8-32px-16d-\w{8}/],
    ["dimension.npz", /dimension\.npz is of 8 dimensions, clip-vit-p8-32px-16d-\w{8} has 16: it is of another network/],
    [
      "no-sigma.npz",
      /the file lacks sigma and holds "mu", "count", "network".*A folder of the real pictures does as well/,
    ],
    ["torn.npz", /wanted mu \[d\] and sigma \[d, d\], got \[16\] and \[16, 8\]/],
    ["nan.npz", /mu must be finite/],
    ["asymmetric.npz", /^--reference: \S+asymmetric\.npz: sigma is not symmetric/],
    ["negative.npz", /^--reference: \S+negative\.npz: sigma has a negative variance, got -1/],
    ["indefinite.npz", /^--reference: \S+indefinite\.npz: sigma has a direction of negative variance/],
    ["minus.npz", /count must be one whole number above 0, got -5/],
    ["not-a-number.npz", /count must be one whole number above 0, got NaN/],
    ["weights.npz", /weights\.npz is of other weights of clip-vit-p8-32px-16d-\w{8}, another; those of --network are/],
    ["size.npz", /size\.npz was evaluated at 8 pixels, these pictures are in their own size/],
    ["cut.npz", /--reference: .*cut\.npz.*(cut off|truncated|end)/],
    ["text.npz", /--reference: .*text\.npz.*(NumPy|npz)/],
    ["gone.npz", /--reference: \S+gone\.npz is not there/],
    ["one", /--reference: \S+one holds one picture; wanted at least 2/],
    ["none", /--reference: .*there is no PNG or JPEG in it/],
    ["broken", /--reference: [\s\S]*01\.png is cut off: the PNG ends/],
    ["other-network", /was seen with the network's weights \w{16}, those to compare with \w{16}/],
    ["no-features", /no-features holds no features; evaluate it with --network/],
  ] as const) {
    await expect(run(`bad ${name}`, ...drawn, ...judges, "--reference", at(name)), name).rejects.toThrow(message);
    expect(bytes(`bad ${name}`, "features").length).toBe(0);
  }
  // pytorch-fid's own files name no network and no count.
  await writeNpz(at("plain.npz"), without("count", "network"));
  const told = await run("plain", ...drawn, "--first", "4", ...judges, "--reference", at("plain.npz"));
  expect(told).toContain("does not say of which network it is; it is taken for clip-vit-p8-32px-16d-");
  expect(told).toMatch(/Note: .*4 vectors of 16 dimensions leave a covariance singular/);
});

test("too few pictures give the figures that they allow, with a note", async () => {
  const told = await run("few", ...drawn, "--first", "3", ...judges, "--reference", real);
  expect(result("few").figures.kernel?.mean).toBeTypeOf("number");
  expect(result("few").figures.neighbours).toBeUndefined();
  expect(told).toContain("Note: Precision, recall, density and coverage need more than 5 pictures of each set, got 3.");
  const one = at("one.txt");
  writeFileSync(one, "a red fox\n");
  await expect(run("nothing", "--model", tiny, "--prompts", one, ...judges)).rejects.toThrow("wanted at least 2");
  for (const shard of ["24/24", "1/24", "1/40"])
    await expect(run("nothing", ...drawn, ...judges, "--shard", shard)).rejects.toThrow(
      "there are 23 pictures, too few",
    );
  for (const [option, args] of [
    ["network", ["--network", at("gone")]],
    ["clip", ["--network", clip, "--clip", at("gone")]],
    ["images", ["--images", at("gone"), "--clip", clip]],
  ] as const)
    await expect(run("nothing", ...(option === "images" ? [] : drawn), ...args)).rejects.toThrow(
      new RegExp(`^--${option}: \\S*gone:? is not there\\.$`),
    );
  expect(existsSync(at("nothing"))).toBe(false);
  // Without a reference and classes there is nothing to say, and that is said.
  const none = await run("no-figures", "--images", real, "--network", clip);
  expect(none).toContain("There are no figures: give --reference");
  await expect(run("nothing", "--merge", at("real"))).rejects.toThrow(/^--merge: \S*real holds no evaluation\.$/);
  await expect(run("nothing", "--merge", at("gone"))).rejects.toThrow(/^--merge: \S*gone is not there\.$/);
});

test("with more than a thousand of each, KID has the deviation of subsets", async () => {
  const job = { pictures: {}, total: 1200, features: { network: "n", weights: "w", dimension: 2, classes: 0 } };
  const sets: PictureSet[] = [];
  for (const [i, name] of ["thousand", "other-thousand"].entries()) {
    mkdirSync(at(name));
    const set = await growSet(at(name), job, { index: 1, of: 1 }, false);
    set.add(1200, { features: Float32Array.from(randomStream(i).normals(2400)) });
    await set.save();
    sets.push(set);
  }
  const [set, other] = sets as [PictureSet, PictureSet];
  const statistics = featureStatistics(rows("other-thousand", "features"), 2);
  const reference = { description: "", statistics, features: other.rows("features"), close() {} };
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  const { kernel } = await figuresOf(set, reference, { sample: 1100, nearest: 5 });
  log.mockRestore();
  expect(kernel?.over).toMatchObject({ subsets: 100, size: 1000 });
  expect(kernel?.over?.deviation).toBeGreaterThan(0);
  for (const some of sets) some.close();
});

test("CLIP scores need captions: none are refused, some are noted; without CLIP nothing is said of them", async () => {
  await expect(run("bare", "--images", real, "--clip", clip)).rejects.toThrow(
    /^--clip: none of the 20 pictures in \S*real has a caption/,
  );
  expect(existsSync(at("bare"))).toBe(false);
  expect(await run("silent", "--images", real, "--network", clip)).not.toContain("caption");
  mkdirSync(at("some"));
  for (const i of [0, 1, 2]) copyFileSync(at("real", `0${i}.png`), at("some", `0${i}.png`));
  writeFileSync(at("some", "01.txt"), "a red fox");
  const told = await run("some-captions", "--images", at("some"), "--clip", clip);
  expect(told).toContain("2 of 3 pictures have no caption and get the empty one");
  expect(told).toContain(
    "Note: 2 of 3 pictures have no caption: CLIP score and R@1 compare them with the prefix alone",
  );
});

test("weights name a CLIP, not its folder; statistics of another one by the same name are refused", async () => {
  const of = async (out: string, network: string, ...args: string[]) =>
    run(out, "--images", real, "--network", network, ...args);
  await of("here", clip);
  cpSync(clip, at("elsewhere", "renamed"), { recursive: true });
  await of("renamed", at("elsewhere", "renamed"), "--reference", at("here", "statistics.npz"));
  expect(result("renamed").figures.frechet).toBeCloseTo(0, 9);
  cpSync(at("other-clip"), at("elsewhere", "clip"), { recursive: true });
  await expect(of("namesake", at("elsewhere", "clip"), "--reference", at("here", "statistics.npz"))).rejects.toThrow(
    /statistics\.npz is of other weights of clip-vit-p8-32px-16d-\w{8}, \w{16}; those of --network are \w{16}/,
  );
  await expect(of("small", clip, "--size", "8", "--reference", at("here", "statistics.npz"))).rejects.toThrow(
    /was evaluated in their own size, these pictures are at 8 pixels: give both the same --size/,
  );
  // pytorch_model.bin is weights as well.
  for (const [name, text] of [
    ["bin-a", "a"],
    ["bin-b", "b"],
  ] as const) {
    mkdirSync(at(name));
    writeFileSync(at(name, "pytorch_model.bin"), text);
  }
  expect(fingerprint(at("bin-a"))).not.toBe(fingerprint(at("bin-b")));
});

test("own statistics that are damaged are made anew; damaged vectors are named", async () => {
  const again = ["--images", real, "--network", clip, "--resume"];
  await run("mended", ...again.slice(0, -1));
  const statistics = readFileSync(at("mended", "statistics.npz"));
  writeFileSync(at("mended", "statistics.npz"), statistics.subarray(0, 500));
  await run("mended", ...again);
  expect(readFileSync(at("mended", "statistics.npz")).equals(statistics)).toBe(true);
  const damaged = rows("mended", "features").fill(Number.NaN, 3 * dimension, 3 * dimension + 1);
  writeFileSync(at("mended", "features.f32"), damaged);
  const message = /mended\S+features\.f32: the vector of picture 4 holds NaN/;
  await expect(run("beside damaged", ...drawn, ...judges, "--reference", at("mended"))).rejects.toThrow(message);
  expect(bytes("beside damaged", "features").length).toBe(0);
  rmSync(at("mended", "statistics.npz"));
  await expect(run("mended", ...again)).rejects.toThrow(message);
});

test("with a size, drawn and real pictures alike become the middle of each, as GigaGAN's evaluation cuts them", async () => {
  await run("own-size", "--images", real, "--network", clip);
  await run("sized", "--images", real, "--network", clip, "--reference", real, "--size", "40");
  expect(result("sized").figures.frechet).toBeCloseTo(0, 9);
  expect(bytes("sized", "features").equals(bytes("sized/reference", "features"))).toBe(true);
  expect(bytes("sized", "features").equals(bytes("own-size", "features"))).toBe(false);
  for (const [reference, size, message] of [
    ["own-size", ["--size", "40"], /own-size was evaluated in their own size, these pictures are at 40 pixels/],
    ["sized", [], /sized was evaluated at 40 pixels, these pictures are in their own size/],
  ] as const)
    await expect(
      run(`beside ${reference}`, "--images", real, "--network", clip, "--reference", at(reference), ...size),
    ).rejects.toThrow(message);

  const picture = (width: number, height: number) => {
    const level = (i: number) => (Math.floor(i / 3) % width) + 10 * Math.floor(i / (3 * width));
    return { width, height, data: Uint8Array.from({ length: width * height * 3 }, (_, i) => level(i)) };
  };
  // torchvision's center_crop: int(round((8 - 5) / 2)) = 2 columns, int(round((6 - 5) / 2)) = 0, int(round((5 - 2) / 2)) = 2 rows.
  expect(
    middle(picture(8, 5), 5)
      .data.filter((_, i) => i % 3 === 0)
      .slice(0, 5),
  ).toEqual(Uint8Array.of(2, 3, 4, 5, 6));
  expect(middle(picture(6, 5), 5).data.slice(0, 1)).toEqual(Uint8Array.of(0));
  expect(middle(picture(2, 5), 2).data.slice(0, 1)).toEqual(Uint8Array.of(20));
  expect(middle({ width: 4, height: 4, data: new Uint8Array(48).fill(77) }, 3).data).toEqual(
    new Uint8Array(27).fill(77),
  );
});

test.each([
  [["--images", "x"], "wanted --network FILE, --clip DIR, or both"],
  [[], "wanted one of --model DIR with --prompts FILE, --images DIR, and --merge DIR"],
  [["--model", "m", "--network", "n"], "--prompts: wanted the captions"],
  [["--prompts", "p", "--images", "x", "--network", "n"], "Which pictures: wanted one of"],
  [["--images", "x", "--network", "n", "--steps", "2"], "--steps is for pictures that are drawn"],
  [["--images", "x", "--clip", "n", "--reference", "r"], "--reference needs --network"],
  [["--images", "x", "--network", "n", "--shard", "0/3"], "--shard must be I/N with I from 1 to N"],
  [["--images", "x", "--network", "n", "--shard", "4/3"], "--shard must be I/N with I from 1 to N"],
  [["--images", "x", "--network", "n", "--shard", "1/3", "--reference", "r"], "give --reference to --merge"],
  [["--merge", "a", "--clip", "c"], "--merge: the shards have what --clip said"],
  [
    ["--images", "x", "--network", "n", "--protocol", "torch"],
    "--protocol must be pytorch-fid, clean-fid or tensorflow",
  ],
  [["--merge", "a", "--size", "9"], "--size is for pictures that are drawn; --merge takes none"],
  [["--images", "x", "--network", "n", "--size", "1e9"], "--size must be at most 8192 pixels"],
  [["--images", "x", "--networks", "n"], "did you mean --network?"],
])("options %j are refused: %s", (args, message) => {
  expect(() => parseEvaluateOptions(args)).toThrow(message);
});
