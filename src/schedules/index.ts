/**
 * Noise schedules and laws of the times, in float64 and without a tensor: `x_t = α(t)·x0 + σ(t)·ε`.
 *
 * @module sid-lsg/schedules
 */
export { type EdmScheduleOptions, edmSchedule, flowSchedule } from "./continuous";
export { type DdimTimestepsOptions, ddimTimesteps, type TimestepSpacing } from "./ddim-timesteps";
export { type BetaSchedule, type DdpmSchedule, type DdpmScheduleOptions, ddpmSchedule } from "./ddpm";
export { type ConfiguredSampling, type ConfiguredSchedule, scheduleFromConfig } from "./from-config";
export { logSnr, snr } from "./time";
export {
  type LogitNormalTimesOptions,
  type LogNormalSigmasOptions,
  logitNormalTimes,
  logNormalSigmas,
  type SidSigmasOptions,
  sidSigmas,
  type TimestepLaw,
  type UniformTimestepsOptions,
  uniformTimesteps,
} from "./timestep-laws";
export type * from "./types";
