import { dispose, memory, type Tensor } from "@tensorflow/tfjs-core";
import { isDataUpdate } from "../methods/check-method";
import type { Method } from "../methods/types";
import { distill } from "../train/distill";
import { fakeScoreGradients } from "../train/fake-score-gradients";
import { generatorGradients } from "../train/generator-gradients";
import { needsImages, needsOf, type Objective } from "../train/objective";
import { type ContractCase, close, fail, finite, same, take, type Values } from "./contract-case";
import { cotangentsAt, inputsOf, type Stage, stagesOf } from "./inputs";
import { batchOn, conditions, imagesOf, networksOn } from "./networks";

/** What is demanded of a method under `generatorGradients`, `fakeScoreGradients` and `distill`. */
export function trainingCases(make: () => Method): ContractCase[] {
  return [
    { name: "staged and joint backward agree", run: () => eachStage(make(), stagedAndJoint) },
    { name: "a backward pass is made where the gradient flows, and nowhere else", run: () => backwardPasses(make()) },
    { name: "two iterations of distill are the same for the same seed, and leave no tensor", run: () => runs(make()) },
  ];
}

async function eachStage(method: Method, demand: (method: Method, stage: Stage) => Promise<void>): Promise<void> {
  for (const stage of stagesOf(method)) await demand(method, stage);
}

/** The networks that the method needs. */
function objectiveOf(method: Method, { networks }: ReturnType<typeof networksOn>): Objective {
  const { teacher, generator, ...optional } = networks;
  const needs = needsOf(method);
  const needed = Object.entries(optional).filter(([name]) => needs[name as keyof typeof needs]);
  return { teacher, generator, method, ...Object.fromEntries(needed) };
}

/** Loss and gradients of the generator's update. */
async function gradientsOf(method: Method, stage: Stage, steps: number, backward: "staged" | "joint") {
  const made = networksOn(stage, steps);
  const { batch, dispose: free } = batchOn(method, stage, steps, "generator");
  try {
    const result = generatorGradients({ ...objectiveOf(method, made), backward }, batch);
    const { loss, gradients, ...rest } = result;
    dispose(rest as never);
    const values = await take({ loss, ...Object.fromEntries(gradients.map((g, i) => [`gradient ${i}`, g])) });
    return { values, backward: made.backward };
  } finally {
    free();
    made.dispose();
  }
}

async function stagedAndJoint(method: Method, stage: Stage): Promise<void> {
  const steps = 2;
  const staged = (await gradientsOf(method, stage, steps, "staged")).values;
  const joint = (await gradientsOf(method, stage, steps, "joint")).values;
  finite("the gradients of the generator", staged);
  const whole = ({ loss, ...gradients }: Values): Values => ({
    loss: loss as readonly number[],
    gradients: Object.values(gradients).flat(),
  });
  close("staged, beside joint,", whole(staged), whole(joint), 1e-4);
}

async function backwardPasses(method: Method): Promise<void> {
  const [stage] = stagesOf(method);
  const { generator } = method;
  const { backward } = await gradientsOf(method, stage, 1, "staged");
  const wanted: Record<string, number> = { teacher: 0, fakeScore: 0, average: 0, discriminator: 0 };
  if (!isDataUpdate(generator)) {
    const returned = await cotangentsAt(generator, inputsOf(method, stage), stage);
    for (const [name, { of }] of Object.entries(generator.asks))
      if (name in returned) wanted[of] = (wanted[of] as number) + 1;
    wanted["generator"] = 1;
  }
  expectPasses("the generator's update", backward, wanted);
  if (method.fakeScore === undefined) return;
  const made = networksOn(stage, 1);
  const { batch, dispose: free } = batchOn(method, stage, 1, "fakeScore");
  try {
    dispose(fakeScoreGradients(objectiveOf(method, made), batch) as never);
    expectPasses("the fake score's update", made.backward, { teacher: 0, fakeScore: 1, generator: 0 });
  } finally {
    free();
    made.dispose();
  }
}

function expectPasses(where: string, got: Readonly<Record<string, number>>, wanted: Readonly<Record<string, number>>) {
  for (const [name, passes] of Object.entries(wanted))
    if (got[name] !== passes) {
      const remedy = passes < (got[name] as number) ? "; a question's gradient: true costs one each" : "";
      fail(`${where} must make ${passes} backward passes through the ${name}, got ${got[name]}${remedy}.`);
    }
}

async function runs(method: Method): Promise<void> {
  const [stage] = stagesOf(method);
  const before = memory().numTensors;
  const first = await oneRun(method, stage);
  const second = await oneRun(method, stage);
  const left = memory().numTensors - before;
  if (left !== 0) fail(`two runs of distill left ${left} tensors.`);
  finite("the weights after two iterations", first.after);
  same("the weights after two iterations, run again,", second.after, first.after);
  const startsAt = isDataUpdate(method.generator) ? 0 : (method.generator.startsAt ?? 0);
  if (startsAt === 0 && first.after["generator"]?.join() === first.before["generator"]?.join())
    fail("two iterations of distill must change the generator, whose weights are as they were.");
}

async function oneRun(method: Method, stage: Stage): Promise<{ readonly before: Values; readonly after: Values }> {
  const made = networksOn(stage, 2);
  const images = imagesOf();
  const { average, ...networks } = made.networks;
  const weights = async (): Promise<Values> => {
    const all = Object.entries(networks).map(async ([name, { variables }]) => {
      const copies = variables.map((v, i): [string, Tensor] => [String(i), v.clone()]);
      return [name, Object.values(await take(Object.fromEntries(copies))).flat()] as const;
    });
    return Object.fromEntries(await Promise.all(all));
  };
  try {
    const before = await weights();
    const { average: _, ...needed } = objectiveOf(method, made);
    await distill({
      ...{ ...needed, images: needsImages(method) ? images.source : undefined, conditions, ema: { target: average } },
      ...{ sampleShape: [3], batch: 4, iterations: 2, learningRate: 1e-3, seed: 1 },
      ...{ checkTeacher: false, onWarning: () => {} },
    });
    return { before, after: await weights() };
  } finally {
    images.dispose();
    made.dispose();
  }
}
