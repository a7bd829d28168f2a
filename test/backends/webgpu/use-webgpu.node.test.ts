/**
 * WebGPU on a real device, or on a processor that plays one (SwiftShader). Where there is none it is skipped, or fails
 * if `SID_REQUIRE_WEBGPU` is set, as in CI. That every part computes what cpu does, test/backends/contract.node.test.ts shows.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  add,
  backend,
  memory,
  ones,
  square,
  sum,
  type Tensor,
  tensor,
  tensor1d,
  tidy,
  zeros,
} from "@tensorflow/tfjs-core";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { useBackend } from "../../../src/backends";
import type { WebgpuBackend } from "../../../src/backends/webgpu/types";
import { type RandomStream, SidError } from "../../../src/core";
import { generatorFrom } from "../../../src/models";
import { type ConditionSource, type DistillMetrics, type DistillOptions, distill } from "../../../src/train";
import { expectSidError } from "../../support/errors";
import { relativeError } from "../../support/matchers";
import { features, tinyNetwork } from "../../support/tiny-network";

const why = await useBackend("webgpu").then(
  () => "",
  (error: unknown) => {
    if (process.env["SID_REQUIRE_WEBGPU"] || !(error instanceof SidError)) throw error;
    return error.message;
  },
);
const device = () => (backend() as unknown as WebgpuBackend).device;

const folder = mkdtempSync(join(tmpdir(), "sid-webgpu-"));
const dist = resolve(".cache/webgpu-exit");
afterAll(() => {
  for (const path of [folder, dist]) rmSync(path, { recursive: true, force: true });
});

let before = 0;
beforeEach(async () => {
  if (!why) await useBackend("webgpu");
  before = memory().numTensors;
});
afterEach(() => {
  expect(memory().numTensors, "leaked tensors").toBe(before);
});

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    (value) => value,
    (reason: unknown) => reason,
  );
}

const conditions: ConditionSource = {
  name: "noise",
  sample: (stream: RandomStream, count: number) => stream.normal([count, features]),
  unconditional: () => zeros([1, features]),
};

interface Outcome {
  readonly metrics: readonly Omit<DistillMetrics, "seconds">[];
  readonly weights: ArrayLike<number>[];
  readonly error: unknown;
}

/** A small run; the weights of its generator are read unless it failed. */
async function run(
  changes: Partial<DistillOptions> = {},
  each: (iteration: number) => void | Promise<void> = () => {},
): Promise<Outcome> {
  const networks = ["teacher", "fake", "generator"].map((name, i) => tinyNetwork(`webgpu/${name}`, i % 2));
  const [teacher, fakeScore, model] = networks as [ReturnType<typeof tinyNetwork>, never, never];
  const metrics: Outcome["metrics"][number][] = [];
  try {
    const generator = generatorFrom(model as typeof teacher);
    const options = {
      teacher,
      fakeScore,
      generator,
      sampleShape: [features],
      conditions,
      iterations: 4,
      batch: 4,
      learningRate: 0.01,
    };
    for await (const { seconds, ...rest } of distill({ ...options, checkTeacher: false, ...changes })) {
      expect(seconds).toBeGreaterThan(0);
      metrics.push(rest);
      await each(rest.iteration);
    }
    const weights = await Promise.all((model as typeof teacher).variables.map((v) => v.data()));
    return { metrics, weights: weights.map((values) => values.slice()), error: undefined };
  } catch (error) {
    return { metrics, weights: [], error };
  } finally {
    for (const network of networks) network.dispose();
  }
}

describe.skipIf(why)(why || "webgpu", () => {
  test("trains like cpu, and a run resumes bit for bit", { timeout: 300_000 }, async () => {
    const path = join(folder, "resume.safetensors");
    const whole = await run();
    await run({ checkpoint: { path }, iterations: 2 });
    const rest = await run({ checkpoint: { path, resume: true } });
    expect([whole.error, rest.error]).toEqual([undefined, undefined]);
    expect(rest.metrics).toEqual(whole.metrics.slice(2));
    expect(rest.weights).toEqual(whole.weights);
    await useBackend("cpu");
    const onCpu = await run();
    await useBackend("webgpu");
    expect(whole.weights.length).toBe(onCpu.weights.length);
    whole.weights.forEach((w, i) => {
      expect(relativeError(w, onCpu.weights[i] ?? [])).toBeLessThan(1e-4);
    });
  });

  test.each(["in an iteration", "while a checkpoint is written"])(
    "a device that is lost %s ends the run with that error; the last checkpoint is whole",
    { timeout: 300_000 },
    async (when) => {
      const path = join(folder, `lost-${when}.safetensors`);
      const whole = await run();
      let intact: Buffer | undefined;
      const lost = await run(
        {
          checkpoint: { path, every: 1 },
          onGradients: ({ iteration, network }) => {
            if (when === "in an iteration" && iteration === 3 && network === "generator") device().destroy();
            return undefined;
          },
          onIteration: ({ iteration }) => {
            if (when !== "in an iteration" && iteration === 3) device().destroy();
          },
        },
        async (iteration) => {
          if (iteration === 2) intact = await readFile(path);
        },
      );
      expect(lost.error).toBeInstanceOf(SidError);
      expect(lost.error).toMatchObject({ code: "device-lost" });
      expect(lost.metrics).toEqual(whole.metrics.slice(0, 2));
      expect(intact && (await readFile(path)).equals(intact)).toBe(true);

      await useBackend("webgpu");
      const rest = await run({ checkpoint: { path, resume: true } });
      expect(rest.error).toBeUndefined();
      expect(rest.metrics).toEqual(whole.metrics.slice(2));
      expect(rest.weights).toEqual(whole.weights);
    },
  );

  test("a read in flight when the device goes, and all that follows, throws", async () => {
    const x = ones([2000]);
    const y = square(x);
    const reading = y.data();
    device().destroy();
    expect(await rejection(reading)).toMatchObject({ code: "device-lost" });
    expectSidError("device-lost", () => add(x, y), /useBackend\("webgpu"\) starts anew/);
    expect(await rejection(y.data())).toMatchObject({ code: "device-lost" });
    await useBackend("webgpu");
    // On the new device, what was on the old one is still gone; what is new is right.
    expectSidError("device-lost", () => add(y, 1));
    x.dispose();
    y.dispose();
    const [fresh, total] = [ones([2000])].flatMap((z) => [z, sum(z)]) as [Tensor, Tensor];
    expect((await total.data())[0]).toBe(2000);
    fresh.dispose();
    total.dispose();
  });

  test("after a command that the GPU refused no number is read", async () => {
    const x = ones([2000]);
    const y = square(x);
    const { device: gpu } = backend() as unknown as { device: { createBuffer(of: object): void } };
    gpu.createBuffer({ size: 16, usage: 0 });
    expect(await rejection(y.data())).toMatchObject({ code: "device-lost", message: expect.stringMatching(/refused/) });
    x.dispose();
    y.dispose();
  });

  test("a tensor larger than the GPU takes is refused in words, and the rest goes on", async () => {
    const { maxBufferSize, maxStorageBufferBindingSize } = device().limits;
    const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    const x = ones([1000, 1]);
    // Broadcast: the small tensors take no memory, and the product too much.
    const row = zeros([1, Math.ceil(most / 4000) + 1]);
    expectSidError("out-of-memory", () => add(x, row), /does not fit, the GPU takes at most \d+ MiB/);
    const total = sum(x);
    expect((await total.data())[0]).toBe(1000);
    for (const tensorOf of [x, row, total]) tensorOf.dispose();
  });

  test("dataSync() says what to use; data on the host it reads", async () => {
    const x = tensor1d([1, 2, 3]);
    expect([...x.dataSync()]).toEqual([1, 2, 3]);
    const y = square(x);
    expectSidError("unsupported", () => y.dataSync(), /await tensor\.data\(\)/);
    expectSidError("unsupported", () => y.arraySync());
    expect([...(await y.data())]).toEqual([1, 4, 9]);
    expect([...y.dataSync()], "read before").toEqual([1, 4, 9]);
    x.dispose();
    y.dispose();
  });

  test("a small tensor is computed in float32, on the host or not", async () => {
    const all = await Promise.all(
      [4, 5000].map(async (size) => {
        const x = tidy(() => {
          const values = tensor(new Float32Array(size).fill(0.1));
          return add(values, tensor(new Float32Array(size).fill(0.2)));
        });
        const values = await x.data();
        x.dispose();
        return values[0];
      }),
    );
    const wanted = Math.fround(Math.fround(0.1) + Math.fround(0.2));
    expect(all).toEqual([wanted, wanted]);
  });

  test("memory comes to rest in a loop, and is given back where sizes differ", async () => {
    const used = () => memory() as unknown as { numBytesInGPU: number; numBytesAllocatedInGPU: number };
    const step = async (size: number) => {
      const x = tidy(() => sum(square(add(ones([size]), 1))));
      expect((await x.data())[0]).toBe(4 * size);
      x.dispose();
    };
    for (let i = 0; i < 3; i++) await step(100_000);
    const rest = used().numBytesAllocatedInGPU;
    for (let i = 0; i < 20; i++) await step(100_000);
    expect(used().numBytesAllocatedInGPU).toBe(rest);
    for (let i = 1; i < 40; i++) await step(100_000 - 1000 * i);
    expect(used().numBytesAllocatedInGPU).toBeLessThan(2 * rest);
  });

  test("a program that has trained a step ends by itself", { timeout: 120_000 }, () => {
    execFileSync("npx", ["tsup", "--no-dts", "--silent", "--out-dir", dist]);
    const program = join(dist, "program.mjs");
    writeFileSync(
      program,
      `
import { ddpmSchedule, randomStream } from "./index.js";
import { useBackend } from "./backends.js";
import { gaussianModel, generatorFrom, mlp } from "./models.js";
import { distill } from "./train.js";
await useBackend("webgpu");
const schedule = ddpmSchedule();
const network = (name) => mlp({ dim: 2, hidden: 4 }, { name, schedule, predicts: "eps", weights: randomStream(1) });
const teacher = network("teacher");
const [fakeScore, generator] = [network("fake"), generatorFrom(network("generator"))];
const options = { teacher, fakeScore, generator, sampleShape: [2], batch: 4, iterations: 1, checkTeacher: false };
for await (const { iteration } of distill(options)) console.log("trained", iteration);
`,
    );
    // Ends at the timeout with an error where the program does not end before.
    expect(execFileSync(process.execPath, [program], { encoding: "utf8", timeout: 90_000 })).toBe("trained 1\n");
  });
});
