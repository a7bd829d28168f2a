import type { NamedAttrMap } from "@tensorflow/tfjs-core";
import type { Handle, Operations } from "./operations";

type Three = readonly [Handle, Handle, Handle];

export function sigmoidGate(ops: Operations, inputs: readonly Handle[], attrs: NamedAttrMap): Handle[] {
  const [x] = inputs as Three;
  return [ops.run("Mul", [x, ops.run("Sigmoid", [timesK(ops, x, attrs)])])];
}

export function sigmoidGateGradient(ops: Operations, inputs: readonly Handle[], attrs: NamedAttrMap): Handle[] {
  const [dy, x] = inputs as Three;
  return [siluGradient(ops, dy, timesK(ops, x, attrs))];
}

export function geluGate(ops: Operations, inputs: readonly Handle[]): Handle[] {
  const [h, g] = inputs as Three;
  return [ops.run("Mul", [h, ops.run("Mul", [g, distribution(ops, g)])])];
}

/** With `y = h·g·Φ(g)`: `dh = dy·g·Φ`, `dg = dy·h·(Φ + g·φ)`. */
export function geluGateGradient(ops: Operations, inputs: readonly Handle[]): Handle[] {
  const { run, number } = ops;
  const [dy, h, g] = inputs as Three;
  const phi = distribution(ops, g);
  const bell = run("Exp", [run("Mul", [run("Square", [g]), number(-0.5)])]);
  const density = run("Mul", [run("Mul", [g, bell]), number(1 / Math.sqrt(2 * Math.PI))]);
  return [run("Mul", [dy, run("Mul", [g, phi])]), run("Mul", [run("Mul", [dy, h]), run("AddV2", [phi, density])])];
}

/** `dy·(σ(u) + u·σ(u)·(1 − σ(u)))`: through `x·σ(k·x)` with `u = k·x`, whatever k. */
export function siluGradient({ run }: Operations, dy: Handle, u: Handle): Handle {
  const gate = run("Sigmoid", [u]);
  return run("Mul", [dy, run("AddV2", [gate, run("SigmoidGrad", [gate, u])])]);
}

function timesK({ run, number }: Operations, x: Handle, { k }: NamedAttrMap): Handle {
  return k === 1 ? x : run("Mul", [x, number(k as number)]);
}

/** Φ, the normal distribution function. */
function distribution({ run, number }: Operations, x: Handle): Handle {
  const erf = run("Erf", [run("Mul", [x, number(Math.SQRT1_2)])]);
  return run("Mul", [run("AddV2", [erf, number(1)]), number(0.5)]);
}
