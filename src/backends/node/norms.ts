import type { NamedAttrMap } from "@tensorflow/tfjs-core";
import { siluGradient } from "./activations";
import { flag, type Handle, type Operations } from "./operations";

/*
 * The formulas are those of src/models/nn/norms.ts. The backward pass computes again what is quick to compute, so that
 * of the activations only the input is kept.
 */

type Five = readonly [Handle, Handle, Handle, Handle, Handle];

const keepDims = [flag("keep_dims", true)];

/** y, then mean and 1/√(var + eps) `[B, 1, C]`. */
export function groupNorm(ops: Operations, inputs: readonly Handle[], attrs: NamedAttrMap): Handle[] {
  const { run, number, reshape } = ops;
  const [x, scale, shift] = inputs as Five;
  const { flat, sum, mean } = grouped(ops, x, attrs);
  const rows = flat(x);
  const centre = mean(sum(rows));
  const centred = run("Sub", [rows, centre]);
  const variance = mean(sum(run("Square", [centred])));
  const r = run("Rsqrt", [run("AddV2", [variance, number(attrs["eps"] as number)])]);
  const y = run("AddV2", [run("Mul", [centred, run("Mul", [r, scale])]), shift]);
  const out = attrs["silu"] ? run("Mul", [y, run("Sigmoid", [y])]) : y;
  return [reshape(out, x.shape), centre, r];
}

export function groupNormGradient(ops: Operations, inputs: readonly Handle[], attrs: NamedAttrMap): Handle[] {
  const { run, reshape, integers } = ops;
  const [dy, x, scale, shift, centre, r] = inputs as readonly [...Five, Handle];
  const { flat, sum, mean } = grouped(ops, x, attrs);
  const centred = run("Sub", [flat(x), centre]);
  const gain = run("Mul", [r, scale]);
  const du = attrs["silu"] ? siluGradient(ops, flat(dy), run("AddV2", [run("Mul", [centred, gain]), shift])) : flat(dy);
  const sums = sum(du);
  const moments = run("Mul", [sum(run("Mul", [du, centred])), r]);
  const offset = run("Mul", [mean(run("Mul", [sums, scale])), r]);
  const slope = run("Mul", [mean(run("Mul", [moments, scale])), run("Square", [r])]);
  const through = run("Sub", [run("Mul", [du, gain]), run("Mul", [centred, slope])]);
  const dx = reshape(run("Sub", [through, offset]), x.shape);
  return [dx, ...[moments, sums].map((all) => run("Sum", [all, integers([0, 1])]))];
}

/** y, then mean and 1/√(var + eps) `[rows, 1]`. */
export function layerNorm(ops: Operations, inputs: readonly Handle[], attrs: NamedAttrMap): Handle[] {
  const { run, number, reshape } = ops;
  const [x, scale, shift] = inputs as Five;
  const rows = rowsOf(ops, x);
  const centre = rowMean(ops, rows);
  const centred = run("Sub", [rows, centre]);
  const variance = rowMean(ops, run("Square", [centred]));
  const r = run("Rsqrt", [run("AddV2", [variance, number(attrs["eps"] as number)])]);
  const y = run("AddV2", [run("Mul", [run("Mul", [centred, r]), scale]), shift]);
  return [reshape(y, x.shape), centre, r];
}

export function layerNormGradient(ops: Operations, inputs: readonly Handle[]): Handle[] {
  const { run, reshape } = ops;
  const [dy, x, scale, , centre, r] = inputs as readonly [...Five, Handle];
  const rows = rowsOf(ops, dy);
  const unit = run("Mul", [run("Sub", [rowsOf(ops, x), centre]), r]);
  const g = run("Mul", [rows, scale]);
  const along = run("Mul", [unit, rowMean(ops, run("Mul", [g, unit]))]);
  const dx = run("Mul", [run("Sub", [run("Sub", [g, along]), rowMean(ops, g)]), r]);
  return [reshape(dx, x.shape), run("BiasAddGrad", [run("Mul", [rows, unit])]), run("BiasAddGrad", [rows])];
}

/** What the two passes of a group norm share. */
function grouped(ops: Operations, { shape }: Handle, attrs: NamedAttrMap) {
  const [batch, channels] = [shape[0] as number, shape[shape.length - 1] as number];
  const positions = shape.slice(1, -1).reduce((a, b) => a * b, 1);
  const averages = groupAverages(ops, channels, attrs["groups"] as number, positions);
  return {
    /** `[B, N, C]`. */
    flat: (x: Handle) => ops.reshape(x, [batch, positions, channels]),
    /** Over the positions, `[B, 1, C]`. */
    sum: (x: Handle) => ops.run("Sum", [x, ops.integers([1])], keepDims),
    /** The mean over its group, from each channel's sum. */
    mean: (sums: Handle) => ops.run("BatchMatMulV2", [sums, averages]),
  };
}

/** The matrix `[1, C, C]` that turns each channel's sum over the positions into the mean over its group. */
function groupAverages(ops: Operations, channels: number, groups: number, positions: number): Handle {
  const size = channels / groups;
  return ops.constant(`averages ${channels} ${groups} ${positions}`, [1, channels, channels], () => {
    const matrix = new Float32Array(channels * channels);
    for (let row = 0; row < channels; row++) {
      const first = row * channels + row - (row % size);
      matrix.fill(1 / (size * positions), first, first + size);
    }
    return matrix;
  });
}

function rowsOf(ops: Operations, x: Handle): Handle {
  const length = x.shape[x.shape.length - 1] as number;
  return ops.reshape(x, [x.shape.reduce((a, b) => a * b, 1) / length, length]);
}

function rowMean({ run, integers }: Operations, x: Handle): Handle {
  return run("Mean", [x, integers([-1])], keepDims);
}
