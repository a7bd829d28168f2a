import { mul, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkFloat32, checkObject, checkOneOf } from "../core/checks";
import { SidError } from "../core/errors";
import { perSample } from "../core/per-sample";
import { checkBatch } from "../core/tensor-checks";
import { batchOf, checkLevel, type NoiseLevel } from "./level";

/** The three families of coordinates: `alpha² + sigma² = 1`, `alpha = 1`, `alpha + sigma = 1`. */
export type Coordinates = "vp" | "edm" | "flow";

/** A noisy batch and its level, as {@link changeCoordinates} returns them. */
export interface NoisySamples {
  /** Noisy samples `[B, ...]`; the caller owns them. */
  readonly xt: Tensor;
  /** Their noise level in the new coordinates. */
  readonly level: NoiseLevel;
}

/** What {@link changeCoordinates} rewrites. */
export interface ChangeCoordinatesInputs {
  /** Noisy samples `[B, ...]`. */
  readonly xt: Tensor;
  /** Their noise level, in any coordinates. */
  readonly level: NoiseLevel;
  /** The coordinates wanted. */
  readonly to: Coordinates;
}

const scales: Readonly<Record<Coordinates, (alpha: number, sigma: number) => number>> = {
  vp: Math.hypot,
  edm: (alpha) => alpha,
  flow: (alpha, sigma) => alpha + sigma,
};

/**
 * The same noisy samples in other coordinates: `x_t/c` at the level `(α/c, σ/c)`, where c is
 * `√(α² + σ²)` for VP, `α` for EDM and `α + σ` for rectified flow. x0, ε and the SNR stay what
 * they were, so a network made for one family can be asked about samples of another.
 * A score scales by `c`; convert it after the change, from x0 or ε.
 *
 * Source: Karras et al., arXiv:2206.00364, section 2; for flow, arXiv:2509.25127.
 *
 * @param inputs - float32 `xt` `[B, ...]`, its level and the family wanted.
 * @returns new samples and their level. Differentiable in `xt`.
 * @throws SidError `out-of-range` for `edm` where `alpha = 0`: pure noise has no finite σ there.
 *
 * @example
 * ```ts
 * import { changeCoordinates } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const vp = { xt: tensor2d([[1.4, 1]]), level: { alpha: [0.8], sigma: [0.6] } };
 * const edm = changeCoordinates({ ...vp, to: "edm" });
 * console.log(edm.level.sigma); // 0.75
 * ```
 */
export function changeCoordinates(inputs: ChangeCoordinatesInputs): NoisySamples {
  const where = "changeCoordinates";
  const { xt, level, to } = checkObject(where, "inputs", inputs, { xt: 1, level: 1, to: 1 });
  checkBatch(where, "xt", xt);
  checkLevel(where, level, batchOf(xt));
  checkOneOf(where, "to", to, Object.keys(scales) as Coordinates[]);
  const scale = level.alpha.map((alpha, i) => scales[to](alpha, level.sigma[i] as number));
  const pureNoise = scale.indexOf(0);
  if (pureNoise >= 0)
    throw new SidError(
      "out-of-range",
      `${where}: alpha is 0 at sample ${pureNoise}, which has no finite sigma in EDM.`,
    );
  const factor = scale.map((c) => 1 / c);
  checkFloat32(where, "factor of xt", factor);
  return {
    xt: tidy(() => mul(xt, perSample(factor, xt.rank))),
    level: {
      alpha: level.alpha.map((alpha, i) => alpha / (scale[i] as number)),
      sigma: level.sigma.map((sigma, i) => sigma / (scale[i] as number)),
    },
  };
}
