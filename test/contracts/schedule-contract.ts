import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { logSnr, type NoiseSchedule, snr } from "../../src/schedules";
import { expectSidError } from "../support/errors";

/** Times of a schedule, both ends among them. */
export function timesOf(schedule: NoiseSchedule): fc.Arbitrary<number> {
  const { discrete, tMin: min, tMax: max } = schedule;
  const inside = discrete ? fc.integer({ min, max }) : fc.double({ min, max, noNaN: true });
  return fc.oneof({ weight: 9, arbitrary: inside }, { weight: 1, arbitrary: fc.constantFrom(min, max) });
}

/** What every forward process keeps: the law of its family, a falling SNR, and its range of times. */
export function scheduleContract(name: string, schedule: NoiseSchedule): void {
  const time = timesOf(schedule);
  const laws = {
    vp: (alpha: number, sigma: number) => Math.hypot(alpha, sigma),
    ve: (alpha: number) => alpha,
    flow: (alpha: number, sigma: number) => alpha + sigma,
  };

  describe(`schedule contract: ${name}`, () => {
    test.prop([time])("alpha and sigma obey the law of the family", (t) => {
      const [alpha, sigma] = [schedule.alpha(t), schedule.sigma(t)];
      expect(alpha).toBeGreaterThanOrEqual(0);
      expect(sigma).toBeGreaterThanOrEqual(0);
      expect(Math.abs(laws[schedule.kind](alpha, sigma) - 1)).toBeLessThan(1e-12);
    });

    test.prop([time, time])("the SNR falls strictly as t grows", (a, b) => {
      fc.pre(a !== b);
      const [early, late] = a < b ? [a, b] : [b, a];
      // Times too close for float64 to tell apart may share an SNR.
      fc.pre(schedule.discrete || late - early > 1e-9 * (schedule.tMax - schedule.tMin));
      expect(snr(schedule, late)).toBeLessThan(snr(schedule, early));
    });

    test.prop([time])("log-SNR is the logarithm of the SNR", (t) => {
      const ratio = snr(schedule, t);
      fc.pre(ratio > 1e-12 && ratio < 1e12);
      expect(logSnr(schedule, t)).toBeCloseTo(Math.log(ratio), 9);
    });

    test.prop([fc.double({ min: 1e-6, max: 1e6, noNaN: true })])("times outside the range are refused", (distance) => {
      const step = schedule.discrete ? Math.ceil(distance) : distance;
      for (const t of [schedule.tMin - step, schedule.tMax + step])
        for (const read of [schedule.alpha, schedule.sigma])
          expectSidError("out-of-range", () => read(t), /t must lie in/);
    });

    test("times that are no times are refused", () => {
      for (const read of [schedule.alpha, schedule.sigma]) {
        for (const t of [Number.NaN, Number.POSITIVE_INFINITY]) expectSidError("not-finite", () => read(t));
        expectSidError("invalid-argument", () => read("3" as unknown as number));
        if (schedule.discrete && schedule.tMax > schedule.tMin)
          expectSidError("invalid-argument", () => read(schedule.tMin + 0.5), /integer/);
      }
    });
  });
}
