import { checkFinite, checkObject, type KeysOf } from "../core/checks";
import { SidError } from "../core/errors";

/**
 * The guidance scales of SiD-LSG, as plain data. Scales are `κ` in
 * `uncond + κ·(cond − uncond)`: 1 is no guidance. Code that writes `cond + s·(cond − uncond)`
 * means `κ = 1 + s`.
 *
 * The paper writes κ3 for the fake score in the second term of the generator's loss. The official code has one scale for
 * both terms, `cfg_eval_fake`, and so has this library: `kappa2` is both.
 *
 * Source: arXiv:2406.01561, section 3; SiD-LSG@709fc22 training/sid_training_loop.py L185-187,
 * L417-422, L495-506.
 */
export interface Guidance {
  /** Guides the fake score while it trains. */
  readonly kappa1: number;
  /** Guides the fake score in the generator's loss; the paper's κ2 = κ3. */
  readonly kappa2: number;
  /** Guides the teacher in the generator's loss. */
  readonly kappa4: number;
}

/** The keys of {@link Guidance}. */
export const guidanceKeys: KeysOf<Guidance> = { kappa1: 1, kappa2: 1, kappa4: 1 };

/**
 * No guidance: all scales are 1.
 *
 * @returns plain data.
 *
 * @example
 * ```ts
 * import { noGuidance } from "sid-lsg";
 *
 * console.log(noGuidance().kappa4); // 1
 * ```
 */
export function noGuidance(): Guidance {
  return lsg(1);
}

/**
 * Long and short guidance: the same scale everywhere. The paper uses 1.5, 2, 3 and 4.5; a larger
 * scale follows the text more closely and strays further from the data.
 *
 * Source: arXiv:2406.01561, section 3.
 *
 * @param kappa - any finite scale.
 * @returns plain data: `κ1 = κ2 = κ4 = kappa`.
 * @throws SidError `not-finite` for NaN and infinities.
 *
 * @example
 * ```ts
 * import { lsg } from "sid-lsg";
 *
 * console.log(lsg(1.5)); // { kappa1: 1.5, kappa2: 1.5, kappa4: 1.5 }
 * ```
 */
export function lsg(kappa: number): Guidance {
  checkFinite("lsg", "kappa", kappa);
  return { kappa1: kappa, kappa2: kappa, kappa4: kappa };
}

/**
 * Long guidance: only the teacher is guided.
 *
 * Source: arXiv:2406.01561, section 3.
 *
 * @param kappa - the teacher's scale, above 1.
 * @returns plain data: `κ1 = κ2 = 1`, `κ4 = kappa`.
 * @throws SidError `not-finite`, or `out-of-range` at 1 or below.
 *
 * @example
 * ```ts
 * import { longGuidance } from "sid-lsg";
 *
 * console.log(longGuidance(3).kappa4); // 3
 * ```
 */
export function longGuidance(kappa: number): Guidance {
  checkBetween("longGuidance", kappa, 1, Number.POSITIVE_INFINITY);
  return { ...noGuidance(), kappa4: kappa };
}

/**
 * Short guidance: the fake score is weakened in the generator's loss only. It is used under another
 * guidance than it trains under, so it is not the generator's own score; see {@link guidanceWarnings}.
 *
 * Source: arXiv:2406.01561, section 3.
 *
 * @param kappa - the fake score's scale, strictly between 0 and 1.
 * @returns plain data: `κ2 = kappa`, `κ1 = κ4 = 1`.
 * @throws SidError `not-finite`, or `out-of-range` outside `(0, 1)`.
 *
 * @example
 * ```ts
 * import { shortGuidance } from "sid-lsg";
 *
 * console.log(shortGuidance(0.5).kappa2); // 0.5
 * ```
 */
export function shortGuidance(kappa: number): Guidance {
  checkBetween("shortGuidance", kappa, 0, 1);
  return { ...noGuidance(), kappa2: kappa };
}

/**
 * Zero-CFG: the fake score never sees the text.
 *
 * Source: few-step SiD, arXiv:2505.12674.
 *
 * @returns plain data: `κ1 = κ2 = 0`, `κ4 = 1`.
 *
 * @example
 * ```ts
 * import { zeroCfg } from "sid-lsg";
 *
 * console.log(zeroCfg().kappa1); // 0
 * ```
 */
export function zeroCfg(): Guidance {
  return { kappa1: 0, kappa2: 0, kappa4: 1 };
}

/**
 * Anti-CFG: the fake score is guided away from the text.
 *
 * Source: few-step SiD, arXiv:2505.12674.
 *
 * @param kappa - the fake score's scale, below 0.
 * @returns plain data: `κ1 = κ2 = kappa`, `κ4 = 1`.
 * @throws SidError `not-finite`, or `out-of-range` at 0 or above.
 *
 * @example
 * ```ts
 * import { antiCfg } from "sid-lsg";
 *
 * console.log(antiCfg(-1).kappa2); // -1
 * ```
 */
export function antiCfg(kappa: number): Guidance {
  checkBetween("antiCfg", kappa, Number.NEGATIVE_INFINITY, 0);
  return { ...lsg(kappa), kappa4: 1 };
}

/**
 * What is doubtful about a choice of scales, in words; it prints nothing.
 *
 * Only with `κ1 = κ2` is the fake score's guided output at its optimum the generator's own
 * score. Otherwise the score identity behind the loss does not hold: training may still work,
 * as short guidance shows, but it no longer follows the objective that the loss stands for.
 *
 * @param guidance - finite scales.
 * @returns one sentence per doubt, none if there is none.
 * @throws SidError `not-finite` or `invalid-argument` unless all scales are finite numbers.
 *
 * @example
 * ```ts
 * import { guidanceWarnings, lsg, shortGuidance } from "sid-lsg";
 *
 * console.log(guidanceWarnings(lsg(2)).length, guidanceWarnings(shortGuidance(0.5)).length); // 0 1
 * ```
 */
export function guidanceWarnings(guidance: Guidance): string[] {
  const { kappa1, kappa2, kappa4 } = checkObject("guidanceWarnings", "guidance", guidance, guidanceKeys);
  for (const [name, kappa] of Object.entries({ kappa1, kappa2, kappa4 })) checkFinite("guidanceWarnings", name, kappa);
  const warnings: string[] = [];
  if (kappa1 !== kappa2)
    warnings.push(
      `kappa1 = ${kappa1} differs from kappa2 = ${kappa2}: the fake score trains under one guidance and is used under another, so at its optimum it is not the generator's score and the score identity does not hold.`,
    );
  return warnings;
}

/** Throws unless `kappa` lies strictly between `min` and `max`. */
function checkBetween(where: string, kappa: number, min: number, max: number): void {
  checkFinite(where, "kappa", kappa);
  if (kappa <= min || kappa >= max)
    throw new SidError("out-of-range", `${where}: kappa must lie strictly between ${min} and ${max}, got ${kappa}.`);
}
