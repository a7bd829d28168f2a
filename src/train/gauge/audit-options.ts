import type { GeneratorModel, ScoreModel } from "../../models/types";
import type { ConditionSource } from "../conditions";
import type { Divergence, Estimate } from "./gauge";

/** Options of {@link auditDivergence}. */
export interface AuditOptions {
  /** The score of the law that the generator is compared with, at κ = 1. */
  readonly teacher: ScoreModel;
  /** Trains on the generator's samples, from where it is; its weights are put back at the end. */
  readonly fakeScore: ScoreModel;
  /** Held as it is. */
  readonly generator: GeneratorModel;
  /** Shape of one sample, without the batch axis. */
  readonly sampleShape: readonly number[];
  /**
   * Where conditions come from.
   * @defaultValue none: the networks are unconditional
   */
  readonly conditions?: ConditionSource | undefined;
  /**
   * κ of the fake score: the κ1 under which the method trained it.
   * @defaultValue `1`
   */
  readonly guidanceScale?: number | undefined;
  /**
   * The range of `log SNR`, from noise to signal.
   * @defaultValue that of the teacher's schedule, within `[−10, 10]`
   */
  readonly levels?: readonly [from: number, to: number] | undefined;
  /**
   * The fake score's first step size; it halves where L rises no more.
   * @defaultValue `1e-3`
   */
  readonly learningRate?: number | undefined;
  /**
   * Samples per update, and per pass when L is estimated.
   * @defaultValue `64`
   */
  readonly batch?: number | undefined;
  /**
   * Samples of an estimate of L, at least 8; the same ones each time. The variance of L is about `2·KL·(range of log SNR)/samples`.
   * @defaultValue `4096`
   */
  readonly samples?: number | undefined;
  /**
   * Updates from one estimate to the next.
   * @defaultValue `50`
   */
  readonly every?: number | undefined;
  /**
   * Updates after which it ends even where L still rises.
   * @defaultValue `5000`
   */
  readonly iterations?: number | undefined;
  /**
   * Names the stream of all noise, times and conditions: an integer in `[0, 2^53)`.
   * @defaultValue `0`
   */
  readonly seed?: number | undefined;
  /** Sees each point of the curve as it is made. Awaited. */
  readonly onPoint?: ((point: AuditPoint) => void | Promise<void>) | undefined;
  /** Ends the audit after the current update, with what it has. */
  readonly signal?: AbortSignal | undefined;
}

/** A point of an audit's curve. */
export interface AuditPoint {
  /** Updates of the fake score so far. */
  readonly iteration: number;
  /** L then. */
  readonly lowerBound: Estimate;
  /** L − N then. */
  readonly lag: Estimate;
}

/** What {@link auditDivergence} found. */
export interface Audit {
  /** The estimates where L was greatest. */
  readonly divergence: Divergence;
  /** How L rose, from the fake score as it was. */
  readonly curve: readonly AuditPoint[];
  /** Whether L rose no more; false where the iterations or the signal ended it, or where L fell and did not come back. */
  readonly settled: boolean;
}
