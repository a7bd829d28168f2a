import { dispose, memory, profile } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { randomStream } from "../../src/core";
import { noGuidance, shortGuidance } from "../../src/guidance";
import { sidLsg } from "../../src/methods";
import { generatorFrom, mlp } from "../../src/models";
import { ddpmSchedule } from "../../src/schedules";
import { generatorGradients } from "../../src/train";

// Activations outweigh the weights here by far, as they do in a U-Net at a useful batch size.
test.each([
  ["without guidance", noGuidance(), 0.5],
  ["with guidance", { ...shortGuidance(0.5), kappa4: 2 }, 0.6],
])("staged holds one network's activations at a time, %s", async (_, guidance, share) => {
  const stream = randomStream(1);
  const schedule = ddpmSchedule();
  const network = (name: string) =>
    mlp(
      { dim: 4, hidden: 32, depth: 6, condDim: 2 },
      { name: `train-memory/${name}`, schedule, predicts: "eps", weights: stream },
    );
  const [teacher, fakeScore, model] = ["teacher", "fake", "generator"].map(network) as [
    ReturnType<typeof network>,
    ReturnType<typeof network>,
    ReturnType<typeof network>,
  ];
  const count = 256;
  const batch = {
    noises: [stream.normal([count, 4])],
    noise: stream.normal([count, 4]),
    t: stream.integers(count, 20, 980),
    cond: stream.normal([count, 2]),
    uncond: stream.normal([1, 2]),
  };
  const peak = async (backward: "staged" | "joint") => {
    const before = memory().numBytes;
    const method = sidLsg({ guidance });
    const objective = { teacher, fakeScore, generator: generatorFrom(model), method, backward };
    const { peakBytes } = await profile(() => dispose(generatorGradients(objective, batch) as never) as never);
    return peakBytes - before;
  };
  const staged = await peak("staged");
  const joint = await peak("joint");
  expect(staged / joint).toBeLessThan(share);
  expect(staged).toBeGreaterThan(0);
  for (const m of [teacher, fakeScore, model]) m.dispose();
  dispose([...batch.noises, batch.noise, batch.cond, batch.uncond]);
});
