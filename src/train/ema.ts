import { add, mul, sub, tidy, type Variable } from "@tensorflow/tfjs-core";
import { checkFinite, checkObject, checkRange } from "../core/checks";
import { SidError } from "../core/errors";
import { checkVariables } from "../core/tensor-checks";
import { packs } from "./packing";

/** What {@link emaBeta} depends on. */
export interface EmaSchedule {
  /** Images seen before this iteration. */
  readonly nimg: number;
  /** Images of this iteration, over all accumulation rounds. At least 1. */
  readonly batch: number;
  /** Images after which an old weight counts half; 0 switches the average off. */
  readonly halfLife: number;
  /**
   * The half-life never exceeds `rampUp · nimg`, so that the start is forgotten soon; `null` for no ramp.
   * @defaultValue `0.05`
   */
  readonly rampUp?: number | null | undefined;
}

/**
 * Share of the old average that stays after one iteration.
 *
 *     β = 0.5^(batch / min(halfLife, rampUp · nimg))
 *
 * Source: SiD-LSG@709fc22 training/sid_training_loop.py, the update of `G_ema`.
 *
 * @param schedule - how far the run is, and the half-life.
 * @returns β in `[0, 1)`; 0 means that the average becomes the trained weights.
 * @throws SidError `not-finite` or `out-of-range` for a negative or non-finite number.
 *
 * @example
 * ```ts
 * import { emaBeta } from "sid-lsg/train";
 *
 * console.log(emaBeta({ nimg: 0, batch: 512, halfLife: 50_000 })); // 0
 * console.log(emaBeta({ nimg: 2e6, batch: 50_000, halfLife: 50_000 })); // 0.5
 * ```
 */
export function emaBeta(schedule: EmaSchedule): number {
  const {
    nimg,
    batch,
    halfLife,
    rampUp = 0.05,
  } = checkObject("emaBeta", "schedule", schedule, { nimg: 1, batch: 1, halfLife: 1, rampUp: 1 });
  checkRange("emaBeta", "nimg", nimg, 0, Number.MAX_SAFE_INTEGER);
  checkRange("emaBeta", "batch", batch, 1, Number.MAX_SAFE_INTEGER);
  checkRange("emaBeta", "halfLife", halfLife, 0, Number.MAX_SAFE_INTEGER);
  if (rampUp !== null) checkRange("emaBeta", "rampUp", rampUp, 0, Number.MAX_SAFE_INTEGER);
  const images = rampUp === null ? halfLife : Math.min(halfLife, nimg * rampUp);
  return images === 0 ? 0 : 0.5 ** (batch / images);
}

/**
 * Moves an average towards the weights that it follows: `target ← source + β·(target − source)`.
 *
 * @param target - the average's variables; assigned.
 * @param source - the trained variables, in the same order and shapes.
 * @param beta - share of the old average that stays, in `[0, 1]`; see {@link emaBeta}.
 * @throws SidError `shape-mismatch` when the lists do not fit, `out-of-range` or `not-finite` for a bad β.
 *
 * @example
 * ```ts
 * import { updateEma } from "sid-lsg/train";
 * import { scalar, variable } from "@tensorflow/tfjs-core";
 *
 * const average = variable(scalar(0), true, "ema-example/average");
 * const weight = variable(scalar(1), true, "ema-example/weight");
 * updateEma([average], [weight], 0.75);
 * console.log(average.dataSync()[0]); // 0.25
 * ```
 */
export function updateEma(target: readonly Variable[], source: readonly Variable[], beta: number): void {
  checkRange("updateEma", "beta", checkFinite("updateEma", "beta", beta), 0, 1);
  checkTwins("updateEma", { target, source });
  for (const { pack, assign } of packs(source.map((v) => v.shape)))
    tidy(() => {
      const weights = pack(source);
      assign(target, beta === 0 ? weights : add(weights, mul(sub(pack(target), weights), beta)));
    });
}

/** Throws unless the two lists of variables have the same shapes in the same order. */
export function checkTwins(where: string, lists: Readonly<Record<string, readonly Variable[]>>): void {
  const [[nameA, a], [nameB, b]] = Object.entries(lists) as [
    [string, readonly Variable[]],
    [string, readonly Variable[]],
  ];
  checkVariables(where, nameA, a);
  checkVariables(where, nameB, b);
  if (a.length !== b.length)
    throw new SidError("shape-mismatch", `${where}: ${nameA} has ${a.length} variables, ${nameB} has ${b.length}.`);
  a.forEach((x, i) => {
    const y = b[i] as Variable;
    if (x.shape.join() !== y.shape.join())
      throw new SidError(
        "shape-mismatch",
        `${where}: ${nameA} "${x.name}" is [${x.shape.join(", ")}], ${nameB} "${y.name}" is [${y.shape.join(", ")}].`,
      );
  });
}
