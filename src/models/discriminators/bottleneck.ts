import { mean, tidy } from "@tensorflow/tfjs-core";
import { checkObject, checkOneOf, checkPerSample, checkText, showShape } from "../../core/checks";
import { SidError } from "../../core/errors";
import { checkBatch } from "../../core/tensor-checks";
import type { Discriminator } from "../types";

/** Options of {@link bottleneckDiscriminator}. */
export interface BottleneckDiscriminatorOptions {
  /**
   * Whose features it reads: the network itself learns to discriminate, so it must be one that trains.
   * @defaultValue `"fakeScore"`
   */
  readonly reads?: "fakeScore" | undefined;
  /**
   * Its name, in messages.
   * @defaultValue `"bottleneck"`
   */
  readonly name?: string | undefined;
}

/**
 * SiDA's discriminator: the fake score's own features, averaged over the channels. It adds no weights; the fake score's
 * way down learns to tell noisy real images from noisy samples beside what else it learns.
 *
 *     D(x_t) = 1/C · Σ_c features_c
 *
 * Source: SiDA, arXiv:2410.14919; official code, branch sida a5510fd, sida_loss.py 25–126. There the features are
 * those of the encoder's end, here of the mid block after it (`unet`).
 *
 * @param options - whose features.
 * @returns a discriminator without variables: of features `[B, h, w, C]` its logit is a map `[B, h, w]`, of `[B, C]` it
 *   is `[B]`. `logit` throws SidError `shape-mismatch` for features without channels.
 * @throws SidError `invalid-argument` for options that are none.
 *
 * @example
 * ```ts
 * import { bottleneckDiscriminator } from "sid-lsg";
 * import { tensor2d } from "@tensorflow/tfjs-core";
 *
 * const discriminator = bottleneckDiscriminator({ reads: "fakeScore" });
 * console.log(discriminator.logit(tensor2d([[1, 3], [-2, 0]]), [20, 500]).dataSync()); // [2, -1]
 * ```
 */
export function bottleneckDiscriminator(options: BottleneckDiscriminatorOptions = {}): Discriminator {
  const where = "bottleneckDiscriminator";
  const { reads = "fakeScore", name = "bottleneck" } = checkObject(where, "options", options, { reads: 1, name: 1 });
  checkOneOf(where, "reads", reads, ["fakeScore"]);
  checkText(where, "name", name);
  return {
    name,
    reads,
    variables: [],
    logit(features, t) {
      checkBatch(`${name}.logit`, "features", features);
      if (features.rank < 2)
        throw new SidError(
          "shape-mismatch",
          `${name}.logit: features must be [B, ..., C] with an axis of channels, got ${showShape(features)}.`,
        );
      checkPerSample(`${name}.logit`, "t", t, features.shape[0] as number);
      return tidy(() => mean(features, -1));
    },
    dispose: () => {},
  };
}
