import {
  all,
  cast,
  div,
  isFinite as isFiniteElement,
  maximum,
  mul,
  sqrt,
  square,
  stack,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  tidy,
  type Variable,
} from "@tensorflow/tfjs-core";
import { showShape } from "../core/checks";
import { SidError } from "../core/errors";
import { sampleSize } from "../core/per-sample";
import { noGrad } from "../core/tape";
import type { ScoreModel } from "../models/types";
import { addNoise, noiseLevel } from "../predict/level";
import { fakeScoreGradients } from "./fake-score-gradients";
import { generatorGradients } from "./generator-gradients";
import type { Plan } from "./plan";
import { probeStream } from "./probe-stream";

const where = "distill";

/** Throws unless the networks, the conditions and the timestep law fit together. Assigns nothing. */
export async function preflight(plan: Plan, uncond: Tensor | undefined): Promise<void> {
  const { generator, fakeScore, teacher } = plan.generatorObjective;
  await checkFiniteWeights({ teacher, fakeScore, generator, ...(plan.ema && { "ema.target": plan.ema.target }) });
  const figures = tidy(() => dryRun(plan, uncond));
  const values = await figures.data().finally(() => figures.dispose());
  if (plan.checkTeacher) checkDeclared(teacher, [...values]);
}

/** Both gradients of one small batch, thrown away; returns the figures that {@link checkDeclared} judges. */
function dryRun(plan: Plan, uncond: Tensor | undefined): Tensor1D {
  const { generator, teacher } = plan.generatorObjective;
  const stream = probeStream();
  // Few images, no more than the memory must hold anyway, or enough points in the plane for the figures to mean something.
  const few = Math.min(2, plan.batch / plan.accumulationRounds);
  const count = Math.min(256, Math.max(few, Math.ceil(512 / sampleSize({ shape: [1, ...plan.sampleShape] }))));
  const shape = [count, ...plan.sampleShape];
  const noises = Array.from({ length: generator.steps }, () => stream.normal(shape));
  const noise = stream.normal(shape);
  const cond = plan.conditions?.sample(stream, count);
  if (cond && uncond && cond.shape.slice(1).join() !== uncond.shape.slice(1).join())
    throw new SidError(
      "shape-mismatch",
      `${where}: the conditions ${showShape(cond)} and the empty one ${showShape(uncond)} must agree but for the batch.`,
    );
  const drawn = plan.timesteps(stream, count);
  // The ends of the law, which a few draws need not come near.
  const law = plan.timesteps(stream, 256);
  checkTimes(teacher, [...drawn, ...law]);
  try {
    const batch = { noises, noise, t: drawn, cond, uncond };
    fakeScoreGradients(plan.fakeObjective, batch);
    const x0 = generatorGradients(plan.generatorObjective, batch).generated;
    const at = (time: number) => {
      const t = Array<number>(count).fill(time);
      const xt = addNoise({ x0, noise, level: noiseLevel(teacher.schedule, t) });
      const prediction = noGrad(() => teacher.predict(xt, t, cond));
      // The score in units of the noise: −ε̂, whatever σ is.
      const scale = teacher.predicts === "score" ? teacher.schedule.sigma(time) : 1;
      return { xt, prediction: mul(prediction, scale) };
    };
    const noisy = at(Math.max(...law));
    const clean = at(Math.min(...law));
    return stack([
      cosine(noisy.xt, noise),
      slope(noisy.prediction, noise),
      cosine(clean.xt, x0),
      slope(clean.prediction, clean.xt),
      sqrt(ratio(sum(square(sub(clean.prediction, clean.xt))), sum(square(clean.xt)))),
    ]) as Tensor1D;
  } catch (cause) {
    const shapes = cause instanceof SidError && cause.code === "shape-mismatch";
    if (cause instanceof SidError && !shapes) throw cause;
    const conditions = cond ? ` and conditions [${cond.shape.slice(1).join(", ")}]` : "";
    throw new SidError(
      shapes ? "shape-mismatch" : "invalid-argument",
      `${where}: the networks do not work with the option sampleShape [${plan.sampleShape.join(", ")}]${conditions} (tried with ${count} at once: ${(cause as Error).message.replace(/\.$/, "")}).`,
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
      `${where}: the option timesteps draws what the teacher's schedule lacks (${cause.message.replace(/\.$/, "")}); it must be a law in the schedule's unit, e.g. uniformTimesteps({ min, max }) for DDPM, logNormalSigmas() for EDM, logitNormalTimes() for flow.`,
      { cause },
    );
  }
}

function cosine(a: Tensor, b: Tensor): Tensor {
  return ratio(sum(mul(a, b)), sqrt(mul(sum(square(a)), sum(square(b)))));
}

/** How much of `b` is in `a`: the factor c for which `c·b` comes closest to `a`. */
function slope(a: Tensor, b: Tensor): Tensor {
  return ratio(sum(mul(a, b)), sum(square(b)));
}

/** `a / b`, and 0 for 0 / 0: a network may well return zeros. */
function ratio(a: Tensor, b: Tensor): Tensor {
  return div(a, maximum(b, 1e-30));
}

/**
 * Throws where a prediction cannot be what it is declared to be.
 *
 * Where x_t is nearly pure noise, ε̂ is the noise, −σ·score as well, and v holds at most `alpha` of it; a
 * cosine would not tell, since for centred data x0 and v may be small multiples of x_t. Where x_t is
 * nearly clean, x0 is nearly x_t and v is not. On a `ve` schedule v is no more than `ε − σ·x0` and may
 * look like anything.
 */
function checkDeclared({ predicts, schedule }: ScoreModel, figures: number[]): void {
  const [noise, ofNoise, signal, ofInput, fromInput] = figures as [number, number, number, number, number];
  if (!figures.every(Number.isFinite))
    throw new SidError("not-finite", `${where}: the teacher's prediction for the generator's samples is not finite.`);
  const refuse = (finding: string): never => {
    throw new SidError(
      "invalid-argument",
      `${where}: the teacher declares "${predicts}", but ${finding}; correct "predicts", or set checkTeacher to false.`,
    );
  };
  const vOfSignal = predicts === "v" && schedule.kind !== "ve";
  if (noise > 0.95) {
    const found = `its output for nearly pure noise holds ${ofNoise.toFixed(2)} times that noise`;
    if (predicts === "eps" && ofNoise < 0.5) refuse(found);
    if (predicts === "score" && ofNoise > -0.5) refuse(found);
    if (vOfSignal && Math.abs(ofNoise) > 0.7) refuse(found);
  }
  if (signal > 0.95) {
    if (predicts === "x0" && fromInput > 0.7)
      refuse(`its output for nearly clean samples differs from them by ${fromInput.toFixed(2)} times their length`);
    if (vOfSignal && ofInput > 0.8)
      refuse(`its output for nearly clean samples holds ${ofInput.toFixed(2)} times those`);
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
