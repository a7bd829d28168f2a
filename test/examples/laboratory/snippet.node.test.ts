import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { memory } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { experiments } from "../../../examples/laboratory/experiments";
import { fromLink, toLink } from "../../../examples/laboratory/link";
import { methodNames } from "../../../examples/laboratory/methods";
import { runState } from "../../../examples/laboratory/run";
import { toSnippet } from "../../../examples/laboratory/snippet";
import { planeMethods } from "../../../examples/plane/methods";
import { useBackend } from "../../../src/backends";

const folder = resolve(".cache", `laboratory-${process.pid}`);
let tensors: number;
beforeAll(async () => {
  await useBackend("wasm");
  tensors = memory().numTensors;
  mkdirSync(folder, { recursive: true });
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  expect(memory().numTensors, "leaked tensors").toBe(tensors);
});

/** What a program prints. */
async function printed(program: string, name: string): Promise<unknown[]> {
  const path = resolve(folder, `${name}.mjs`);
  writeFileSync(path, program);
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    await import(path);
    return log.mock.calls.map(([line]) => JSON.parse(String(line)));
  } finally {
    log.mockRestore();
  }
}

const short = "v=1&batch=32&iterations=4&pretraining=30";
test.each([
  ["moons", `${short}&law=moons&a=sid-lsg_alpha_1.1_kappa4_2&b=f-distill_divergence_forward-kl_fakeUpdates_2`],
  ["flow", `${short}&law=blobs&process=flow&teacher=trained&a=sid_weight_none_passes_2&b=dmd2`],
  ["sida", `${short}&law=ring&seed=3&a=sida_learningRate_0.002&b=sds_kappa4_2`],
  ["frozen", `${short}&law=grid&a=lcm&b=diff-instruct_fakeLearningRate_0`],
  ["twice", `${short}&a=dmd2&b=dmd2_kappa4_2`],
  ...Object.entries(experiments).map(([name, { state }]) => [
    name,
    toLink({ ...state, batch: 32, iterations: 3, pretraining: 20 }),
  ]),
])("the program of a state ends with the same numbers: %s", async (name, link) => {
  const state = fromLink(link);
  const wanted = (await runState(state)).map(({ method, divergence, samples }) => ({
    method: planeMethods[method as keyof typeof planeMethods].method.name,
    ...(divergence && { lowerBound: divergence.lowerBound.value }),
    samples: samples.map((points) => [...points]),
  }));
  expect(await printed(toSnippet(state), name)).toEqual(wanted);
});

test("every method has a program", () => {
  for (const method of methodNames) {
    const program = toSnippet(fromLink(`v=1&a=${method}`));
    expect(program).toContain(`method: ${planeMethods[method].method.name}(`);
    expect(program.includes("makeDiscriminator: ")).toBe("discriminator" in planeMethods[method]);
  }
});
