import type { NamedAttrMap } from "@tensorflow/tfjs-core";
import { siluGradient } from "./activations";
import { flag, type Handle, type Operations } from "./operations";

/*
 * The formulas are those of src/models/nn/norms.ts. The backward pass computes again what is quick to compute, so that
 * of the activations only the input is kept.
 */

type Five = readonly [Handle, Handle, Handle, Handle, Handle];

const keepDims = [flag("keep_dims", true)];

/** y, then mean and 1/√(var + eps) `[B, 1, ..., C]`. */
export function groupNorm(ops: Operations, inputs: readonly Handle[], attrs: NamedAttrMap): Handle[] {
  const { run, number } = ops;
  const [x, scale, shift] = inputs as Five;
  const { sum, mean } = grouped(ops, x, attrs);
  const centre = mean(sum(x));
  const centred = run("Sub", [x, centre]);
  const variance = mean(sum(run("Square", [centred])));
  const r = run("Rsqrt", [run("AddV2", [variance, number(attrs["eps"] as number)])]);
  const y = run("AddV2", [run("Mul", [centred, run("Mul", [r, scale])]), shift]);
  return [attrs["silu"] ? run("Mul", [y, run("Sigmoid", [y])]) : y, centre, r];
}

export function groupNormGradient(ops: Operations, inputs: readonly Handle[], attrs: NamedAttrMap): Handle[] {
  const { run, integers } = ops;
  const [dy, x, scale, shift, centre, r] = inputs as readonly [...Five, Handle];
  const { sum, mean, flat } = grouped(ops, x, attrs);
  const centred = run("Sub", [x, centre]);
  const gain = run("Mul", [r, scale]);
  const du = attrs["silu"] ? siluGradient(ops, dy, run("AddV2", [run("Mul", [centred, gain]), shift])) : dy;
  const sums = sum(du);
  const moments = run("Mul", [sum(run("Mul", [du, centred])), flat(r)]);
  const offset = run("Mul", [mean(run("Mul", [sums, scale])), r]);
  const slope = run("Mul", [mean(run("Mul", [moments, scale])), run("Square", [r])]);
  const through = run("Sub", [run("Mul", [du, gain]), run("Mul", [centred, slope])]);
  return [run("Sub", [through, offset]), ...[moments, sums].map((all) => run("Sum", [all, integers([0])]))];
}

/** y, then mean and 1/√(var + eps) `[..., 1]`. */
export function layerNorm(ops: Operations, inputs: readonly Handle[], attrs: NamedAttrMap): Handle[] {
  const { run, number } = ops;
  const [x, scale, shift] = inputs as Five;
  const centre = rowMean(ops, x);
  const centred = run("Sub", [x, centre]);
  const variance = rowMean(ops, run("Square", [centred]));
  const r = run("Rsqrt", [run("AddV2", [variance, number(attrs["eps"] as number)])]);
  return [run("AddV2", [run("Mul", [run("Mul", [centred, r]), scale]), shift]), centre, r];
}

export function layerNormGradient(ops: Operations, inputs: readonly Handle[]): Handle[] {
  const { run } = ops;
  const [dy, x, scale, , centre, r] = inputs as readonly [...Five, Handle];
  const unit = run("Mul", [run("Sub", [x, centre]), r]);
  const g = run("Mul", [dy, scale]);
  const along = run("Mul", [unit, rowMean(ops, run("Mul", [g, unit]))]);
  const dx = run("Mul", [run("Sub", [run("Sub", [g, along]), rowMean(ops, g)]), r]);
  return [dx, sumOfRows(ops, run("Mul", [dy, unit])), sumOfRows(ops, dy)];
}

/** What the two passes of a group norm share. */
function grouped(ops: Operations, { shape }: Handle, attrs: NamedAttrMap) {
  const [batch, channels] = [shape[0] as number, shape[shape.length - 1] as number];
  const between = shape.slice(1, -1);
  const averages = groupAverages(
    ops,
    channels,
    attrs["groups"] as number,
    between.reduce((a, b) => a * b, 1),
  );
  return {
    /** Over the positions, `[B, C]`. */
    sum: (x: Handle) => ops.run("Sum", [x, ops.integers(between.map((_, i) => i + 1))]),
    /** Each channel's sum becomes the mean over its group, `[B, 1, ..., C]`. */
    mean: (sums: Handle) =>
      ops.reshape(ops.run("BatchMatMulV2", [sums, averages]), [batch, ...between.map(() => 1), channels]),
    /** `[B, 1, ..., C] → [B, C]`. */
    flat: (x: Handle) => ops.reshape(x, [batch, channels]),
  };
}

/** The matrix `[C, C]` that turns each channel's sum over the positions into the mean over its group. */
function groupAverages(ops: Operations, channels: number, groups: number, positions: number): Handle {
  const size = channels / groups;
  return ops.constant(`averages ${channels} ${groups} ${positions}`, [channels, channels], () => {
    const matrix = new Float32Array(channels * channels);
    for (let row = 0; row < channels; row++) {
      const first = row * channels + row - (row % size);
      matrix.fill(1 / (size * positions), first, first + size);
    }
    return matrix;
  });
}

/** `[..., C] → [..., 1]`. */
function rowMean({ run, integers }: Operations, x: Handle): Handle {
  return run("Mean", [x, integers([-1])], keepDims);
}

/** `[..., C] → [C]`. */
function sumOfRows({ run, reshape }: Operations, x: Handle): Handle {
  return x.shape.length > 1 ? run("BiasAddGrad", [x]) : reshape(x, x.shape);
}
