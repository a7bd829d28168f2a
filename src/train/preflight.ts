import {
  all,
  cast,
  isFinite as isFiniteElement,
  stack,
  type Tensor,
  type Tensor1D,
  tensor1d,
  tidy,
  type Variable,
} from "@tensorflow/tfjs-core";
import { checkPerSample, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import { callsArePrograms } from "../core/fused-kernels";
import { sampleSize } from "../core/per-sample";
import { runsWholeGraphs } from "../core/whole-graph";
import type { ScoreModel } from "../models/types";
import { noiseLevel } from "../predict/level";
import { momentOf } from "./batch";
import { checkDeclared, declarationFigures } from "./check-declared";
import { type Drawing, drawBatch } from "./draw-batch";
import { fakeScoreGradients } from "./fake-score-gradients";
import { generatorGradients } from "./generator-gradients";
import type { Plan } from "./plan";
import { probeStream } from "./probe-stream";

const where = "distill";

/** Throws unless the networks, the conditions and the timestep law fit together. Assigns nothing. */
export async function preflight(plan: Plan, uncond: Tensor | undefined): Promise<void> {
  const { generator, fakeScore, discriminator, teacher, method } = plan.objective;
  await checkFiniteWeights({
    ...{ teacher, generator },
    ...(fakeScore && { fakeScore }),
    ...(discriminator && { discriminator }),
    ...(plan.ema && { "ema.target": plan.ema.target }),
  });
  // The ends of the law, which a few draws need not come near.
  const moment = momentOf(plan.objective, { nimg: 0, iteration: 0, passes: generator.steps });
  const law = method.generator.timesteps(probeStream(), 256, moment);
  checkPerSample(where, `what ${method.name}'s timesteps draws`, law, 256);
  checkTimes(teacher, law);
  const figures = tidy(() => dryRun(plan, uncond, law));
  const values = await figures.data().finally(() => figures.dispose());
  if (plan.checkTeacher) checkDeclared(teacher, law, [...values]);
}

/** All gradients of one small batch, thrown away; returns the figures that {@link checkDeclared} judges. */
function dryRun(plan: Plan, uncond: Tensor | undefined, law: readonly number[]): Tensor1D {
  const { objective } = plan;
  const { generator, teacher, method } = objective;
  const stream = probeStream();
  // Few images, no more than the memory must hold anyway, or enough points in the plane for the figures to mean something.
  // Where kernels are programs, or networks graphs, which go by the shapes, a whole batch: they are compiled before the
  // first iteration, and nothing is compiled for this one alone.
  const whole = plan.batch / plan.accumulationRounds / (plan.ranks?.size ?? 1);
  const few = callsArePrograms() || runsWholeGraphs() ? whole : Math.min(2, whole);
  const count = Math.max(few, Math.min(256, Math.ceil(512 / sampleSize({ shape: [1, ...plan.sampleShape] }))));
  const passes = generator.steps;
  const moment = momentOf(objective, { nimg: Number.MAX_SAFE_INTEGER, iteration: 0, passes });
  const draw = (network: Drawing["network"], cond?: Tensor) => {
    const batch = drawBatch(plan, { stream, uncond, count, passes, network, moment, cond });
    checkPerSample(where, `what ${method.name}'s timesteps draws`, batch.t, count);
    checkTimes(teacher, batch.t);
    if (batch.other) checkTimes(teacher, batch.other.t);
    return batch;
  };
  const batch = draw("generator");
  const { cond } = batch;
  if (cond && uncond && cond.shape.slice(1).join() !== uncond.shape.slice(1).join())
    throw new SidError(
      "shape-mismatch",
      `${where}: the conditions ${showShape(cond)} and the empty one ${showShape(uncond)} must agree but for the batch.`,
    );
  try {
    if (plan.fakeUpdates > 0) tidy(() => void fakeScoreGradients(objective, draw("fakeScore", cond)));
    const x0 = generatorGradients(objective, batch).generated ?? batch.images;
    return plan.checkTeacher && x0 ? declarationFigures(teacher, { x0, noise: batch.noise, cond, law }) : tensor1d([]);
  } catch (cause) {
    const shapes = cause instanceof SidError && cause.code === "shape-mismatch";
    if (cause instanceof SidError && !shapes) throw cause;
    const conditions = cond ? ` and conditions [${cond.shape.slice(1).join(", ")}]` : "";
    throw new SidError(
      shapes ? "shape-mismatch" : "invalid-argument",
      `${where}: a trial step with ${count} samples of the option sampleShape [${plan.sampleShape.join(", ")}]${conditions} failed: ${(cause as Error).message.replace(/\.$/, "")}.`,
      { cause },
    );
  }
}

/** Throws where the timestep law draws what the schedule lacks, as that of another schedule does. */
function checkTimes({ schedule }: ScoreModel, drawn: readonly number[]): void {
  try {
    noiseLevel(schedule, drawn);
  } catch (cause) {
    if (!(cause instanceof SidError)) throw cause;
    throw new SidError(
      cause.code,
      `${where}: the method's timesteps draws what the teacher's schedule lacks (${cause.message.replace(/\.$/, "")}); it must be a law in the schedule's unit, e.g. uniformTimesteps({ min, max }) for DDPM, logNormalSigmas() for EDM, logitNormalTimes() for flow.`,
      { cause },
    );
  }
}

/** Throws, naming the first, where a weight is NaN or infinite. */
async function checkFiniteWeights(
  networks: Readonly<Record<string, { readonly variables: readonly Variable[] }>>,
): Promise<void> {
  const named = Object.entries(networks).flatMap(([role, { variables }]) =>
    variables.map((variable) => ({ role, variable })),
  );
  if (named.length === 0) return;
  const finite = tidy(() =>
    stack(named.map(({ variable }) => tidy(() => cast(all(isFiniteElement(variable)), "float32")))),
  );
  const values = await finite.data().finally(() => finite.dispose());
  const bad = named[values.indexOf(0)];
  if (bad)
    throw new SidError(
      "not-finite",
      `${where}: weight "${bad.variable.name}" of the ${bad.role} holds NaN or infinities.`,
    );
}
