import fs, { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { tensor } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, vi } from "vitest";
import { SidError } from "../../src/core";
import { decodeSafetensors, encodeSafetensors } from "../../src/io";
import { generatorFrom, type ScoreModel } from "../../src/models";
import { type ConditionSource, type DistillCheckpoint, distill } from "../../src/train";
import { numbers } from "../support/matchers";
import { features, tinyNetwork } from "../support/tiny-network";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sid-checkpoint-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
const path = (name: string) => join(folder, `${name}.safetensors`);

const conditions: ConditionSource = {
  sample: (stream, count) => stream.normal([count, features]),
  unconditional: () => tensor([[0.5, -0.5, 0]]),
};

/** One run from the same start: how it ended, and what it warned of. */
async function run(iterations: number, checkpoint: DistillCheckpoint) {
  const networks = ["teacher", "fake", "generator"].map((name) => tinyNetwork(`checkpoint/${name}`, 1));
  const [teacher, fakeScore, model] = networks as [ScoreModel, ScoreModel, ScoreModel];
  const seen: number[] = [];
  const warnings: string[] = [];
  let error = "";
  try {
    await distill({
      ...{ teacher, fakeScore, generator: generatorFrom(model), sampleShape: [features], batch: 2 },
      ...{ iterations, learningRate: 0.01, checkTeacher: false, conditions, checkpoint: { every: 1, ...checkpoint } },
      onIteration: ({ iteration }) => void seen.push(iteration),
      onWarning: (warning) => void warnings.push(warning),
    });
  } catch (thrown) {
    error = thrown instanceof SidError ? `${thrown.code}: ${thrown.message}` : String(thrown);
  }
  const weights = networks.map((network) => network.variables.flatMap((v) => numbers(v)));
  for (const network of networks) network.dispose();
  return { weights, error, warnings: warnings.join("\n"), seen };
}

/** Iterations of the checkpoints that are there, by what their names have after `path`. */
async function kept(file: string): Promise<Record<string, number>> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(basename(file))).sort();
  const entries = names.map(async (name) => {
    const { metadata } = decodeSafetensors(await readFile(join(folder, name)));
    return [name.slice(basename(file).length), JSON.parse(metadata["progress"] as string).iteration] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

async function flip(file: string, at: number, bit = 0): Promise<void> {
  const bytes = await readFile(file);
  bytes[at] = (bytes[at] as number) ^ (1 << bit);
  await writeFile(file, bytes);
}

/** Where each tensor's bytes begin. */
async function places(file: string): Promise<[string, number][]> {
  const bytes = await readFile(file);
  const header = Number(bytes.readBigUInt64LE());
  const json = JSON.parse(bytes.subarray(8, 8 + header).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const tensors = Object.entries(json).filter(([name]) => name !== "__metadata__");
  return tensors.map(([name, { data_offsets }]) => [name, 8 + header + data_offsets[0]]);
}

test("a flipped bit of a tensor is a damaged file that names the tensor", async () => {
  const file = path("tensor");
  await run(1, { path: file });
  const start = await run(0, { path: path("none") });
  const all = await places(file);
  expect(all.length).toBe(12);
  for (const [name, at] of all) {
    await flip(file, at);
    const { error, weights } = await run(1, { path: file, resume: true });
    expect(error).toMatch(
      new RegExp(`^corrupt-file: distill: checkpoint .*: "${name}" is damaged: its checksum must be`),
    );
    expect(weights).toEqual(start.weights);
    await flip(file, at);
  }
  expect((await run(1, { path: file, resume: true })).error).toBe("");
});

const bit = { at: fc.nat(1e6), bit: fc.nat(7), inHeader: fc.boolean() };
test.prop(bit, { numRuns: 60 })("no flipped bit goes unnoticed, wherever it lies", async ({ at, bit, inHeader }) => {
  const file = path("anywhere");
  await rm(`${file}.1`, { force: true });
  await run(1, { path: file, keep: 1 });
  const bytes = await readFile(file);
  await flip(file, at % (inHeader ? 8 + Number(bytes.readBigUInt64LE()) : bytes.length), bit);
  expect((await run(1, { path: file, resume: true })).error).toMatch(/^corrupt-file/);
});

test("the last checkpoints are kept, two unless told otherwise", async () => {
  const file = path("keep");
  await run(5, { path: file });
  expect(await kept(file)).toEqual({ "": 5, ".1": 4 });
  await run(9, { path: file, keep: 4, resume: true });
  expect(await kept(file)).toEqual({ "": 9, ".1": 8, ".2": 7, ".3": 6 });
  await writeFile(`${file}.note`, "mine");
  await run(10, { path: file, keep: 1, resume: true });
  await rm(`${file}.note`);
  expect(await kept(file)).toEqual({ "": 10 });
});

test("a run goes back behind a damaged checkpoint, with a warning, and ends as if nothing had been", async () => {
  const file = path("back");
  await run(3, { path: file });
  await flip(file, (await places(file))[0]?.[1] ?? 0);
  const same = await run(3, { path: file, resume: true });
  expect(same.warnings).toMatch(/"fakeScore\.0" is damaged.* The run goes on from ".*\.1"\.$/);
  expect(same.seen).toEqual([3]);
  expect(same.weights).toEqual((await run(3, { path: path("whole") })).weights);
  expect(await kept(file)).toEqual({ "": 3, ".1": 2 });
});

test("a checkpoint that is gone has the one before to go back to", async () => {
  for (const resume of [true, "if-present"] as const) {
    const file = path(`gone-${resume}`);
    await run(3, { path: file });
    await rm(file);
    const { seen, warnings, error } = await run(4, { path: file, resume });
    expect({ seen, error }).toEqual({ seen: [3, 4], error: "" });
    expect(warnings).toMatch(/there is no such file.* The run goes on from ".*\.1"\.$/);
    expect(await kept(file)).toEqual({ "": 4, ".1": 3 });
  }
});

test("where none is whole, the newest one's damage is told with the remedy", async () => {
  const file = path("none-whole");
  await run(3, { path: file });
  for (const name of [file, `${file}.1`]) await writeFile(name, (await readFile(name)).subarray(0, -1));
  const { error, seen } = await run(4, { path: file, resume: "if-present" });
  expect(error).toMatch(/^corrupt-file.*No older one is whole: start afresh, or resume from a copy\.$/);
  expect(seen).toEqual([]);
});

test("settings of another run are no damage: nothing older is tried", async () => {
  const file = path("other");
  await run(3, { path: file });
  const { error, warnings } = await run(2, { path: file, resume: true });
  expect(error).toMatch(/^checkpoint-mismatch.*it is at iteration 3, beyond the 2/);
  expect(warnings).toBe("");
});

test("a checkpoint of another format is named, and so is one without a checksum", async () => {
  const file = path("old");
  await run(2, { path: file });
  const { tensors, metadata } = decodeSafetensors(await readFile(file));
  const { checksum, checksums, ...rest } = metadata;
  await writeFile(file, encodeSafetensors(tensors, { ...rest, format: "sid-lsg checkpoint 1" }));
  expect((await run(3, { path: file, resume: true })).error).toMatch(/^checkpoint-mismatch.*2".*got.*1" without/);
  await writeFile(file, encodeSafetensors(tensors, rest));
  expect((await run(3, { path: file, resume: true })).error).toMatch(/^checkpoint-mismatch.*without a checksum/);
});

test("a disk without links keeps the one before all the same", async () => {
  const file = path("unlinked");
  const link = vi.spyOn(fs, "link").mockRejectedValue(Object.assign(new Error("EPERM"), { code: "EPERM" }));
  syncBuiltinESMExports();
  try {
    await run(3, { path: file });
    expect(link).toHaveBeenCalledTimes(3);
  } finally {
    link.mockRestore();
    syncBuiltinESMExports();
  }
  expect(await kept(file)).toEqual({ "": 3, ".1": 2 });
});

test("what a killed run was writing is removed", async () => {
  const file = path("killed");
  const id = crypto.randomUUID();
  for (const rest of [".next", `.next.${id}.tmp`, `.${id}.tmp`, `.probe.${id}.tmp`])
    await writeFile(`${file}${rest}`, "x");
  await run(1, { path: file });
  expect(await kept(file)).toEqual({ "": 1 });
});
