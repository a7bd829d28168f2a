import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memory } from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { schedulerConfig, textConfig, unetConfig } from "../../../examples/digits/teacher-config";
import { world as digits } from "../../../examples/digits/world";
import { world as emoji } from "../../../examples/quickstart/world";
import { readTeacher } from "../../../examples/text-to-image/read-teacher";
import { type TeacherRecipe, trainTeacher } from "../../../examples/text-to-image/train-teacher";
import type { World } from "../../../examples/text-to-image/world";
import { useBackend } from "../../../src/backends";

let folder: string;
beforeAll(() => useBackend("wasm", { threads: 1 }));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sid-lsg-teacher-"));
  vi.spyOn(console, "log").mockImplementation(() => {});
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.restoreAllMocks();
});

/** The digits' world, whose teacher goes elsewhere. */
const worldIn = (name: string): World => ({
  ...(digits as World),
  teacherFolder: join(folder, name),
});
const run = (name: string, signal = new AbortController().signal) => ({ folder: join(folder, `${name} run`), signal });
const recipe: TeacherRecipe = {
  unetConfig: { ...unetConfig, block_out_channels: [8, 16], norm_num_groups: 4 },
  textConfig,
  schedulerConfig,
  backend: "wasm",
  iterations: 4,
  batch: 4,
  optimizer: { learningRate: 1e-3, beta1: 0.9, clipNorm: 1 },
  emaDecay: 0.9,
  saveEvery: 3,
  seed: 1,
};
const weights = (name: string) => readFileSync(join(folder, name, "unet", "diffusion_pytorch_model.safetensors"));

test("a teacher whose training was stopped and gone on with ends in the same bits", async () => {
  expect(await trainTeacher(worldIn("whole"), recipe, run("whole"))).toBe(4);
  const stop = new AbortController();
  let draws = 0;
  const cut = worldIn("cut");
  const stopping: World = {
    ...cut,
    drawScenes(...args) {
      if (++draws === 2) stop.abort();
      return cut.drawScenes(...args);
    },
  };
  expect(await trainTeacher(stopping, recipe, run("cut", stop.signal))).toBe(2);
  expect(existsSync(join(folder, "cut"))).toBe(false); // a committed teacher stays until there is a finished one
  expect(weights(join("cut run", "teacher")).equals(weights("whole"))).toBe(false);
  expect(await trainTeacher(cut, recipe, run("cut"))).toBe(4);
  expect(weights("cut").equals(weights("whole"))).toBe(true);
  rmSync(join(folder, "cut"), { recursive: true });
  expect(await trainTeacher(cut, recipe, run("cut"))).toBe(4); // nothing is left to do but to write it
  expect(weights("cut").equals(weights("whole"))).toBe(true);
  const { words, pictures } = await readTeacher(digits as World, join(folder, "cut"));
  expect([words, pictures]).toEqual([digits.words, digits.pictures]);
});

test("a checkpoint of another recipe is refused", async () => {
  const first = { ...recipe, iterations: 1 };
  await trainTeacher(worldIn("small"), first, run("small"));
  const larger = { ...first, unetConfig: { ...unetConfig, block_out_channels: [16, 16], norm_num_groups: 4 } };
  for (const other of [larger, { ...first, seed: 2 }, { ...first, optimizer: { learningRate: 1e-2 } }])
    await expect(trainTeacher(worldIn("small"), other, run("small"))).rejects.toThrowError(
      /of another recipe, .*move it away/,
    );
});

test("the teacher of another world is refused by what differs", async () => {
  const refused = (world: World, message: RegExp) =>
    expect(readTeacher(world, digits.teacherFolder)).rejects.toThrowError(message);
  await refused(emoji as World, /teacher is of another world than "npm start" draws: it has the words 0 1 2 3 4 5 …\./);
  const own = digits as World;
  await refused({ ...own, words: [...own.words, "zebra"] }, /it lacks the words zebra\./);
  await refused({ ...own, words: [...own.words].reverse() }, /its words are in another order/);
  await refused(
    { ...own, pictures: { ...own.pictures, patch_size: 2 } },
    /patch_size of its pictures must be 2, got 1/,
  );
  await expect(readTeacher(emoji as World, folder)).rejects.toThrowError(folder);
});

test.each([
  ["image_processor/config.json", '{ "size": 8,', /config\.json is no JSON/],
  ["image_processor/config.json", "null", /wanted whole size and patch_size.* got null/],
  ["image_processor/config.json", '{"size":8,"patch_size":3,"image_mean":0,"image_std":1}', /of which one divides/],
  ["tokenizer/words.json", "{}", /words\.json: wanted a list of words/],
  ["tokenizer/words.json", "", /words\.json is no JSON/],
])("a folder whose %s is %j is refused by the file's name", async (file, text, message) => {
  cpSync(digits.teacherFolder, join(folder, "copy"), { recursive: true });
  writeFileSync(join(folder, "copy", file), text);
  await expect(readTeacher(digits as World, join(folder, "copy"))).rejects.toThrowError(message);
});

test("nothing is left behind", async () => {
  const before = memory().numTensors;
  await trainTeacher(worldIn("leak"), { ...recipe, iterations: 1 }, run("leak"));
  expect(memory().numTensors).toBe(before);
});
