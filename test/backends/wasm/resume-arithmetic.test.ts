import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tensor } from "@tensorflow/tfjs-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import { fuses } from "../../../src/backends/wasm/fuses";
import { decodeSafetensors } from "../../../src/io";
import { generatorFrom, type ScoreModel } from "../../../src/models";
import { type ConditionSource, type DistillCheckpoint, distill } from "../../../src/train";
import { numbers } from "../../support/matchers";
import { allowRelaxedSimd } from "../../support/relaxed-simd";
import { features, tinyNetwork } from "../../support/tiny-network";

let folder = "";
beforeAll(async () => {
  allowRelaxedSimd();
  folder = await mkdtemp(join(tmpdir(), "sid-arithmetic-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => useBackend("wasm").then(() => {}));

const conditions: ConditionSource = {
  sample: (stream, count) => stream.normal([count, features]),
  unconditional: () => tensor([[0.5, -0.5, 0]]),
};

/** A run of the same networks from the same start, or from a checkpoint. */
async function run(iterations: number, checkpoint: DistillCheckpoint) {
  const networks = ["teacher", "fake", "generator"].map((name) => tinyNetwork(`arithmetic/${name}`, 1));
  const [teacher, fakeScore, model] = networks as [ScoreModel, ScoreModel, ScoreModel];
  const warnings: string[] = [];
  try {
    const { iteration } = await distill({
      ...{ teacher, fakeScore, generator: generatorFrom(model), sampleShape: [features], batch: 64 },
      ...{ iterations, learningRate: 0.01, checkTeacher: false, conditions, checkpoint },
      onWarning: (warning) => void warnings.push(warning),
    });
    return { iteration, warnings, weights: model.variables.flatMap((v) => numbers(v)) };
  } finally {
    for (const network of networks) network.dispose();
  }
}

const recorded = async (path: string) => decodeSafetensors(await readFile(path)).metadata["arithmetic"];

test("a checkpoint tells its arithmetic, goes on bit for bit in it, and in the other only where that is allowed", async () => {
  for (const [fma, own, other] of [
    [false, "plain", "fma"],
    [true, "fma", "plain"],
  ] as const) {
    if (!fuses()) return;
    const path = join(folder, `${own}.safetensors`);
    await useBackend("wasm", { fma });
    const straight = await run(4, { path: join(folder, `${own}-straight.safetensors`) });
    await run(2, { path });
    expect(await recorded(path)).toBe(own);

    await useBackend("wasm", { fma: !fma });
    await expect(run(4, { path, resume: true })).rejects.toMatchObject({
      code: "checkpoint-mismatch",
      message: expect.stringMatching(
        new RegExp(
          `\\("${own}"\\), and this run computes .*\\("${other}"\\); call useBackend\\("wasm", { fma: ${fma} }\\).*allowOtherArithmetic`,
        ),
      ),
    });
    expect(await recorded(path), "a refusal leaves the file").toBe(own);

    await useBackend("wasm", { fma });
    const resumed = await run(4, { path, resume: true });
    expect(resumed).toEqual(straight);

    await run(2, { path });
    await useBackend("wasm", { fma: !fma });
    const changed = await run(4, { path, resume: true, allowOtherArithmetic: true });
    expect(changed.iteration).toBe(4);
    expect(changed.warnings).toEqual([expect.stringMatching(/goes on, not bit for bit/)]);
    expect(await recorded(path)).toBe(other);
  }
});

test("a checkpoint that does not tell, of a backend with one arithmetic or of an old version, goes on in either", async () => {
  const path = join(folder, "silent.safetensors");
  await useBackend("cpu");
  await run(2, { path });
  expect(await recorded(path)).toBeUndefined();
  for (const fma of fuses() ? [false, true] : [false]) {
    await useBackend("wasm", { fma });
    expect(await run(2, { path, resume: true })).toMatchObject({ iteration: 2, warnings: [] });
  }
  await expect(run(2, { path, allowOtherArithmetic: "yes" as never })).rejects.toMatchObject({
    code: "invalid-argument",
  });
});
