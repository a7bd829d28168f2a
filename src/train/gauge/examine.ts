import { checkArray, checkFinite, checkObject } from "../../core/checks";
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
  /**
   * `no-nearer`: the generator is hardly nearer the teacher; `details`: it has lost what only little noise shows; `lag`:
   * its fake score did not know how far it is.
   */
  readonly kind: "no-nearer" | "details" | "lag";
  /** What was seen, and what to look at. */
  readonly message: string;
}

/** A run that is over ends below this share of the divergence at which it began, or something is wrong. */
const left = 0.3;
/** A lag counts from this share of the divergence at the beginning. */
const behind = 0.1;
/** The share of the divergence at the beginning that the details had. */
const details = 0.05;
/** A change counts from so many standard errors. */
const errors = 4;

/**
 * Tells a run that went wrong from one that went well, by the gauge alone. With L0 the audit's bound before the run:
 *
 * - `no-nearer`: the bound after the run is above 0.3·L0. A sign, a prediction type, conditions that differ between the
 *   networks, a rate at which nothing moves, or a run that is not over.
 * - `details`: at the levels of least noise, which held a twentieth of L0, there is more now: a collapse, of each
 *   condition's pictures to one, shows there.
 * - `lag`: the bound after the run is more than twice what the running one told, and by more than L0/10: the fake score
 *   does not follow the generator. It is frozen, or its rate is too small.
 *
 * All count from 4 standard errors. A guided run (κ4 ≠ 1) is to leave the teacher's own law: `no-nearer` is then
 * no fault by itself.
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
  const most = { value: left * first.value, standardError: left * first.standardError };
  if (counts(most, last))
    findings.push({
      kind: "no-nearer",
      message: `the generator is at ${nats(last)} of the teacher, after ${nats(first)} at the start: look for a sign, a prediction type, conditions that differ between the networks, or a rate that moves nothing; or train on.`,
    });
  const from = levelAbove(before, 1 - details);
  const [had, has] = [partAbove(before, from), partAbove(after, from)];
  if (counts(had, has))
    findings.push({
      kind: "details",
      message: `of what shows above log SNR ${from.toFixed(1)} the generator lacks ${nats(has)}, after ${nats(had)} at the start: look at its samples, they may have collapsed.`,
    });
  if (running === undefined) return findings;
  const told = boundOf(where, "running", running);
  const gap = last.value - told.value;
  if (counts(told, last) && gap > last.value / 2 && gap > behind * first.value)
    findings.push({
      kind: "lag",
      message: `the audit finds ${nats(last)}, the run told ${nats(told)}: its fake score does not follow the generator; raise its rate or its updates per iteration.`,
    });
  return findings;
}

/** Whether the second is above the first by more than chance. */
function counts(a: Estimate, b: Estimate): boolean {
  return b.value - a.value > errors * Math.hypot(a.standardError, b.standardError);
}

/** The log-SNR below which a share of the bound lies; within a range its part grows evenly. */
function levelAbove({ lowerBound, levels }: Divergence, share: number): number {
  let missing = share * lowerBound.value;
  for (const { from, to, lowerBound: part } of levels) {
    if (part.value > missing) return from + ((to - from) * Math.max(0, missing)) / part.value;
    missing -= part.value;
  }
  return Number.POSITIVE_INFINITY;
}

/** What the levels above a log-SNR add to the bound. */
function partAbove({ levels }: Divergence, above: number): Estimate {
  const parts = levels.map(({ from, to, lowerBound: { value, standardError } }) => {
    const share = Math.min(1, Math.max(0, (to - above) / (to - from)));
    return { value: share * value, standardError: share * standardError };
  });
  return {
    value: parts.reduce((sum, { value }) => sum + value, 0),
    standardError: Math.sqrt(parts.reduce((sum, { standardError }) => sum + standardError ** 2, 0)),
  };
}

function boundOf(where: string, name: string, divergence: Divergence): Estimate {
  const { lowerBound, levels } = checkObject(where, name, divergence);
  for (const [i, level] of checkArray(where, `${name}.levels`, levels).entries()) {
    const { from, to } = checkObject(where, `${name}.levels[${i}]`, level);
    checkFinite(where, `${name}.levels[${i}].from`, from);
    checkFinite(where, `${name}.levels[${i}].to`, to);
    checkEstimate(where, `${name}.levels[${i}].lowerBound`, level.lowerBound);
  }
  return checkEstimate(where, `${name}.lowerBound`, lowerBound);
}

function checkEstimate(where: string, name: string, estimate: Estimate): Estimate {
  const { value, standardError } = checkObject(where, name, estimate);
  checkFinite(where, `${name}.value`, value);
  checkFinite(where, `${name}.standardError`, standardError);
  return estimate;
}

function nats({ value, standardError }: Estimate): string {
  return `${value.toPrecision(3)} ± ${standardError.toPrecision(2)} nats`;
}
