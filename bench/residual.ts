import {
  add,
  conv2d,
  dispose,
  div,
  mean,
  mul,
  reshape,
  sigmoid,
  sqrt,
  square,
  sub,
  type Tensor,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import { randomStream, vjp } from "sid-lsg";

const [batch, channels, size, groups] = [16, 64, 16, 16] as const;
const image = [batch, size, size, channels];

/** Group normalisation without scale and shift, channels last. */
function groupNorm(x: Tensor): Tensor {
  const split = reshape(x, [batch, size * size, groups, channels / groups]);
  const centred = sub(split, mean(split, [1, 3], true));
  return reshape(div(centred, sqrt(add(mean(square(centred), [1, 3], true), 1e-5))), image);
}

const silu = (x: Tensor) => mul(x, sigmoid(x));

/** The work of `peers/jax-js/residual.mjs`: one residual block, forward and backward, in tfjs-core's operations. */
export function residualBlock(): { pass(): void; free(): void } {
  const stream = randomStream(0);
  const filter = () => mul(stream.normal([3, 3, channels, channels]), 0.05);
  const inputs = [stream.normal(image), filter(), filter()];
  const dy = stream.normal(image);
  const conv = (x: Tensor, w: Tensor) => conv2d(x as Tensor4D, w as Tensor4D, 1, "same");
  const block = (...[x, first, second]: Tensor[]) =>
    add(x as Tensor, conv(silu(groupNorm(conv(silu(groupNorm(x as Tensor)), first as Tensor))), second as Tensor));
  return {
    pass: () => dispose(vjp(block, inputs, dy)),
    free: () => dispose([...inputs, dy]),
  };
}
