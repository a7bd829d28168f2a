import { add, fill, mean, mul, reshape, rsqrt, square, sub, sum, type Tensor } from "@tensorflow/tfjs-core";
import { silu } from "./activations";
import { operation } from "./custom-gradient";
import { fused } from "./fused";

/**
 * Group normalisation, channels last: every sample's group of `C/groups` channels, over all
 * positions, is brought to mean 0 and variance 1, then scaled and shifted per channel; then, on demand, SiLU.
 *
 * With `c = x − mean`, `r = 1/√(var + eps)`: `y = γ·r·c + β`, and backward, with means over the group,
 * `dx = r·(γ·dy − mean(γ·dy) − c·r²·mean(γ·dy·c))`, `dγ = Σ r·c·dy`, `dβ = Σ dy`.
 *
 * @param x - `[B, ..., C]`.
 * @param scale - γ `[C]`.
 * @param shift - β `[C]`.
 * @param groups - a divisor of C.
 * @param eps - added to the variance.
 * @param activation - what follows.
 */
export function groupNorm<T extends Tensor>(
  x: T,
  scale: Tensor,
  shift: Tensor,
  groups: number,
  eps: number,
  activation?: "silu",
): T {
  const whole = fused<T>("SidGroupNorm", [x, scale, shift], { groups, eps, silu: activation === "silu" });
  if (whole) return whole;
  const y = composedGroupNorm(x, scale, shift, groups, eps);
  return activation === "silu" ? silu(y) : y;
}

function composedGroupNorm<T extends Tensor>(x: T, scale: Tensor, shift: Tensor, groups: number, eps: number): T {
  return operation<T>([x, scale, shift], (input, scale, shift) => {
    const flat = flattenPositions(input as Tensor);
    const centred = sub(flat, groupMean(flat, groups));
    const r = rsqrt(add(groupMean(square(centred), groups), eps));
    const y = add(mul(centred, mul(r, scale as Tensor)), shift as Tensor);
    return {
      value: reshape(y, (input as Tensor).shape) as T,
      saved: [centred, r, scale as Tensor],
      backward: (dy, saved) => {
        const [c, r, scale] = saved as [Tensor, Tensor, Tensor];
        const flatDy = flattenPositions(dy);
        // Sums over the positions serve both the groups' means and the parameters.
        const sumDy = sum(flatDy, 1, true);
        const sumDyC = sum(mul(flatDy, c), 1, true);
        const positions = flatDy.shape[1] as number;
        const offset = groupMean(mul(sumDy, scale), groups, 1 / positions);
        const slope = mul(groupMean(mul(sumDyC, scale), groups, 1 / positions), square(r));
        const dx = sub(mul(flatDy, mul(r, scale)), add(mul(c, mul(slope, r)), mul(offset, r)));
        return [reshape(dx, dy.shape), sum(mul(sumDyC, r), [0, 1]), sum(sumDy, [0, 1])];
      },
    };
  });
}

/**
 * Layer normalisation over the last axis, then scale and shift: {@link groupNorm}'s formulas with
 * one row as the group.
 *
 * @param x - `[..., C]`.
 * @param scale - γ `[C]`.
 * @param shift - β `[C]`.
 * @param eps - added to the variance.
 */
export function layerNorm<T extends Tensor>(x: T, scale: Tensor, shift: Tensor, eps: number): T {
  return fused<T>("SidLayerNorm", [x, scale, shift], { eps }) ?? composedLayerNorm(x, scale, shift, eps);
}

function composedLayerNorm<T extends Tensor>(x: T, scale: Tensor, shift: Tensor, eps: number): T {
  return operation<T>([x, scale, shift], (input, scale, shift) => {
    const centred = sub(input as Tensor, rowMean(input as Tensor));
    const r = rsqrt(add(rowMean(square(centred)), eps));
    const unit = mul(centred, r);
    return {
      value: add(mul(unit, scale as Tensor), shift as Tensor) as T,
      saved: [unit, r, scale as Tensor],
      backward: (dy, saved) => {
        const [unit, r, scale] = saved as [Tensor, Tensor, Tensor];
        const g = mul(dy, scale);
        const slope = rowMean(mul(g, unit));
        const dx = mul(sub(g, add(mul(unit, slope), rowMean(g))), r);
        const rows = dy.shape.slice(0, -1).map((_, i) => i);
        return [dx, sum(mul(dy, unit), rows), sum(dy, rows)];
      },
    };
  });
}

function rowMean(x: Tensor): Tensor {
  return mean(x, -1, true);
}

/** `factor` times the mean over positions and each group's channels, for each of these: `[B, N, C] → [B, 1, C]`. */
function groupMean(x: Tensor, groups: number, factor = 1): Tensor {
  const [batch, positions, channels] = x.shape as [number, number, number];
  const size = channels / groups;
  const means = mean(reshape(x, [batch, positions, groups, size]), [1, 3], true);
  return reshape(mul(means, fill([1, 1, 1, size], factor)), [batch, 1, channels]);
}

/** `[B, ..., C] → [B, N, C]`. */
function flattenPositions(x: Tensor): Tensor {
  return reshape(x, [x.shape[0] as number, -1, x.shape[x.rank - 1] as number]);
}
