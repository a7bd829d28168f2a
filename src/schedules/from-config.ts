import { describe, isObject } from "../core/checks";
import { SidError } from "../core/errors";
import type { PredictionType } from "../core/prediction-type";
import { type DdpmSchedule, type DdpmScheduleOptions, ddpmSchedule } from "./ddpm";

/** What a scheduler config says about a network. */
export interface ConfiguredSchedule {
  /** The forward process that the network was trained for. */
  readonly schedule: DdpmSchedule;
  /** What the network predicts. */
  readonly predicts: PredictionType;
}

/** Classes that share the forward process and the defaults of DDPMScheduler. */
const classes = [
  "DDPMScheduler",
  "DDIMScheduler",
  "PNDMScheduler",
  "LMSDiscreteScheduler",
  "EulerDiscreteScheduler",
  "EulerAncestralDiscreteScheduler",
  "DPMSolverMultistepScheduler",
  "DPMSolverSinglestepScheduler",
  "UniPCMultistepScheduler",
  "DEISMultistepScheduler",
];

const predictions: Readonly<Record<string, PredictionType>> = { epsilon: "eps", sample: "x0", v_prediction: "v" };

/**
 * Reads a diffusers `scheduler_config.json`: the keys that define the forward process and what is
 * predicted, with the defaults of diffusers. Keys about sampling do not matter here and are ignored.
 *
 * Source: diffusers 0.42, `schedulers/scheduling_ddpm.py` and its siblings.
 *
 * @param json - the parsed file.
 * @returns the schedule, and the prediction type in this library's terms.
 * @throws SidError `unsupported` for a class, `beta_schedule` or `prediction_type` that is not
 *   supported and for `use_flow_sigmas`, each named; `invalid-argument`, `out-of-range` or
 *   `not-finite` for values of the wrong kind.
 *
 * @example
 * ```ts
 * import { scheduleFromConfig } from "sid-lsg";
 *
 * const { schedule, predicts } = scheduleFromConfig({
 *   _class_name: "PNDMScheduler",
 *   beta_start: 0.00085,
 *   beta_end: 0.012,
 *   beta_schedule: "scaled_linear",
 * });
 * console.log(schedule.numTimesteps, predicts); // 1000 "eps"
 * ```
 */
export function scheduleFromConfig(json: unknown): ConfiguredSchedule {
  if (!isObject(json))
    throw new SidError("invalid-argument", `${where}: wanted a scheduler config, got ${describe(json)}.`);
  oneOf(json, "_class_name", classes, "DDPMScheduler");
  if (flag(json, "use_flow_sigmas")) refuse("use_flow_sigmas", true);
  const prediction = oneOf(json, "prediction_type", Object.keys(predictions), "epsilon");
  const betaSchedule = oneOf(json, "beta_schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"], "linear");
  const options = {
    numTimesteps: json["num_train_timesteps"],
    betaStart: json["beta_start"],
    betaEnd: json["beta_end"],
    betas: json["trained_betas"],
    betaSchedule,
    zeroTerminalSnr: flag(json, "rescale_betas_zero_snr"),
  };
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined && value !== null),
  );
  return {
    // ddpmSchedule checks every value's kind and range.
    schedule: ddpmSchedule(given as DdpmScheduleOptions),
    predicts: predictions[prediction] as PredictionType,
  };
}

const where = "scheduleFromConfig";

/** The value of a key that names something, refused by name unless it is supported. */
function oneOf(config: Readonly<Record<string, unknown>>, key: string, supported: string[], otherwise: string): string {
  const value = config[key] ?? otherwise;
  return typeof value === "string" && supported.includes(value) ? value : refuse(key, value, supported);
}

/** True or false; absent is false. */
function flag(config: Readonly<Record<string, unknown>>, key: string): boolean {
  const value = config[key] ?? false;
  if (typeof value === "boolean") return value;
  throw new SidError("invalid-argument", `${where}: ${key} must be true or false, got ${describe(value)}.`);
}

function refuse(key: string, value: unknown, supported?: string[]): never {
  const wanted = supported === undefined ? "" : `; supported are ${supported.join(", ")}`;
  throw new SidError("unsupported", `${where}: ${key} ${describe(value)} is not supported${wanted}.`);
}
