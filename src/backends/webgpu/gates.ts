import { backend_util, type TensorInfo } from "@tensorflow/tfjs-core";
import { each, elementwise } from "./elementwise";
import type { Call } from "./kernel";
import { sizeOf } from "./program";
import { sigmoid } from "./wgsl";

const ofSigmoid = { functions: sigmoid, params: ["k"] };

const sigmoidGateProgram = elementwise("sigmoid gate", {
  ...{ reads: ["x"], writes: ["y"], ...ofSigmoid },
  statements: "y[i] = x[i] * sigmoid(params.k * x[i]);",
});

/** See `SidSigmoidGate`. */
export function sigmoidGate(call: Call): TensorInfo[] {
  const [x] = call.inputs;
  const y = call.output(x.shape);
  each(call, sigmoidGateProgram, { x }, { y }, { k: call.attrs["k"] as number });
  return [y];
}

const sigmoidGateBack = elementwise("sigmoid gate, gradient", {
  ...{ reads: ["dy", "x"], writes: ["dx"], ...ofSigmoid },
  statements: "let s = sigmoid(params.k * x[i]); dx[i] = dy[i] * s * (1.0 + params.k * x[i] * (1.0 - s));",
});

/** Its gradient: dy·(s + k·x·s·(1 − s)). */
export function sigmoidGateGradient(call: Call): TensorInfo[] {
  const [dy, x] = call.inputs;
  const dx = call.output(x.shape);
  each(call, sigmoidGateBack, { dy, x }, { dx }, { k: call.attrs["k"] as number });
  return [dx];
}

/** The normal law's distribution function with tfjs's erf (Abramowitz & Stegun 7.1.26), and its density. */
const normal = `
fn density(x: f32) -> f32 { return ${1 / Math.sqrt(2 * Math.PI)} * exp(-0.5 * x * x); }
fn distribution(x: f32) -> f32 {
  let z = abs(x) * ${Math.SQRT1_2};
  let t = 1.0 / (1.0 + ${backend_util.ERF_P} * z);
  let p = ((((${backend_util.ERF_A5} * t + ${backend_util.ERF_A4}) * t + ${backend_util.ERF_A3}) * t + ${backend_util.ERF_A2}) * t + ${backend_util.ERF_A1}) * t;
  let erf = 1.0 - p * exp(-z * z);
  return 0.5 * (1.0 + select(erf, -erf, x < 0.0));
}`;

const geluGateProgram = elementwise("gelu gate", {
  ...{ reads: ["h", "g"], writes: ["y"], functions: normal },
  statements: "y[i] = h[i] * (g[i] * distribution(g[i]));",
});

/** See `SidGeluGate`. */
export function geluGate(call: Call): TensorInfo[] {
  const [h, g] = call.inputs;
  const y = call.output(h.shape);
  each(call, geluGateProgram, { h, g }, { y });
  return [y];
}

const geluGateBack = elementwise("gelu gate, gradient", {
  ...{ reads: ["dy", "h", "g"], writes: ["dh", "dg"], functions: normal },
  statements: `
    let x = g[i];
    let phi = distribution(x);
    dh[i] = dy[i] * (x * phi);
    dg[i] = dy[i] * h[i] * (phi + x * density(x));`,
});

/** Its gradients: dy·g·Φ(g) and dy·h·(Φ(g) + g·φ(g)). */
export function geluGateGradient(call: Call): TensorInfo[] {
  const [dy, h, g] = call.inputs;
  const [dh, dg] = [call.output(h.shape), call.output(g.shape)];
  each(call, geluGateBack, { dy, h, g }, { dh, dg });
  return [dh, dg];
}

/** Where the two halves of a row lie whose gate is element i. */
const halves = "let width = u32(params.width); let at = i + i / width * width;";

const gegluProgram = elementwise("geglu", {
  ...{ reads: ["x"], writes: ["y"], functions: normal, params: ["width"] },
  statements: `${halves} let g = x[at + width]; y[i] = x[at] * (g * distribution(g));`,
});

/** See `SidGeglu`. */
export function geglu(call: Call): TensorInfo[] {
  const [x] = call.inputs;
  const width = (x.shape[x.shape.length - 1] as number) / 2;
  const y = call.output([...x.shape.slice(0, -1), width]);
  each(call, gegluProgram, { x }, { y }, { width });
  return [y];
}

const gegluBack = elementwise("geglu, gradient", {
  ...{ reads: ["dy", "x"], writes: ["dx"], functions: normal, params: ["width"] },
  statements: `
    ${halves}
    let g = x[at + width];
    let phi = distribution(g);
    dx[at] = dy[i] * (g * phi);
    dx[at + width] = dy[i] * x[at] * (phi + g * density(g));`,
});

/** Its gradient: dy·g·Φ(g) beside dy·h·(Φ(g) + g·φ(g)). */
export function gegluGradient(call: Call): TensorInfo[] {
  const [dy, x] = call.inputs;
  const dx = call.output(x.shape);
  each(call, gegluBack, { dy, x }, { dx }, { width: (x.shape[x.shape.length - 1] as number) / 2, size: sizeOf(dy) });
  return [dx];
}
