import { add, mul, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkFinite, checkInteger, checkMethods, checkObject, checkOneOf, describe } from "../core/checks";
import { SidError } from "../core/errors";
import { besideTape } from "../core/tape";
import { checkSameShape, checkVariables } from "../core/tensor-checks";
import { addNoise, noiseLevel } from "../predict";
import { ddimFactors } from "../predict/level";
import { levelAt } from "../schedules/time";
import type { NoiseSchedule } from "../schedules/types";
import { checkDeclaration } from "./adapters";
import { predictX0 } from "./predict-x0";
import type { GeneratedWithInput, GeneratorModel, ScoreModel } from "./types";

/** Options of {@link generatorFrom}. */
export interface GeneratorOptions {
  /**
   * Time at which the network is asked, in the unit of its schedule.
   * @defaultValue `625`, the official choice on a DDPM schedule of 1000 steps
   */
  readonly tInit?: number | undefined;
  /**
   * Network passes K, at most 1000.
   * @defaultValue `1`
   */
  readonly steps?: number | undefined;
  /**
   * Which passes the gradient goes through: all K as in SiD-LSG, or the last one only as in
   * few-step SiD (arXiv:2505.12674). The same at one step.
   * @defaultValue `"all"`
   */
  readonly gradientThrough?: "all" | "last" | undefined;
  /**
   * What leads from one pass to the next: fresh noise on its sample, or the deterministic step of DDIM, which keeps the
   * noise that the pass saw (TDM). With it only the first noise has an effect.
   * @defaultValue `"noise"`
   */
  readonly between?: "noise" | "ddim" | undefined;
}

/**
 * Makes a generator of a score model: the network is asked for x0 at a fixed, high noise level.
 *
 *     x_1 = f(σ(t_0)·z_0, t_0, c),   x_{i+1} = f(α(t_i)·x_i + σ(t_i)·z_i, t_i, c),   x_g = x_K
 *
 * with t_i = tInit·(1 − i/K), rounded down when the schedule is discrete, and f the unguided
 * x0-prediction. With K = 1 this is the official one-step generator. With `between: "ddim"` z_i is what the pass before saw
 * beside its sample, `(its input − α(t_{i−1})·x_i)/σ(t_{i−1})`.
 *
 * Source: Zhou et al., arXiv:2406.01561; SiD-LSG@709fc22 training/sid_sd_util.py L163-185.
 *
 * @param model - the network; the generator takes it over, and disposing of one disposes of both.
 * @param options - initial time and number of passes.
 * @returns a generator with the model's name and variables, which takes one noise per step: `steps` of them, or fewer,
 *   after which it stops early.
 * @throws SidError `out-of-range` when a time is outside the model's schedule.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, gaussianModel, generatorFrom, randomStream } from "sid-lsg";
 *
 * const model = gaussianModel({ mean: [1, 2], variance: 0.25, schedule: ddpmSchedule() });
 * const generator = generatorFrom(model, { steps: 2 });
 * const stream = randomStream(0);
 * generator.generate([stream.normal([8, 2]), stream.normal([8, 2])]).print();
 * ```
 */
export function generatorFrom(model: ScoreModel, options: GeneratorOptions = {}): GeneratorModel {
  const where = "generatorFrom";
  checkMethods(where, "model", model, "a score model", ["predict", "dispose"]);
  const predicts = checkDeclaration(where, model);
  checkVariables(where, "the model's variables", model.variables);
  const {
    tInit = 625,
    steps = 1,
    gradientThrough = "all",
    between = "noise",
  } = checkObject(where, "options", options, { tInit: 1, steps: 1, gradientThrough: 1, between: 1 });
  checkFinite(where, "tInit", tInit);
  checkInteger(where, "steps", steps, 1, 1000);
  checkOneOf(where, "gradientThrough", gradientThrough, ["all", "last"]);
  checkOneOf(where, "between", between, ["noise", "ddim"]);
  const { schedule } = model;
  // t·(K − i)/K rather than t·(1 − i/K): no rounding error below an integer.
  const times = Array.from({ length: steps }, (_, i) => {
    const time = (tInit * (steps - i)) / steps;
    return schedule.discrete && i > 0 ? Math.floor(time) : time;
  });
  checkTimes(where, schedule, times);

  const timeOf = (i: number, x: Tensor) => Array<number>(x.shape[0] as number).fill(times[i] as number);
  const inputOf = (i: number, noise: Tensor, before: GeneratedWithInput | undefined): Tensor => {
    const level = noiseLevel(schedule, timeOf(i, noise));
    if (before === undefined) return mul(noise, level.sigma[0] as number);
    if (between === "noise") return addNoise({ x0: before.generated, noise, level });
    const at = (pass: number) => levelAt(where, schedule, times[pass] as number);
    const { keep, rest } = ddimFactors(at(i - 1), at(i));
    return add(mul(before.generated, keep), mul(before.input, rest));
  };
  const ask = (i: number, xt: Tensor, cond: Tensor | undefined) => predictX0(model, { xt, t: timeOf(i, xt), cond });
  /** The last pass's input and its sample, after all passes before it. */
  const chain = (noises: readonly Tensor[], cond: Tensor | undefined): GeneratedWithInput => {
    const pass = (before: GeneratedWithInput | undefined, noise: Tensor, i: number): GeneratedWithInput => {
      const input = inputOf(i, noise, before);
      return { generated: ask(i, input, cond), input };
    };
    const early = () => noises.slice(0, -1).reduce<GeneratedWithInput | undefined>(pass, undefined);
    const last = noises.length - 1;
    // Beside the tape no activations are kept.
    const before = last > 0 && gradientThrough === "last" ? besideTape(early) : early();
    return pass(before, noises[last] as Tensor, last);
  };

  return {
    name: model.name,
    steps,
    settings: `${predicts} at t = ${times.join(", ")}, gradient through ${gradientThrough}${between === "ddim" ? ", DDIM between" : ""}`,
    variables: model.variables,
    network: model,
    times,
    generate(noises, cond) {
      checkNoises(`${model.name}.generate`, noises, steps);
      return tidy(() => chain(noises, cond).generated);
    },
    generateWithInput(noises, cond) {
      checkNoises(`${model.name}.generateWithInput`, noises, steps);
      return tidy(() => ({ ...chain(noises, cond) }));
    },
    dispose: () => model.dispose(),
  };
}

/** Throws where the schedule lacks one of the times, as an EDM or flow schedule lacks the default. */
function checkTimes(where: string, schedule: NoiseSchedule, times: readonly number[]): void {
  try {
    noiseLevel(schedule, times);
  } catch (cause) {
    if (!(cause instanceof SidError)) throw cause;
    const range = `[${schedule.tMin}, ${schedule.tMax}]`;
    throw new SidError(
      cause.code,
      `${where}: the option tInit must be a time of the model's schedule, in ${range}; with it the network is asked at ${times.join(", ")} (${cause.message.replace(/\.$/, "")}).`,
      { cause },
    );
  }
}

function checkNoises(where: string, noises: readonly Tensor[], steps: number): void {
  if (!Array.isArray(noises) || noises.length === 0 || noises.length > steps)
    throw new SidError(
      "invalid-argument",
      `${where}: wanted an array of ${steps} noise tensors, one per step, or of fewer for fewer steps, got ${describe(noises)}.`,
    );
  checkSameShape(where, Object.fromEntries([...noises].map((noise, i) => [`noises[${i}]`, noise])));
}
