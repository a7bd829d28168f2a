import { mkdtempSync, readFileSync, rmSync } from "node:fs";
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
const run = (name: string, signal = new AbortController().signal) => ({
  checkpoint: join(folder, `${name}.safetensors`),
  signal,
});
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
  expect(weights("cut").equals(weights("whole"))).toBe(false);
  expect(await trainTeacher(cut, recipe, run("cut"))).toBe(4);
  expect(weights("cut").equals(weights("whole"))).toBe(true);
  expect(await trainTeacher(cut, recipe, run("cut"))).toBe(4); // nothing is left to do
  const { words, pictures } = await readTeacher(digits as World, join(folder, "cut"));
  expect([words, pictures]).toEqual([digits.words, digits.pictures]);
});

test("a checkpoint of another network is refused", async () => {
  await trainTeacher(worldIn("small"), { ...recipe, iterations: 1 }, run("small"));
  const larger = { ...recipe, unetConfig: { ...unetConfig, block_out_channels: [16, 16], norm_num_groups: 4 } };
  await expect(trainTeacher(worldIn("small"), larger, run("small"))).rejects.toThrowError(
    /of another network .*move it away/,
  );
});

test("the teacher of another world is refused by what differs", async () => {
  await expect(readTeacher(emoji as World, digits.teacherFolder)).rejects.toThrowError(
    /teacher of another world: its vocabulary must be a an angelfish .* got 0 1 2 .*"npm start" without --teacher/,
  );
  const packed: World = { ...(digits as World), pictures: { ...digits.pictures, patch_size: 2 } };
  await expect(readTeacher(packed, digits.teacherFolder)).rejects.toThrowError(/pictures' patch_size must be 2, got 1/);
  await expect(readTeacher(emoji as World, folder)).rejects.toThrowError(folder);
});

test("nothing is left behind", async () => {
  const before = memory().numTensors;
  await trainTeacher(worldIn("leak"), { ...recipe, iterations: 1 }, run("leak"));
  expect(memory().numTensors).toBe(before);
});
