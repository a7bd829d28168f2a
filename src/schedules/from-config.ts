import { checkInteger, checkPositive, describe, isObject } from "../core/checks";
import { SidError } from "../core/errors";
import { fileWords, type PredictionType } from "../core/prediction-type";
import { type TimestepSpacing, timestepSpacings } from "./ddim-timesteps";
import { type DdpmSchedule, type DdpmScheduleOptions, ddpmSchedule } from "./ddpm";

/** How a scheduler config wants DDIM to sample: options of `ddimSample`. */
export interface ConfiguredSampling {
  /** `timestep_spacing`. */
  readonly spacing: TimestepSpacing;
  /** `steps_offset`: added to every timestep of "leading". */
  readonly stepsOffset: number;
  /** `set_alpha_to_one`: whether the last step goes to the clean sample, else to timestep 0. */
  readonly setAlphaToOne: boolean;
  /** `clip_sample_range` where `clip_sample` is true: bound of |x̂0|. */
  readonly clip: number | undefined;
}

/** What a scheduler config says about a network. */
export interface ConfiguredSchedule {
  /** The forward process that the network was trained for. */
  readonly schedule: DdpmSchedule;
  /** What the network predicts. */
  readonly predicts: PredictionType;
  /** How to sample it with DDIM. */
  readonly sampling: ConfiguredSampling;
}

/** What a class takes where its file is silent, as far as it differs from DDPMScheduler. */
interface ClassDefaults {
  readonly beta_start?: number | undefined;
  readonly beta_end?: number | undefined;
  readonly beta_schedule?: string | undefined;
  /** Whether it bounds x̂0 unless told otherwise. @defaultValue `false` */
  readonly clip_sample?: boolean | undefined;
}

const clips: ClassDefaults = { clip_sample: true };
const latent: ClassDefaults = { beta_start: 0.00085, beta_end: 0.012 };

/** Classes whose forward process is DDPM's; they differ in how they sample and in their defaults. */
const classes: Readonly<Record<string, ClassDefaults>> = {
  DDPMScheduler: clips,
  DDPMParallelScheduler: clips,
  DDIMScheduler: clips,
  DDIMParallelScheduler: clips,
  DDIMInverseScheduler: clips,
  RePaintScheduler: clips,
  UnCLIPScheduler: { ...clips, beta_schedule: "squaredcos_cap_v2" },
  PNDMScheduler: {},
  LMSDiscreteScheduler: {},
  EulerDiscreteScheduler: {},
  EulerAncestralDiscreteScheduler: {},
  DPMSolverMultistepScheduler: {},
  DPMSolverMultistepInverseScheduler: {},
  DPMSolverSinglestepScheduler: {},
  UniPCMultistepScheduler: {},
  DEISMultistepScheduler: {},
  SASolverScheduler: {},
  DPMSolverSDEScheduler: latent,
  HeunDiscreteScheduler: latent,
  KDPM2DiscreteScheduler: latent,
  KDPM2AncestralDiscreteScheduler: latent,
  LCMScheduler: { ...latent, beta_schedule: "scaled_linear" },
  TCDScheduler: { ...latent, beta_schedule: "scaled_linear" },
};

const predictions: Readonly<Record<string, PredictionType>> = fileWords;

/**
 * Reads a diffusers `scheduler_config.json`: the forward process, what is predicted, and how to sample with DDIM. A key
 * that is missing has the default of the file's class: betas from 0.00085 to 0.012 for a HeunDiscreteScheduler, from
 * 1e-4 to 0.02 for a DDPMScheduler. A flag that is null is off. Keys of other samplers (Karras' sigmas, orders of
 * solvers) do not matter here and are ignored.
 *
 * `sampling` is what diffusers' `DDIMScheduler.from_config` makes of the file, but for `clip_sample`: where it is missing,
 * only classes that clip by themselves do (DDPM's and DDIM's, which are for pixels). For latents see
 * `openStableDiffusion`, which repairs what is left.
 *
 * Source: diffusers 0.42, `schedulers/scheduling_ddpm.py`, `scheduling_ddim.py` and their siblings.
 *
 * @param json - the parsed file.
 * @returns the schedule, the prediction type in this library's terms, and options for `ddimSample`.
 * @throws SidError `unsupported` for a class, `beta_schedule`, `prediction_type` or `timestep_spacing` that is not
 *   supported and for `use_flow_sigmas`, `thresholding` and a continuous `timestep_type`, each named; `invalid-argument`, `out-of-range` or
 *   `not-finite` for values of the wrong kind.
 *
 * @example
 * ```ts
 * import { scheduleFromConfig } from "sid-lsg";
 *
 * const { schedule, predicts, sampling } = scheduleFromConfig({
 *   _class_name: "PNDMScheduler",
 *   beta_start: 0.00085,
 *   beta_end: 0.012,
 *   beta_schedule: "scaled_linear",
 *   clip_sample: false,
 *   set_alpha_to_one: false,
 *   steps_offset: 1,
 * });
 * console.log(schedule.numTimesteps, predicts, sampling.stepsOffset); // 1000 "eps" 1
 * ```
 */
export function scheduleFromConfig(json: unknown): ConfiguredSchedule {
  if (!isObject(json))
    throw new SidError("invalid-argument", `${where}: wanted a scheduler config, got ${describe(json)}.`);
  const name = oneOf(json, "_class_name", Object.keys(classes), "DDPMScheduler");
  const defaults = classes[name] as ClassDefaults;
  // The network would be asked at ln(σ)/4.
  oneOf(json, "timestep_type", ["discrete"], "discrete");
  for (const key of ["use_flow_sigmas", "thresholding"]) if (flag(json, key, false)) refuse(key, true);
  const prediction = oneOf(json, "prediction_type", Object.keys(predictions), "epsilon");
  const options = {
    numTimesteps: json[keys.numTimesteps],
    betaStart: json[keys.betaStart] ?? defaults.beta_start,
    betaEnd: json[keys.betaEnd] ?? defaults.beta_end,
    betas: json[keys.betas],
    betaSchedule: oneOf(json, keys.betaSchedule, betaSchedules, defaults.beta_schedule ?? "linear"),
    zeroTerminalSnr: flag(json, keys.zeroTerminalSnr, false),
  };
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined && value !== null),
  );
  return {
    schedule: scheduleOf(given as DdpmScheduleOptions),
    predicts: predictions[prediction] as PredictionType,
    sampling: samplingFrom(json, defaults),
  };
}

const where = "scheduleFromConfig";

const betaSchedules = ["linear", "scaled_linear", "squaredcos_cap_v2"];

/** The key of a file for each option of {@link ddpmSchedule}. */
const keys = {
  numTimesteps: "num_train_timesteps",
  betaStart: "beta_start",
  betaEnd: "beta_end",
  betas: "trained_betas",
  betaSchedule: "beta_schedule",
  zeroTerminalSnr: "rescale_betas_zero_snr",
} as const satisfies Record<keyof DdpmScheduleOptions, string>;

/** The schedule of these options, whose kinds and ranges {@link ddpmSchedule} checks; an error names the file's keys. */
function scheduleOf(options: DdpmScheduleOptions): DdpmSchedule {
  try {
    return ddpmSchedule(options);
  } catch (cause) {
    if (!(cause instanceof SidError)) throw cause;
    const [, said = cause.message] = /^ddpmSchedule: (.*)$/s.exec(cause.message) ?? [];
    const named = Object.entries(keys).reduce(
      (text, [option, key]) => text.replace(RegExp(`\\b${option}\\b`), key),
      said,
    );
    throw new SidError(cause.code, `${where}: ${named}`, { cause });
  }
}

function samplingFrom(json: Readonly<Record<string, unknown>>, defaults: ClassDefaults): ConfiguredSampling {
  const number = (key: string, otherwise: number) => (json[key] ?? otherwise) as number;
  return {
    spacing: oneOf(json, "timestep_spacing", timestepSpacings, "leading") as TimestepSpacing,
    stepsOffset: checkInteger(where, "steps_offset", number("steps_offset", 0), 0),
    setAlphaToOne: flag(json, "set_alpha_to_one", true),
    clip: flag(json, "clip_sample", defaults.clip_sample ?? false)
      ? checkPositive(where, "clip_sample_range", number("clip_sample_range", 1))
      : undefined,
  };
}

/** The value of a key that names something, refused by name unless it is supported. */
function oneOf(
  config: Readonly<Record<string, unknown>>,
  key: string,
  supported: readonly string[],
  otherwise: string,
): string {
  const value = config[key] ?? otherwise;
  return typeof value === "string" && supported.includes(value) ? value : refuse(key, value, supported);
}

/** True or false, or what it is when absent; null is off, as in Python. */
function flag(config: Readonly<Record<string, unknown>>, key: string, otherwise: boolean): boolean {
  const value = config[key] === undefined ? otherwise : (config[key] ?? false);
  if (typeof value === "boolean") return value;
  throw new SidError("invalid-argument", `${where}: ${key} must be true or false, got ${describe(value)}.`);
}

function refuse(key: string, value: unknown, supported?: readonly string[]): never {
  const wanted = supported === undefined ? "" : `; supported are ${supported.join(", ")}`;
  throw new SidError("unsupported", `${where}: ${key} ${describe(value)} is not supported${wanted}.`);
}
