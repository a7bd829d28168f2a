import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memory, type Tensor4D, tensor4d } from "@tensorflow/tfjs-core";
import { afterAll, expect, test } from "vitest";
import { world as digits } from "../../../examples/digits/world";
import { soften } from "../../../examples/text-to-image/examine-judge";
import { loadJudge } from "../../../examples/text-to-image/judge";
import { runJudgeTraining } from "../../../examples/text-to-image/train-judge";
import type { Scene, World } from "../../../examples/text-to-image/world";
import { randomStream } from "../../../src/core";
import { readSafetensors } from "../../../src/io";

const folder = mkdtempSync(join(tmpdir(), "judge-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Squares that are red or green, on the left or on the right. */
const squares: World = {
  ...digits,
  aspects: { ink: ["red", "green"], place: ["left", "right"] },
  pictures: { size: 6, patch_size: 1, image_mean: 0.1, image_std: 0.3 },
  judgeFile: join(folder, "judge.safetensors"),
  drawScenes: (group, count, stream): Scene[] =>
    stream.uniform(count).map((u) => ({
      ink: group === "heldOut" ? "red" : u < 0.4 ? "red" : "green",
      place: (10 * u) % 1 < 0.5 ? "left" : "right",
    })),
  loadPictures: () => ({ draw: drawSquares }),
};

function drawSquares(scenes: readonly Scene[]): Tensor4D {
  const data = scenes.flatMap(({ ink, place }) =>
    Array.from({ length: 108 }, (_, i) => {
      const [row, column, channel] = [Math.floor(i / 18), Math.floor(i / 3) % 6, i % 3];
      const left = place === "left" ? 0 : 3;
      const inside = row > 1 && row < 5 && column >= left && column < left + 3;
      return inside && channel === (ink === "red" ? 0 : 1) ? 3 : -0.3;
    }),
  );
  return tensor4d(data, [scenes.length, 6, 6, 3]);
}

test("a judge learns a world of its own, and what it is examined on is written beside its weights", async () => {
  await runJudgeTraining(squares, { iterations: 100, batch: 32, learningRate: 5e-3, seed: 1 });
  expect(process.exitCode).toBeUndefined();
  const judge = await loadJudge(squares);
  const scenes = squares.drawScenes("trained", 200, randomStream(7));
  const pictures = drawSquares(scenes);
  const { read } = await judge.judge(pictures);
  expect(read).toEqual({ ink: scenes.map(({ ink }) => ink), place: scenes.map(({ place }) => place) });
  pictures.dispose();
  judge.dispose();
  expect(memory().numTensors, "leaked tensors").toBe(0);
  const { metadata } = await readSafetensors(squares.judgeFile);
  expect(Object.keys(metadata)).toEqual(["clean", "noise 0.1", "noise 0.2", "noise 0.3", "soft", "soft, noise 0.1"]);
  expect(metadata["clean"]).toMatch(/^ink 1.0000, place 1.0000, all 1.0000, distance \d+\.\d$/);
  const distances = Object.values(metadata).map((figures) => Number(figures.split("distance ")[1]));
  expect(Math.max(...distances.slice(1))).toBeGreaterThan(5 * (distances[0] as number));
});

test("a soft picture is its binomial blur, with the outermost pixels repeated outside", async () => {
  const picture = tensor4d([0, 0, 0, 16, 32, 48, 0, 0, 0, 0, 0, 0], [1, 2, 2, 3]);
  const soft = soften(picture);
  // The rows weigh 3/4 and 1/4 in their own places, and so do the columns.
  expect(Array.from(await soft.data())).toEqual([3, 6, 9, 9, 18, 27, 1, 2, 3, 3, 6, 9]);
  for (const tensor of [picture, soft]) tensor.dispose();
});
