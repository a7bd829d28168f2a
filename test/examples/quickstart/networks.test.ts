import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Tensor4D, tidy } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { world } from "../../../examples/quickstart/world";
import { loadJudge } from "../../../examples/text-to-image/judge";
import { makeText, makeUnet } from "../../../examples/text-to-image/model-folder";
import { sampleShape, unpack } from "../../../examples/text-to-image/picture-format";
import { readTeacher } from "../../../examples/text-to-image/read-teacher";
import type { World } from "../../../examples/text-to-image/world";
import { randomStream } from "../../../src/core";
import { ddimSample } from "../../../src/models";

test("the committed teacher takes less than 6 MB", () => {
  const files = readdirSync(world.teacherFolder, { recursive: true, encoding: "utf8" });
  const sizes = files.map((file) => statSync(join(world.teacherFolder, file)).size);
  expect(sizes.reduce((a, b) => a + b)).toBeLessThan(6e6);
});

test("the committed teacher draws what its captions say in ten guided steps, held-out pairs included", async () => {
  const { pictures, ...folder } = await readTeacher(world as World, world.teacherFolder);
  const [unet, text] = [makeUnet(folder, "teacher"), makeText(folder, "text")];
  const stream = randomStream(2);
  const scenes = [...world.drawScenes("trained", 16, stream), ...world.drawScenes("heldOut", 16, stream)];
  const captions = scenes.map((scene) => world.caption(scene, stream));
  const noise = stream.normal([scenes.length, ...sampleShape(pictures)]);
  const drawn = tidy(() => {
    const [cond, uncond] = [text.encode(captions), text.encode([""])];
    return unpack(ddimSample(unet, { noise, cond, uncond, steps: 10, guidanceScale: 1.5 }), pictures);
  });
  const judge = await loadJudge(world as World);
  const { read } = await judge.judge(drawn as Tensor4D);
  const right = scenes.filter((scene, i) =>
    Object.entries(scene).every(([aspect, value]) => read[aspect]?.[i] === value),
  );
  expect(right.length / scenes.length).toBeGreaterThan(0.85);
  for (const used of [noise, drawn, judge, unet, text]) used.dispose();
});
