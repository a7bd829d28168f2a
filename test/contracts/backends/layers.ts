import type { Tensor } from "@tensorflow/tfjs-core";
import { randomStream, vjp } from "sid-lsg";
import { gegluGate, gelu, quickGelu, silu } from "../../../src/models/nn/activations";
import { attention } from "../../../src/models/nn/attention";
import { addToPositions, upsample2x, upsampleTo } from "../../../src/models/nn/images";
import { conv2d, linear } from "../../../src/models/nn/linear";
import { groupNorm, layerNorm } from "../../../src/models/nn/norms";
import { timeEmbedding } from "../../../src/models/nn/time-embedding";
import { casesOf } from "./contract-case";

/** Value and gradients. */
function withGradients(f: (...inputs: Tensor[]) => Tensor, ...shapes: number[][]): () => Tensor[] {
  return () => {
    const stream = randomStream(12);
    const inputs = shapes.map((shape) => stream.normal(shape));
    const value = f(...inputs);
    return [value, ...vjp(f as never, inputs as never, stream.normal(value.shape))];
  };
}

const norm = (groups: number, activation?: "silu") =>
  withGradients((x, scale, shift) => groupNorm(x, scale, shift, groups, 1e-5, activation), [2, 5, 4, 12], [12], [12]);
const attend = (options: Partial<Parameters<typeof attention>[3]>) =>
  withGradients((q, k, v) => attention(q, k, v, { heads: 2, ...options }), [2, 20, 12], [2, 9, 12], [2, 9, 12]);

export const layers = casesOf("layers", {
  "group norm": norm(3),
  "group norm with SiLU": norm(3, "silu"),
  "group norm, one group": norm(1),
  "layer norm": withGradients((x, scale, shift) => layerNorm(x, scale, shift, 1e-5), [2, 7, 24], [24], [24]),
  attention: attend({}),
  "attention in slices": attend({ slice: 8 }),
  SiLU: withGradients((x) => silu(x), [3, 50]),
  "GELU, quick GELU": () =>
    [withGradients((x) => gelu(x), [3, 50])(), withGradients((x) => quickGelu(x), [3, 50])()].flat(),
  "GEGLU's gate": withGradients((h, g) => gegluGate(h, g), [3, 50], [3, 50]),
  linear: withGradients((x, w, b) => linear(x, w, b), [2, 7, 12], [12, 9], [9]),
  "convolution with a bias": withGradients((x, w, b) => conv2d(x, w, b), [2, 6, 5, 4], [3, 3, 4, 6], [6]),
  "convolution with a bias, stride 2": withGradients(
    (x, w, b) => conv2d(x, w, b, { stride: 2, pad: 1 }),
    ...[[2, 6, 6, 4], [3, 3, 4, 6], [6]],
  ),
  "upsampling by 2": withGradients((x) => upsample2x(x as never), [2, 3, 4, 5]),
  "upsampling to a size": withGradients((x) => upsampleTo(x as never, [7, 9]), [2, 4, 5, 3]),
  "a vector at every position": withGradients((x, v) => addToPositions(x, v), [2, 3, 4, 5], [2, 5]),
  "time embedding": () => timeEmbedding([0, 1, 499, 999], { dim: 32, flipSinToCos: true }),
});
