import { SidError } from "../core/errors";
import type { TimestepLaw } from "../schedules/timestep-laws";
import type { NoiseSchedule } from "../schedules/types";
import type { MethodTimesteps, Moment } from "./types";

/** Which times of a schedule: shares of its range, and times that bound them. */
export interface TimeRange {
  /** Share of the range below which no time lies, where the bounds leave one above it. */
  readonly low: number;
  /** Share of the range above which no time lies. */
  readonly high: number;
  /** Only later times than this one. */
  readonly after?: number | undefined;
  /** This time and earlier ones. */
  readonly upTo?: number | undefined;
  /** Only earlier times than this one. */
  readonly before?: number | undefined;
}

/**
 * Uniform on a part of a schedule's times. Of N timesteps `low·N … high·N`, both inclusive: 20 … 980 of 1000 at 0.02 and
 * 0.98. Of a `ve` schedule as many steps of EDM's ladder with ρ = 7, which are 1000. Of other schedules shares of
 * `[tMin, tMax]` without the outermost thousandths, where a weight may be infinite.
 */
export function uniformTimes(range: TimeRange | ((moment: Moment) => TimeRange)): MethodTimesteps {
  return (stream, count, moment) => {
    const own = typeof range === "function" ? range(moment) : range;
    const ruler = rulerOf(moment.schedule);
    const [least, most] = bounds(ruler, own);
    return ruler.whole
      ? stream.integers(count, least, most + 1).map(ruler.time)
      : stream.uniform(count).map((u) => ruler.time(least + u * (most - least)));
  };
}

/** σ of EDM on any schedule: the time at which noise over signal is nearest to the law's draw. */
export function timesOfSigmas(law: TimestepLaw): MethodTimesteps {
  return (stream, count, { schedule }) => {
    const time = (sigma: number) => {
      if (schedule.kind === "ve") return sigma;
      return schedule.discrete ? nearestTime(schedule, sigma) : sigma / (1 + sigma);
    };
    return law(stream, count).map((sigma) => Math.min(Math.max(time(sigma), schedule.tMin), schedule.tMax));
  };
}

/** A schedule's times along a scale of `count` steps. */
interface Ruler {
  readonly count: number;
  /** Whether only the steps themselves are times. */
  readonly whole: boolean;
  time(step: number): number;
  step(time: number): number;
}

function rulerOf({ kind, discrete, tMin, tMax }: NoiseSchedule): Ruler {
  if (discrete)
    return { count: tMax - tMin + 1, whole: true, time: (step) => tMin + step, step: (time) => time - tMin };
  const count = 1000;
  if (kind !== "ve") {
    const length = tMax - tMin;
    return {
      count,
      whole: false,
      time: (step) => tMin + (step / count) * length,
      step: (time) => ((time - tMin) / length) * count,
    };
  }
  const root = (sigma: number) => sigma ** (1 / 7);
  const height = root(tMax) - root(tMin);
  return {
    count,
    whole: true,
    time: (step) => Math.min(Math.max((root(tMin) + (step / (count - 1)) * height) ** 7, tMin), tMax),
    step: (sigma) => ((root(sigma) - root(tMin)) / height) * (count - 1),
  };
}

/** First and last step, both inclusive. */
function bounds(
  { count, whole, step }: Ruler,
  { low, high, after, upTo, before }: TimeRange,
): readonly [number, number] {
  // A ladder's root leaves a rounding error, which is not to part a step from itself.
  const down = (x: number) => (whole ? Math.floor(x + 1e-6) : x);
  const up = (x: number) => (whole ? Math.ceil(x - 1e-6) : x);
  const share = (x: number) => (whole ? Math.round(x * count) : x * count);
  const least = Math.max(whole ? 0 : 1, after === undefined ? 0 : down(step(after)) + 1);
  const most = Math.min(
    count - 1,
    share(high),
    upTo === undefined ? count : down(step(upTo)),
    before === undefined ? count : up(step(before)) - 1,
  );
  if (least > most)
    throw new SidError(
      "out-of-range",
      `timesteps: the schedule has no time ${after === undefined ? "" : `after ${after} and `}${upTo === undefined ? `before ${before}` : `up to ${upTo}`}; ask the generator at a later time, or give the method a law of t of your own.`,
    );
  return [Math.min(Math.max(least, share(low)), most), most];
}

/** The timestep whose noise over signal is nearest to σ, by its logarithm. */
function nearestTime(schedule: NoiseSchedule, sigma: number): number {
  const at = (t: number) => schedule.sigma(t) / schedule.alpha(t);
  let [low, high] = [schedule.tMin, schedule.tMax];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (at(middle) <= sigma) low = middle;
    else high = middle;
  }
  return sigma / at(low) <= at(high) / sigma ? low : high;
}
