import { tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { handleFolder, type WritableFolder } from "../../src/io";
import { generatorFrom, type ScoreModel } from "../../src/models";
import { type ConditionSource, type DistillCheckpoint, distill } from "../../src/train";
import { type FakeDirectory, fakeDirectory } from "../support/directory-handle";
import { numbers } from "../support/matchers";
import { features, tinyNetwork } from "../support/tiny-network";

const name = "run.safetensors";
const conditions: ConditionSource = {
  sample: (stream, count) => stream.normal([count, features]),
  unconditional: () => tensor([[0.5, -0.5, 0]]),
};

/** A run to that iteration from one start: its weights, or what it threw. */
async function run(
  iterations: number,
  folder: WritableFolder,
  { path = name, resume = "if-present" }: Partial<DistillCheckpoint> = {},
) {
  const networks = ["teacher", "fake", "generator"].map((name) => tinyNetwork(`checkpoint-folder/${name}`, 1));
  const [teacher, fakeScore, model] = networks as [ScoreModel, ScoreModel, ScoreModel];
  const warnings: string[] = [];
  const seen: number[] = [];
  let error: unknown;
  try {
    await distill({
      ...{ teacher, fakeScore, generator: generatorFrom(model), sampleShape: [features], batch: 2 },
      ...{
        iterations,
        learningRate: 0.01,
        checkTeacher: false,
        conditions,
        checkpoint: { path, folder, every: 1, resume },
      },
      onIteration: ({ iteration }) => void seen.push(iteration),
      onWarning: (warning) => void warnings.push(warning),
    });
  } catch (thrown) {
    error = thrown;
  }
  const weights = networks.flatMap((network) => network.variables.flatMap((v) => numbers(v)));
  for (const network of networks) network.dispose();
  return { weights, error, seen, warnings };
}

const names = ({ files }: FakeDirectory) => [...files.keys()].sort();

test("a run is saved in a folder that is no disk, two checkpoints at a time, and goes on from there bit for bit", async () => {
  const directory = fakeDirectory();
  await run(3, handleFolder(directory));
  expect(names(directory)).toEqual([name, `${name}.1`]);
  const resumed = await run(5, handleFolder(directory));
  expect(resumed.seen).toEqual([4, 5]);
  expect(resumed.weights).toEqual((await run(5, handleFolder(fakeDirectory()))).weights);
});

test("one that is killed at any moment of a save loses that save at most", async () => {
  const whole = (await run(4, handleFolder(fakeDirectory()))).weights;
  for (let lives = 1; ; lives++) {
    const directory = fakeDirectory();
    const folder = handleFolder(directory);
    let left = Number.POSITIVE_INFINITY;
    /** Dies before its turn, or half-way through writing. */
    const mortal: WritableFolder = {
      ...folder,
      async write(name, parts) {
        if (left-- > 0) return folder.write(name, parts);
        await folder.write(name, parts.slice(0, 2));
        throw new Error("killed");
      },
      async rename(from, to) {
        if (left-- <= 0) throw new Error("killed");
        await folder.rename(from, to);
      },
      async remove(name) {
        if (left-- <= 0) throw new Error("killed");
        await folder.remove(name);
      },
    };
    await run(2, mortal);
    left = lives;
    const { error } = await run(4, mortal);
    if (error === undefined) break;
    expect(lives).toBeLessThan(20);
    const after = await run(4, folder);
    expect(after.error).toBeUndefined();
    expect(after.seen[0]).toBeGreaterThanOrEqual(2);
    expect(after.weights).toEqual(whole);
    expect(names(directory)).toEqual([name, `${name}.1`]);
  }
});

test("a folder that cannot be written or has no functions is refused before anything is computed", async () => {
  const full = handleFolder(fakeDirectory({ writer: "none" }));
  expect((await run(1, full)).error).toMatchObject({
    code: "io",
    message: expect.stringMatching(/^distill: checkpoint "run.safetensors": cannot be written: .*writes no files/),
  });
  expect((await run(1, {} as WritableFolder)).error).toMatchObject({
    code: "invalid-argument",
    message: expect.stringMatching(/checkpoint\.folder/),
  });
});

test("a path that is no name of a file in the folder is refused at the call", async () => {
  for (const path of ["runs/a.safetensors", "/a", "..", "a\\b"])
    expect((await run(1, handleFolder(fakeDirectory()), { path })).error).toMatchObject({
      code: "invalid-argument",
      message: expect.stringMatching(/^distill: with checkpoint\.folder, checkpoint\.path must be the name of a file/),
    });
});
