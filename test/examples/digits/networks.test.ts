import type { Tensor4D } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { caption, drawPairs, heldOutPairs, trainedPairs } from "../../../examples/digits/captions";
import { world } from "../../../examples/digits/world";
import { loadJudge } from "../../../examples/text-to-image/judge";
import { generatorMethod } from "../../../examples/text-to-image/methods";
import { makeText, makeUnet, readFolder } from "../../../examples/text-to-image/model-folder";
import { randomStream } from "../../../src/core";
import { generatorFrom } from "../../../src/models";

test("the committed teacher puts the caption's digit and colour into one-step images already, held-out pairs included", async () => {
  const { pictures, ...folder } = await readFolder(world.teacherFolder);
  const [unet, text] = [makeUnet(folder, "teacher"), makeText(folder, "text")];
  const { draw, networkPasses } = generatorMethod({ generator: generatorFrom(unet), text, pictures });
  const stream = randomStream(2);
  const pairs = [...heldOutPairs, ...drawPairs(trainedPairs, 54, stream)];
  const noise = stream.normal([64, 8, 8, 3]);
  const captions = pairs.map((pair) => caption(pair, stream));
  const images = draw(captions, noise) as Tensor4D;
  expect(networkPasses).toBe(1);
  const judge = await loadJudge(world);
  const { read } = await judge.judge(images);
  const share = (aspect: "digit" | "colour") =>
    pairs.filter((pair, i) => pair[aspect] === read[aspect]?.[i]).length / pairs.length;
  expect(share("digit")).toBeGreaterThan(0.85);
  expect(share("colour")).toBeGreaterThan(0.9);
  for (const used of [noise, images, judge, unet, text]) used.dispose();
});
