import { checkFinite, checkObject } from "../../core/checks";
import type { Divergence, Estimate } from "./gauge";

/** What {@link examineRun} compares. */
export interface RunReadings {
  /** `auditDivergence` before the first iteration. */
  readonly before: Divergence;
  /** `metrics.divergence` of the last iteration; undefined where the method has none. */
  readonly running: Divergence | undefined;
  /** `auditDivergence` after the last iteration. */
  readonly after: Divergence;
}

/** Something that is wrong with a run. */
export interface RunFinding {
  /** `no-nearer`: the generator is no nearer the teacher; `lag`: its fake score did not know how far it is. */
  readonly kind: "no-nearer" | "lag";
  /** What was seen, and what to look at. */
  readonly message: string;
}

/** A run ends below this share of the divergence at which it began, or something is wrong. */
const share = 0.8;
/** A gap between two estimates counts from so many standard errors. */
const errors = 4;

/**
 * Tells a run that went wrong from one that went well, by the gauge alone:
 *
 * - `no-nearer`: the audit after the run is not below 0.8 of the audit before. A sign, a prediction type, conditions that
 *   differ between the networks, a collapse, a rate at which nothing moves.
 * - `lag`: the audit finds more than the running bound told, by half and by 4 standard errors: the fake score does not
 *   follow the generator. It is frozen, or its rate is too small.
 *
 * A guided run (κ4 ≠ 1) is to leave the teacher's own law: `no-nearer` is then no fault by itself.
 *
 * Source: measured on exact teachers; see docs/evaluation.md for how often it is right.
 *
 * @param readings - what was read before, at the end of and after the run.
 * @returns what is wrong; nothing for a healthy run.
 * @throws SidError `invalid-argument` or `not-finite` for readings that are none.
 *
 * @example
 * ```ts
 * import { examineRun, divergenceGauge } from "sid-lsg/train";
 *
 * const reading = (deltaSquared: number) => {
 *   const gauge = divergenceGauge();
 *   gauge.add(Array.from({ length: 200 }, (_, i) => ({ logSnr: -5 + i / 20, deltaSquared, lag: 0 })));
 *   return gauge.reading();
 * };
 * const [before, after] = [reading(1), reading(2)];
 * if (before && after) console.log(examineRun({ before, running: after, after })[0]?.kind); // "no-nearer"
 * ```
 */
export function examineRun(readings: RunReadings): RunFinding[] {
  const where = "examineRun";
  const { before, running, after } = checkObject(where, "readings", readings, { before: 1, running: 1, after: 1 });
  const [first, last] = [boundOf(where, "before", before), boundOf(where, "after", after)];
  const findings: RunFinding[] = [];
  if (last.value > share * first.value)
    findings.push({
      kind: "no-nearer",
      message: `the generator is at ${nats(last)} of the teacher, after ${nats(first)} at the start: look for a sign, a prediction type, conditions that differ between the networks, a collapse, or a rate that moves nothing.`,
    });
  if (running === undefined) return findings;
  const told = boundOf(where, "running", running);
  const gap = last.value - told.value;
  if (gap > last.value / 2 && gap > errors * Math.hypot(last.standardError, told.standardError))
    findings.push({
      kind: "lag",
      message: `the audit finds ${nats(last)}, the run told ${nats(told)}: its fake score does not follow the generator; raise its rate or its updates per iteration.`,
    });
  return findings;
}

function boundOf(where: string, name: string, divergence: Divergence): Estimate {
  const { lowerBound } = checkObject(where, name, divergence);
  const { value, standardError } = checkObject(where, `${name}.lowerBound`, lowerBound);
  checkFinite(where, `${name}.lowerBound.value`, value);
  checkFinite(where, `${name}.lowerBound.standardError`, standardError);
  return lowerBound;
}

function nats({ value, standardError }: Estimate): string {
  return `${value.toPrecision(3)} ± ${standardError.toPrecision(2)} nats`;
}
