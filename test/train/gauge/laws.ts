import type { NoiseSchedule } from "../../../src/schedules";

/** A schedule whose time is minus the log-SNR. */
export function logSnrSchedule(): NoiseSchedule {
  return {
    ...{ kind: "vp", discrete: false, tMin: -15, tMax: 12 },
    alpha: (t) => 1 / Math.sqrt(1 + Math.exp(t)),
    sigma: (t) => 1 / Math.sqrt(1 + Math.exp(-t)),
  };
}
