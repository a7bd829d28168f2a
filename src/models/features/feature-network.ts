import type { Tensor, Tensor2D, Tensor4D, Variable } from "@tensorflow/tfjs-core";
import type { Pictures } from "./pictures";

/** What a feature network says of some pictures, in host memory. */
export interface FeatureBatch {
  /** `[count, dimension]`, row by row: what `featureStatistics` of `sid-lsg/metrics` takes. */
  readonly features: Float32Array;
  /** `[count, classes]`, row by row, where the network classifies: before the softmax. */
  readonly logits?: Float32Array | undefined;
}

/** What a feature network says of some pictures, as tensors. */
export interface FeatureTensors {
  /** `[B, dimension]`. */
  readonly features: Tensor2D;
  /** `[B, classes]`, where the network classifies. */
  readonly logits?: Tensor2D | undefined;
}

/** A network that turns pictures into vectors, whose laws are then compared. */
export interface FeatureNetwork {
  /**
   * Which network and which protocol, such as `"inception-v3-fid"`: statistics carry it, since those of different
   * networks have nothing to do with each other.
   */
  readonly name: string;
  /** Length of a picture's vector. */
  readonly dimension: number;
  /** All weights, in a fixed order. */
  readonly variables: readonly Variable[];
  /**
   * The features of pictures of any one size, resized and standardised as the network's protocol says. They run through
   * the network a few at a time: memory does not grow with their number.
   *
   * @param pictures - RGB bytes.
   * @returns the features, and the logits where there are any.
   * @throws SidError `invalid-argument` or `shape-mismatch` for what are no pictures.
   */
  features(pictures: Pictures): Promise<FeatureBatch>;
  /**
   * The network alone, on what its protocol makes of pictures. Synchronous, pure and differentiable; the caller owns the
   * result.
   *
   * @param x - `[B, height, width, 3]`, resized and standardised.
   * @throws SidError `shape-mismatch` or `invalid-argument` for a tensor that does not fit.
   */
  forward(x: Tensor4D | Tensor): FeatureTensors;
  /** Frees the variables. */
  dispose(): void;
}
