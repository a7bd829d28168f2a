import * as tf from "@tensorflow/tfjs-core";
import { randomStream, vjp } from "sid-lsg";
import { casesOf } from "./contract-case";

type F = (...inputs: tf.Tensor[]) => tf.Tensor;

/** What `f` gives for normal inputs of these shapes, and its gradient in each of them. */
function withGradients(f: F, ...shapes: number[][]): () => tf.Tensor[] {
  return () => {
    const stream = randomStream(11);
    const inputs = shapes.map((shape) => stream.normal(shape));
    const value = f(...inputs);
    return [value, ...vjp(f as never, inputs as never, stream.normal(value.shape))];
  };
}

const conv = (strides: number | [number, number], pad: "same" | "valid" | number, x: number[], filter: number[]) =>
  withGradients((a, w) => tf.conv2d(a as tf.Tensor4D, w as tf.Tensor4D, strides, pad), x, filter);
const product = (transposeA: boolean, transposeB: boolean, a: number[], b: number[]) =>
  withGradients((x, y) => tf.matMul(x, y, transposeA, transposeB), a, b);

/** The operations of TensorFlow.js that the networks, losses and optimisers are made of, each with its gradient. */
export const operations = casesOf("operations", {
  "matMul [33,70]·[70,40]": product(false, false, [33, 70], [70, 40]),
  "matMul, a transposed": product(true, false, [70, 33], [70, 40]),
  "matMul, b transposed": product(false, true, [33, 70], [40, 70]),
  "matMul, both transposed": product(true, true, [70, 33], [40, 70]),
  "matMul in batches [6,17,8]·[6,8,19]": product(false, false, [6, 17, 8], [6, 8, 19]),
  "matMul in batches, b transposed": product(false, true, [6, 17, 8], [6, 19, 8]),
  "matMul in batches of rank 4": product(false, false, [2, 3, 17, 8], [2, 3, 8, 19]),
  "matMul over 3,000 terms": product(false, false, [4, 3000], [3000, 5]),
  "conv2d 3×3, same": conv(1, "same", [2, 9, 8, 5], [3, 3, 5, 7]),
  "conv2d 3×3, one channel": conv(1, "same", [2, 9, 8, 1], [3, 3, 1, 4]),
  "conv2d 3×3, 4 to 32 channels": conv(1, "same", [2, 8, 8, 4], [3, 3, 4, 32]),
  "conv2d 3×3, stride 2, same, even side": conv(2, "same", [2, 8, 8, 4], [3, 3, 4, 6]),
  "conv2d 3×3, stride 2, same, odd side": conv(2, "same", [2, 9, 7, 4], [3, 3, 4, 6]),
  "conv2d 3×3, stride 2, padding 1": conv(2, 1, [2, 8, 8, 4], [3, 3, 4, 6]),
  "conv2d 3×3, stride 2, valid": conv(2, "valid", [2, 9, 9, 4], [3, 3, 4, 6]),
  "conv2d 1×1": conv(1, "same", [2, 6, 6, 5], [1, 1, 5, 7]),
  "conv2d 1×1, stride 2": conv(2, "same", [2, 6, 6, 5], [1, 1, 5, 7]),
  "conv2d 2×2, valid": conv(1, "valid", [2, 6, 6, 5], [2, 2, 5, 3]),
  "gather of rows, and its gradient": withGradients(
    (table) => tf.gather(table, tf.tensor1d([3, 0, 3, 7, 1, 3], "int32")),
    [9, 6],
  ),
  softmax: withGradients((x) => tf.softmax(x), [3, 5, 70]),
  "sigmoid, tanh, relu": withGradients((x) => tf.add(tf.sigmoid(x), tf.mul(tf.tanh(x), tf.relu(x))), [3, 70]),
  "exp, log, erf": withGradients((x) => tf.add(tf.log(tf.add(tf.exp(x), 1)), tf.erf(x)), [3, 70]),
  "sqrt, square, abs, maximum": withGradients(
    (x, y) => tf.sub(tf.sqrt(tf.add(tf.square(x), 1)), tf.maximum(tf.abs(y), 0.1)),
    [3, 70],
    [3, 70],
  ),
  "division and powers": withGradients((x, y) => tf.div(x, tf.add(1, tf.square(y))), [4, 33], [4, 33]),
  "broadcast over rows": withGradients((x, y) => tf.mul(tf.add(x, y), y), [3, 4, 5, 6], [6]),
  "broadcast over columns": withGradients((x, y) => tf.mul(x, y), [3, 4, 5, 6], [3, 1, 1, 1]),
  "broadcast over the middle": withGradients((x, y) => tf.add(x, y), [3, 4, 5, 6], [3, 1, 1, 6]),
  "sums over axes": withGradients((x) => tf.sum(x, [1, 3]), [3, 4, 5, 6]),
  "means over axes": withGradients((x) => tf.mean(x, [1, 2]), [3, 4, 5, 6]),
  "a sum over 100,000 numbers": withGradients((x) => tf.sum(tf.square(x)), [10, 10_000]),
  transposes: withGradients((x) => tf.transpose(x, [0, 2, 1, 3]), [2, 5, 4, 6]),
  "transpose of the last two": withGradients((x) => tf.transpose(x, [0, 1, 3, 2]), [2, 5, 4, 6]),
  "concat of channels": withGradients((x, y) => tf.concat([x, y], 3), [2, 4, 4, 3], [2, 4, 4, 5]),
  "concat of batches": withGradients((x, y) => tf.concat([x, y], 0), [2, 4, 3], [3, 4, 3]),
  slices: withGradients((x) => tf.slice(x, [0, 1, 2], [2, 3, 4]), [3, 5, 7]),
  "split and stack": withGradients((x) => tf.stack(tf.split(x, 2, 2), 0), [3, 4, 6]),
  padding: withGradients(
    (x) =>
      tf.pad(x, [
        [0, 0],
        [0, 1],
        [2, 1],
        [0, 0],
      ]),
    [2, 3, 4, 5],
  ),
  tile: withGradients((x) => tf.tile(x, [1, 2, 3]), [2, 3, 4]),
  reshape: withGradients((x) => tf.reshape(x, [6, -1]), [2, 3, 4, 5]),
  where: withGradients((x, y) => tf.where(tf.greater(randomStream(3).normal([5, 9]), 0), y, x), [5, 9], [5, 9]),
  clipping: withGradients((x) => tf.clipByValue(x, -0.5, 0.7), [5, 9]),
  "NaN and infinity found and replaced": () => {
    const x = tf.tensor1d([1, Number.NaN, Number.POSITIVE_INFINITY, -2, Number.NEGATIVE_INFINITY]);
    return [tf.cast(tf.isFinite(x), "float32"), tf.cast(tf.isNaN(x), "float32"), tf.cast(tf.notEqual(x, x), "float32")];
  },
});
