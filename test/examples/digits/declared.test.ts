import { dispose, tidy } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { caption, drawPairs, trainedPairs } from "../../../examples/digits/captions";
import { world } from "../../../examples/digits/world";
import { makeText, makeUnet, readFolder } from "../../../examples/text-to-image/model-folder";
import { type PredictionType, randomStream, SidError } from "../../../src/core";
import { generatorFrom } from "../../../src/models";
import { convertPrediction, noiseLevel } from "../../../src/predict";
import { uniformTimesteps } from "../../../src/schedules";
import { checkDeclared, declarationFigures } from "../../../src/train/check-declared";

const types: readonly PredictionType[] = ["eps", "x0", "v", "score"];

test("the trained teacher, as any type: it is believed, and each of eps, v and score declared as x0, and the reverse, is not", async () => {
  const folder = await readFolder(world.teacherFolder);
  const [network, text] = [makeUnet(folder, "declared/teacher"), makeText(folder, "declared/text")];
  const stream = randomStream(3);
  const captions = drawPairs(trainedPairs, 3, stream).map((pair) => caption(pair, stream));
  const cond = text.encode(captions);
  const [z, noise] = [stream.normal([3, 8, 8, 3]), stream.normal([3, 8, 8, 3])];
  // What preflight sees: samples of a generator that starts as the teacher.
  const x0 = generatorFrom(network).generate([z], cond);
  const law = uniformTimesteps()(stream, 256);
  const wrong: string[] = [];
  for (const actual of types)
    for (const declared of types) {
      const teacher = {
        ...network,
        predicts: declared,
        predict: (...[xt, t, c]: Parameters<typeof network.predict>) =>
          tidy(() => {
            const prediction = network.predict(xt, t, c);
            const level = noiseLevel(network.schedule, t);
            return convertPrediction({ prediction, xt, level, predicts: network.predicts, to: actual });
          }),
      };
      const figures = tidy(() => declarationFigures(teacher, { x0, noise, cond, law }));
      const values = [...figures.dataSync()];
      figures.dispose();
      let refused = false;
      try {
        checkDeclared(teacher, law, values);
      } catch (error) {
        refused = error instanceof SidError;
      }
      if (refused === (actual === declared)) wrong.push(`${actual} as ${declared}: ${values.join(", ")}`);
    }
  dispose([cond, z, noise, x0]);
  network.dispose();
  text.dispose();
  expect(wrong).toEqual([]);
});
