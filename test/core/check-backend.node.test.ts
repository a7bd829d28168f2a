import {
  copyRegisteredKernels,
  engine,
  mul,
  registerBackend,
  removeBackend,
  type Scalar,
  setBackend,
  square,
  sum,
  tensor1d,
  variable,
} from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { useBackend } from "../../src/backends";
import { randomStream, SidError, valueAndGradients, vjp } from "../../src/core";
import { fDistill } from "../../src/methods";
import { functionModel, generatorFrom, mlp, type ScoreModel } from "../../src/models";
import { ddpmSchedule } from "../../src/schedules";
import { type DistillRun, distill } from "../../src/train";

/** Fails unless `f` says which call was missing, and leaves no tensor behind. */
async function expectAdvice(f: () => unknown, where: string, name = "wasm"): Promise<void> {
  const before = engine().state.numTensors;
  const error = await Promise.resolve()
    .then(f)
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(SidError);
  const { code, message } = error as SidError;
  expect(code).toBe("missing-backend");
  expect(message).toMatch(new RegExp(`^${where}: .*; call useBackend first: await useBackend\\("${name}"\\), from`));
  expect(engine().state.numTensors).toBe(before);
}

const schedule = ddpmSchedule();
const network = () => mlp({ dim: 2, hidden: 8 }, { name: "net", schedule, predicts: "v", weights: randomStream(1) });

/** A run of networks that were made elsewhere. */
function run(): { readonly steps: DistillRun; dispose(): void } {
  const own = (name: string): ScoreModel => {
    const weight = variable(tensor1d([1, 2]), true, name);
    return functionModel({ name, predicts: "eps", schedule, variables: [weight], predict: (x) => mul(x, weight) });
  };
  const [teacher, fakeScore, student] = ["teacher", "fake", "student"].map(own) as [ScoreModel, ScoreModel, ScoreModel];
  const generator = generatorFrom(student);
  const steps = distill({
    teacher,
    fakeScore,
    generator,
    sampleShape: [2],
    learningRate: 1e-3,
    batch: 2,
    iterations: 1,
  });
  const dispose = () => {
    for (const { dispose } of [teacher, fakeScore, student]) dispose();
  };
  return { steps, dispose };
}

// One process, from no backend to one that trains: the order matters.
test("without a backend, networks and noise say which call is missing", async () => {
  const stream = randomStream(1);
  await expectAdvice(network, "createParameters");
  await expectAdvice(() => stream.normal([2]), "RandomStream\\.normal");
  expect(stream.state().position, "nothing is drawn").toBe(0);
});

test("without a backend, methods can be made; only a divergence of one's own must be looked at", async () => {
  expect(fDistill({ divergence: "neyman" }).name).toBe("fDistill");
  await expectAdvice(() => fDistill({ divergence: (r) => square(r) }), "fDistill");
});

test("a backend that TensorFlow.js is still starting is none", async () => {
  let end: (reason: Error) => void = () => {};
  const starting = new Promise<never>((_, reject) => {
    end = reject;
  });
  registerBackend("slow", () => starting, 9);
  await expectAdvice(network, "createParameters");
  removeBackend("slow");
  end(new Error("too slow"));
});

test("a call that is not awaited has started nothing yet", async () => {
  const started = useBackend("cpu");
  await expectAdvice(network, "createParameters");
  await started;
  network().dispose();
});

test.each([
  ["wasm", "wasm", async (): Promise<void> => void (await import("@tensorflow/tfjs-backend-wasm"))],
  ["tensorflow", "node", registerTensorflow],
] as const)("%s as TensorFlow.js starts it takes no training, but reads and noise", async (own, ours, register) => {
  await register();
  await setBackend(own);
  const { steps, dispose } = run();
  const [x, weight] = [randomStream(1).normal([2]), variable(tensor1d([1, 2]))];
  await expectAdvice(network, "createParameters", ours);
  await expectAdvice(() => steps, "distill", ours);
  await expectAdvice(() => vjp(square, [x], x), "vjp", ours);
  await expectAdvice(() => valueAndGradients(() => sum(weight) as Scalar, [weight]), "valueAndGradients", ours);
  expect((await x.data()).length).toBe(2);
  dispose();
  for (const tensor of [x, weight]) tensor.dispose();
});

test("with our kernels, also on a backend that runs already, it trains", async () => {
  await setBackend("wasm");
  await useBackend("wasm");
  network().dispose();
  const { steps, dispose } = run();
  expect((await steps).iteration).toBe(1);
  dispose();
  await useBackend("cpu");
  network().dispose();
});

/** The cpu backend under the name of tfjs-node's. */
async function registerTensorflow(): Promise<void> {
  const { MathBackendCPU } = await import("@tensorflow/tfjs-backend-cpu");
  copyRegisteredKernels("cpu", "tensorflow");
  registerBackend("tensorflow", () => Object.assign(new MathBackendCPU(), { firstUse: false }));
}
