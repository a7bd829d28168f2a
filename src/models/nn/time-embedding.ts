import { type Tensor2D, tensor2d } from "@tensorflow/tfjs-core";
import type { Timesteps } from "../../core/per-sample";

/** Options of {@link timeEmbedding}. */
export interface TimeEmbeddingOptions {
  /** Number of features. */
  readonly dim: number;
  /** True puts the cosines first. @defaultValue `false` */
  readonly flipSinToCos?: boolean | undefined;
  /** δ in `ω_i = 10000^(−i/(dim/2 − δ))`. @defaultValue `0` */
  readonly freqShift?: number | undefined;
}

/**
 * Sinusoidal features `[sin(ω_i·t), cos(ω_i·t)]`, `ω_i = 10000^(−i/(dim/2 − δ))`; an odd `dim` ends with a zero.
 * Frequencies and angles are rounded to float32 where diffusers rounds them, so that the features of
 * large `t` are the ones a network was trained with.
 *
 * Source: Vaswani et al., arXiv:1706.03762, section 3.5; diffusers models/embeddings.py, get_timestep_embedding.
 *
 * @param t - one time per sample.
 * @returns `[B, dim]`.
 */
export function timeEmbedding(t: Timesteps, options: TimeEmbeddingOptions): Tensor2D {
  const { dim, flipSinToCos = false, freqShift = 0 } = options;
  const half = Math.floor(dim / 2);
  const features = new Float32Array(t.length * dim);
  const [sinAt, cosAt] = flipSinToCos ? [half, 0] : [0, half];
  for (let i = 0; i < half; i++) {
    const exponent = Math.fround(Math.fround(-Math.log(10000) * i) / (half - freqShift));
    const frequency = Math.fround(Math.exp(exponent));
    t.forEach((time, sample) => {
      const angle = Math.fround(Math.fround(time) * frequency);
      features[sample * dim + sinAt + i] = Math.sin(angle);
      features[sample * dim + cosAt + i] = Math.cos(angle);
    });
  }
  return tensor2d(features, [t.length, dim]);
}
