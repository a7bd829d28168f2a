import type { NamedAttrMap } from "@tensorflow/tfjs-core";
import { flag, type Handle, list, type Operations, type } from "./operations";

/*
 * The formulas are those of src/models/nn/attention.ts. Scores of few heads, or of some queries of one head, are in
 * memory at a time: that many stay in the processor's caches, and the backward pass computes them again (or, in a
 * graph, takes them from the forward pass: see graph/record.ts).
 */

/** Scores at a time. */
const mostScores = 2 ** 20;

type Five = readonly [Handle, Handle, Handle, Handle, Handle];
type Three = readonly [Handle, Handle, Handle];

/** y, and y once more for the backward pass, in the same memory. */
export function attention(ops: Operations, inputs: readonly Handle[], attrs: NamedAttrMap): Handle[] {
  const [q, k, v] = inputs as Three;
  const { split, join, scaled, blocks, concat } = headed(ops, q, k, attrs);
  const [queries, keys, values] = [scaled(split(q)), split(k), split(v)];
  const mixed = blocks.map(({ of, ofQueries }) =>
    concat(
      ofQueries(queries).map(
        (part) => ops.scope(() => [product(ops, softmax(ops, part, of(keys)), of(values))] as const)[0],
      ),
      1,
    ),
  );
  const y = join(concat(mixed, 0));
  return [y, ops.reshape(y, q.shape)];
}

export function attentionGradient(ops: Operations, inputs: readonly Handle[], attrs: NamedAttrMap): Handle[] {
  const { run, integers } = ops;
  const [dy, q, k, v, y] = inputs as Five;
  const { split, join, scaled, blocks, concat } = headed(ops, q, k, attrs);
  const [queries, keys, values, outer] = [scaled(split(q)), split(k), split(v), split(dy)];
  // In dS = P ⊙ (dP − Σ_M P ⊙ dP) the sum is Σ_d y ⊙ dy, which has fewer terms. As one more column beside dy, with ones
  // beside V, the product that gives dP also subtracts it.
  const sums = run("Sum", [run("Mul", [outer, split(y)]), integers([-1])], [flag("keep_dims", true)]);
  const ones = [...values.shape.slice(0, -1), 1];
  const outerAndSums = concat([outer, run("Neg", [sums])], -1);
  const valuesAndOnes = concat([values, ops.constant(`ones ${ones}`, ones, () => onesOf(ones))], -1);
  /** Of a block, dQ before its scale, dK and dV. */
  const gradients = (part: Handle, ofKeys: Handle, ofValues: Handle, out: Handle, outAndSums: Handle): Three => {
    const weights = softmax(ops, part, ofKeys);
    const dScores = run("Mul", [weights, product(ops, outAndSums, ofValues, false, true)]);
    return [product(ops, dScores, ofKeys), product(ops, dScores, part, true), product(ops, weights, out, true)];
  };
  const parts = blocks.map(({ of, ofQueries }): Three => {
    const [outs, outsAndSums] = [ofQueries(outer), ofQueries(outerAndSums)];
    const each = ofQueries(queries).map((part, i) =>
      ops.scope(() => gradients(part, of(keys), of(valuesAndOnes), outs[i] as Handle, outsAndSums[i] as Handle)),
    );
    const total = (which: 1 | 2) => each.map((results) => results[which]).reduce((a, b) => run("AddV2", [a, b]));
    const dq = each.map((results) => results[0]);
    return [concat(dq, 1), total(1), total(2)];
  });
  const all = (which: 0 | 1 | 2) => join(concat(column(parts, which), 0));
  return [scaled(all(0)), all(1), all(2)];
}

const onesOf = (shape: readonly number[]) => new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1);

const column = (rows: readonly Three[], which: 0 | 1 | 2) => rows.map((row) => row[which]);

/** How an attention is split: into heads `[B, heads, N, d]`, or, in blocks, `[B·heads, N, d]`. */
function headed(ops: Operations, q: Handle, k: Handle, attrs: NamedAttrMap) {
  const { run, integers, number, reshape } = ops;
  const [batch, queries, width] = q.shape as [number, number, number];
  const [keys, heads] = [k.shape[1] as number, attrs["heads"] as number];
  const [all, depth] = [batch * heads, width / heads];
  const atOnce = Math.min(all, Math.max(1, Math.floor(mostScores / (queries * keys))));
  const rows = Math.min(queries, Math.max(1, Math.floor(mostScores / (atOnce * keys))));
  const part = (x: Handle, from: readonly number[], size: readonly number[]) =>
    size.join() === x.shape.join() ? x : run("Slice", [x, integers(from), integers(size)]);
  const whole = atOnce === all && rows === queries;
  const block = (head: number) => {
    const count = Math.min(atOnce, all - head);
    const of = (x: Handle) => part(x, [head, 0, 0], [count, x.shape[1] as number, x.shape[2] as number]);
    return {
      of,
      ofQueries: (x: Handle) =>
        starts(queries, rows).map((row) =>
          part(of(x), [0, row, 0], [count, Math.min(rows, queries - row), x.shape[2] as number]),
        ),
    };
  };
  return {
    split(x: Handle) {
      const tokens = x.shape[1] as number;
      const apart = exchanged(ops, x, [batch, tokens, heads, depth]);
      return whole ? apart : reshape(apart, [all, tokens, depth]);
    },
    join(x: Handle) {
      const tokens = x.shape[x.shape.length - 2] as number;
      return reshape(exchanged(ops, x, [batch, heads, tokens, depth]), [batch, tokens, width]);
    },
    scaled: (x: Handle) => run("Mul", [x, number(1 / Math.sqrt(depth))]),
    concat: (handles: readonly Handle[], axis: number) =>
      handles.length === 1
        ? (handles[0] as Handle)
        : run("ConcatV2", [...handles, integers(axis)], list(handles.length)),
    blocks: whole ? [{ of: itself, ofQueries: (x: Handle) => [x] }] : starts(all, atOnce).map(block),
  };
}

/**
 * `[B, n, m, d] → [B, m, n, d]` of what is reshaped to that. Pairs of numbers move as one where that goes: TensorFlow is
 * twice as fast with them.
 */
function exchanged({ run, reshape, integers }: Operations, x: Handle, shape: Shape4): Handle {
  const [batch, n, m, depth] = shape;
  const axes = integers([0, 2, 1, 3]);
  if (depth % 2 === 1) return run("Transpose", [reshape(x, shape), axes]);
  const pairs = run("Bitcast", [reshape(x, [batch, n, m, depth / 2, 2])], [type("type", "complex64")]);
  const moved = run("Bitcast", [run("Transpose", [pairs, axes])], [type("type", "float32")]);
  return reshape(moved, [batch, m, n, depth]);
}

type Shape4 = readonly [number, number, number, number];

const itself = (x: Handle) => x;

const starts = (length: number, step: number) => Array.from({ length: Math.ceil(length / step) }, (_, i) => i * step);

function softmax(ops: Operations, queries: Handle, keys: Handle): Handle {
  return ops.run("Softmax", [product(ops, queries, keys, false, true)]);
}

function product({ run }: Operations, a: Handle, b: Handle, transposeA = false, transposeB = false): Handle {
  return run("BatchMatMulV2", [a, b], [flag("adj_x", transposeA), flag("adj_y", transposeB)]);
}
