import { add, erf, exp, mul, sigmoid, square, sub, type Tensor } from "@tensorflow/tfjs-core";
import { operation } from "./custom-gradient";
import { fused } from "./fused";

/** `x·σ(x)`. */
export function silu<T extends Tensor>(x: T): T {
  return sigmoidGated(x, 1);
}

/** `x·σ(1.702·x)`, the approximation of GELU that CLIP's text encoder was trained with. */
export function quickGelu<T extends Tensor>(x: T): T {
  return sigmoidGated(x, 1.702);
}

/** `x·Φ(x)` with the normal distribution function `Φ(x) = (1 + erf(x/√2))/2`; backward `dy·(Φ + x·φ)`. */
export function gelu<T extends Tensor>(x: T): T {
  return operation<T>([x], (x) => {
    const phi = mul(add(erf(mul(x as Tensor, Math.SQRT1_2)), 1), 0.5);
    return {
      value: mul(x as Tensor, phi) as T,
      saved: [x as Tensor, phi],
      backward: (dy, [x, phi]) => {
        const density = mul(exp(mul(square(x as Tensor), -0.5)), 1 / Math.sqrt(2 * Math.PI));
        return [mul(dy, add(phi as Tensor, mul(x as Tensor, density)))];
      },
    };
  });
}

/** `h ⊙ gelu(g)` (Shazeer, arXiv:2002.05202). */
export function gegluGate(h: Tensor, g: Tensor): Tensor {
  return fused("SidGeluGate", [h, g]) ?? mul(h, gelu(g));
}

/**
 * `y = x·s` with `s = σ(k·x)`; backward `dy·(s + k·(y − y·s))`. Keeps `s` and `y` rather than `x`:
 * the next layer keeps `y` anyway.
 */
function sigmoidGated<T extends Tensor>(x: T, k: number): T {
  return fused<T>("SidSigmoidGate", [x], { k }) ?? composedSigmoidGate(x, k);
}

function composedSigmoidGate<T extends Tensor>(x: T, k: number): T {
  const timesK = (x: Tensor) => (k === 1 ? x : mul(x, k));
  return operation<T>([x], (x) => {
    const gate = sigmoid(timesK(x as Tensor));
    const value = mul(x as Tensor, gate) as T;
    return {
      value,
      saved: [gate, value],
      backward: (dy, saved) => {
        const [s, y] = saved as [Tensor, Tensor];
        return [mul(dy, add(s, timesK(sub(y, mul(y, s)))))];
      },
    };
  });
}
