import { add, mul, slice, type Tensor } from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { vjp } from "../../src/core";
import { numbers } from "./matchers";

/** Sample `i` of a batch, as a batch of one. */
export function row(x: Tensor, i: number): Tensor {
  return slice(x, [i, ...x.shape.slice(1).map(() => 0)], [1, ...x.shape.slice(1)]);
}

/** Fails unless the gradient of `f ⊙ cotangent` along a direction is the slope that differences find. */
export function expectSlope(f: (x: Tensor) => Tensor, x: Tensor, direction: Tensor, cotangent: Tensor): void {
  const [g] = vjp(f as never, [x], cotangent) as [Tensor];
  const h = 2 ** -6;
  const along = (sign: number) => dot(f(add(x, mul(direction, sign * h))), cotangent);
  const slope = (along(1) - along(-1)) / (2 * h);
  const scale = Math.hypot(...numbers(g)) * Math.hypot(...numbers(direction));
  expect(Math.abs(dot(g, direction) - slope)).toBeLessThan(5e-3 * scale + 1e-4);
}

function dot(a: Tensor, b: Tensor): number {
  const right = numbers(b);
  return numbers(a).reduce((total, value, i) => total + value * (right[i] as number), 0);
}
