import { add, mul, type Tensor, type Tensor1D } from "@tensorflow/tfjs-core";
import {
  checkFunction,
  checkInteger,
  checkNumbers,
  checkObject,
  checkOneOf,
  checkPositive,
  checkRange,
  type KeysOf,
} from "../core/checks";
import { SidError } from "../core/errors";
import { perSample } from "../core/per-sample";
import { noGrad } from "../core/tape";
import { consistencyLoss, consistencyOutput } from "../losses/consistency";
import { finiteSamples } from "../losses/nan-policy";
import { predictX0 } from "../models/predict-x0";
import type { GeneratorModel, ScoreModel } from "../models/types";
import { addNoise, type NoiseLevel, noiseLevel } from "../predict/level";
import type { NoiseSchedule } from "../schedules/types";
import { type MethodOptions, type Settled, settingsOf, settle } from "./options";
import type { DataInputs, DataMethod } from "./types";

/** Options of {@link lcm}. */
export interface LcmOptions extends Pick<MethodOptions, "timesteps" | "lossScale" | "reduction"> {
  /**
   * The range of the teacher's κ, drawn anew for each image: `κ = 1 + w`. `[1, 1]` asks for no guidance.
   * @defaultValue `[6, 16]`
   */
  readonly guidanceScales?: readonly [number, number] | undefined;
  /**
   * Points of the teacher's trajectory, from noise to data; one step of DDIM leads from one to the next.
   * @defaultValue `50`
   */
  readonly solverSteps?: number | undefined;
  /**
   * c of a pseudo-Huber distance `√(e² + c²) − c` of each element; the official code's is 0.001. `null`: `e²`.
   * @defaultValue `null`
   */
  readonly huber?: number | null | undefined;
}

const known: KeysOf<LcmOptions> = {
  ...{ timesteps: 1, lossScale: 1, reduction: 1, guidanceScales: 1, solverSteps: 1, huber: 1 },
};

/**
 * Latent consistency model: the baseline without a fake score. It learns from noisy real images that two points of one
 * trajectory of the guided teacher lead to one sample.
 *
 *     x_t = a·y + s·ε,   x_t′ = a′·f_φ,κ + s′·ε_φ,κ   one DDIM step of the teacher on
 *     L = 1/B Σ d(F_θ(x_t, t) − F_θ⁻(x_t′, t′)),   F = c_skip·x_t + c_out·f
 *
 * θ⁻ is the generator's moving average; nothing flows through it or the teacher. One step of DDIM is not exact, and what
 * the network learns carries its bias.
 *
 * | | default | |
 * |---|---|---|
 * | t | 50 DDIM times, one of them at random; t′ is the next lower one (timesteps: 20 less, at least 0) | official code |
 * | | `ve`, `flow`: as many rungs of EDM's ladder, or equal steps | ours |
 * | κ | `1 + w`, w uniform on [5, 15] | official code |
 * | c_skip, c_out | `consistencyScalings(t)`: k = 10, σ_d = 0.5; on `flow` t counts from 0 to 1000 | official code; `flow` ours |
 * | d | `e²`, mean over a sample | official code |
 * | AdamW | (0.9, 0.999), decay 0.01, 1e-4, gradients clipped to norm 1 | official code |
 *
 * The official network is told w; here it is not, so that it learns the mean over the range of κ: for one known κ give it
 * twice, `guidanceScales: [8, 8]`. The official script guides the raw output of the network as if it were ε, which is wrong
 * for teachers of v; here x0 is guided, which is right for all. The official average keeps 0.95 of the old weights per step.
 *
 * Source: Luo et al., arXiv:2310.04378; latent-consistency-model@a9ad795 train_lcm_distill_sd_wds.py L332-382, L1124-1249.
 *
 * @param options - what differs from the defaults.
 * @returns the method, for `distill` with images and an average; its generator must be of `generatorFrom`.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for options that make no sense.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, lcm, randomStream } from "sid-lsg";
 *
 * const { generator, settings } = lcm({ solverSteps: 4 });
 * const moment = { schedule: ddpmSchedule(), nimg: 0, iteration: 0 };
 * console.log(generator.timesteps(randomStream(0), 3, moment)); // three of 249, 499, 749, 999
 * console.log(settings["guidanceScales"]); // 6, 16
 * ```
 */
export function lcm(options: LcmOptions = {}): DataMethod {
  const name = "lcm";
  const { solverSteps = 50 } = checkObject(name, "options", options, known);
  checkInteger(name, "solverSteps", solverSteps, 1);
  const defaults: Settled<LcmOptions> = {
    timesteps: (stream, count, { schedule }) => {
      const { most, time } = ladderOf(schedule);
      if (solverSteps > most)
        throw new SidError(
          "out-of-range",
          `lcm: solverSteps must be at most ${most}, the timesteps of the schedule, got ${solverSteps}; a step that leads nowhere teaches nothing.`,
        );
      return stream.integers(count, 1, solverSteps + 1).map((n) => time(n / solverSteps));
    },
    lossScale: 1,
    reduction: "mean",
    guidanceScales: [6, 16],
    solverSteps,
    huber: null,
  };
  const settled = settle(options, defaults);
  const { timesteps, lossScale, reduction, guidanceScales, huber } = settled;
  const [least, most] = checkScales(name, guidanceScales);
  checkFunction(name, "timesteps", timesteps);
  checkPositive(name, "lossScale", lossScale);
  checkOneOf(name, "reduction", reduction, ["sum", "mean"]);
  if (huber !== null) checkRange(name, "huber", huber, 0, Number.MAX_VALUE);

  const loss = ({ generator, teacher, average, images, noise, t, uniforms, valid, cond, uncond }: DataInputs) => {
    const { schedule } = teacher;
    const { time, place, unit } = ladderOf(schedule);
    const level = noiseLevel(schedule, t);
    const earlier = t.map((one) => Math.min(one, time(Math.max(0, place(one) - 1 / solverSteps))));
    const output = (network: ScoreModel, xt: Tensor, times: readonly number[]) =>
      consistencyOutput({ xt, x0: predictX0(network, { xt, t: times, cond }), t: times.map((one) => one * unit) });

    const xt = addNoise({ x0: images, noise, level });
    const target = noGrad(() => {
      const kappa = least === most ? least : uniforms.map((u) => least + (most - least) * u);
      const guided = predictX0(teacher, { xt, t, cond, uncond, guidanceScale: kappa });
      return output(networkOf(average, "average"), ddimStep(guided, xt, level, noiseLevel(schedule, earlier)), earlier);
    });
    const prediction = output(networkOf(generator, "generator"), xt, t);
    const counted = noGrad(() => mul(valid, finiteSamples(target)) as Tensor1D);
    return consistencyLoss({ prediction, target }, { reduction, valid: counted, ...(huber === null ? {} : { huber }) });
  };

  return {
    name,
    settings: settingsOf(settled, defaults),
    generator: { timesteps, guided: least !== 1 || most !== 1, loss, lossScale },
    recipe: { learningRate: 1e-4, beta1: 0.9, beta2: 0.999, weightDecay: 0.01, clipNorm: 1 },
  };
}

/** The times of a schedule as rungs of a ladder from data (0) to noise (1); the inverse; how many steps of LCM a unit is. */
function ladderOf({ kind, discrete, tMin, tMax }: NoiseSchedule) {
  if (discrete) {
    const count = tMax - tMin + 1;
    return {
      time: (u: number) => tMin + Math.max(0, Math.round(u * count) - 1),
      place: (t: number) => (t - tMin + 1) / count,
      unit: 1,
      most: count,
    };
  }
  const rho = kind === "ve" ? 7 : 1;
  const [bottom, top] = [tMin ** (1 / rho), tMax ** (1 / rho)];
  return {
    time: (u: number) => Math.min(Math.max((bottom + u * (top - bottom)) ** rho, tMin), tMax),
    place: (t: number) => (t ** (1 / rho) - bottom) / (top - bottom),
    unit: kind === "flow" ? 1000 : 1,
    most: Number.POSITIVE_INFINITY,
  };
}

/** `a′·f + s′·ε` with the ε that f implies at x_t. */
function ddimStep(f: Tensor, xt: Tensor, from: NoiseLevel, to: NoiseLevel): Tensor {
  const keeps = to.sigma.map((sigma, i) => sigma / (from.sigma[i] as number));
  const ofX0 = to.alpha.map((alpha, i) => alpha - (from.alpha[i] as number) * (keeps[i] as number));
  return add(mul(f, perSample(ofX0, f.rank)), mul(xt, perSample(keeps, xt.rank)));
}

function checkScales(where: string, scales: readonly [number, number]): readonly [number, number] {
  const [least, most] = checkNumbers(where, "guidanceScales", scales);
  if (scales.length !== 2 || least > most)
    throw new SidError(
      "out-of-range",
      `${where}: guidanceScales must be [least, most] with least <= most, got [${[...scales].join(", ")}]; for one κ give it twice.`,
    );
  return scales;
}

function networkOf({ name, network }: GeneratorModel, role: string): ScoreModel {
  if (network === undefined)
    throw new SidError(
      "invalid-argument",
      `lcm: the ${role} "${name}" has no network that could be asked at any time; make it with generatorFrom().`,
    );
  return network;
}
