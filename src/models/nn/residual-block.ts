import { mul, type Tensor } from "@tensorflow/tfjs-core";
import { addToPositions } from "./images";
import { type Layer, type Layers, sequence, type Weights } from "./layers";

/** Options of {@link residualBlock}. */
export interface ResidualBlockOptions {
  readonly inputs: number;
  readonly outputs: number;
  /** Groups of the normalisations. */
  readonly groups: number;
  /** Added to their variance. */
  readonly eps: number;
  /** Width of the time embedding; none without it. */
  readonly timeDim?: number | undefined;
  /** What the sum is divided by. @defaultValue `1` */
  readonly scale?: number | undefined;
}

/**
 * diffusers' ResnetBlock2D with time_embedding_norm "default", the time embedding after its SiLU:
 *
 *     (shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x))) + W·time + b))))/scale
 */
export function residualBlock(
  at: Layers,
  options: ResidualBlockOptions,
): (weights: Weights, x: Tensor, time?: Tensor) => Tensor {
  const { inputs, outputs, groups, eps, timeDim, scale = 1 } = options;
  const norm1 = at.groupNorm("norm1", inputs, groups, eps, "silu");
  const conv1 = at.conv("conv1", inputs, outputs, 3, { pad: 1 });
  const project = timeDim === undefined ? undefined : at.linear("time_emb_proj", timeDim, outputs);
  const norm2 = at.groupNorm("norm2", outputs, groups, eps, "silu");
  const conv2 = at.conv("conv2", outputs, outputs, 3, { pad: 1 });
  const shortcut: Layer = inputs === outputs ? (_, x) => x : at.conv("conv_shortcut", inputs, outputs, 1);
  const first = sequence([norm1, conv1]);
  const second = (weights: Weights, x: Tensor, addend: Tensor) =>
    sequence([norm2, (w, h) => conv2.plus(w, h, addend)])(weights, x);
  return (w, x, time) => {
    const h = first(w, x);
    const timed = project && time ? addToPositions(h, project(w, time)) : h;
    const sum = second(w, timed, shortcut(w, x));
    return scale === 1 ? sum : mul(sum, 1 / scale);
  };
}
