import { type NamedAttrMap, registerKernel, type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { FusedKernel } from "../../core/fused-kernels";
import { type Assembly, assembly } from "./assembly";
import { type Pointer, pointerOf, type WasmBackend, withScratch } from "./module";

/** What a fused kernel works with; `inputs` are as many as its gradient has. */
interface Call {
  readonly functions: Assembly;
  readonly inputs: readonly [TensorInfo, TensorInfo, TensorInfo, TensorInfo, TensorInfo];
  readonly attrs: NamedAttrMap;
  /** A result, not yet written. */
  output(shape: readonly number[]): TensorInfo;
  at(tensor: TensorInfo): Pointer;
  /** Memory for so many floats until the kernel returns. */
  scratch(floats: number): Pointer;
}

const kernels: Readonly<Record<FusedKernel | `${FusedKernel}Gradient`, (call: Call) => TensorInfo[]>> = {
  SidAttention({ functions, inputs: [q, k, v], attrs, output, at, scratch }) {
    const out = output(q.shape);
    const sizes = attentionSizes(q, k);
    const room = scratch(functions.attentionScratch(sizes[1], sizes[2], sizes[3]));
    functions.attention(...[q, k, v].map(at), ...sizes, attrs["heads"] as number, at(out), room);
    return [out];
  },
  SidAttentionGradient({ functions, inputs: [dy, q, k, v], attrs, output, at, scratch }) {
    const results = [q, k, v].map(({ shape }) => output(shape));
    const sizes = attentionSizes(q, k);
    const room = scratch(functions.attentionScratch(sizes[1], sizes[2], sizes[3]));
    const from = [dy, q, k, v].map(at);
    functions.attentionGradient(...from, ...sizes, attrs["heads"] as number, ...results.map(at), room);
    return results;
  },
  SidGroupNorm({ functions, inputs: [x, scale, shift], attrs, output, at, scratch }) {
    const { sizes, channels, groups, silu } = grouped(x, attrs);
    const y = output(x.shape);
    const stats = output([x.shape[0] as number, groups, 2]);
    const room = scratch(functions.groupNormScratch(channels));
    functions.groupNorm(at(x), at(scale), at(shift), ...sizes, attrs["eps"] as number, silu, at(y), at(stats), room);
    return [y, stats];
  },
  SidGroupNormGradient({ functions, inputs: [dy, x, scale, shift, stats], attrs, output, at, scratch }) {
    const { sizes, channels, silu } = grouped(x, attrs);
    const results = [output(x.shape), output(scale.shape), output(shift.shape)];
    const room = scratch(functions.groupNormScratch(channels));
    const from = [dy, x, scale, shift, stats].map(at);
    functions.groupNormGradient(...from, ...sizes, silu, ...results.map(at), room);
    return results;
  },
  SidLayerNorm({ functions, inputs: [x, scale, shift], attrs, output, at }) {
    const [rows, length] = rowsOf(x);
    const y = output(x.shape);
    const stats = output([rows, 2]);
    functions.layerNorm(...[x, scale, shift].map(at), rows, length, attrs["eps"] as number, at(y), at(stats));
    return [y, stats];
  },
  SidLayerNormGradient({ functions, inputs: [dy, x, scale, shift, stats], output, at }) {
    const results = [output(x.shape), output(scale.shape), output(shift.shape)];
    functions.layerNormGradient(...[dy, x, scale, stats].map(at), ...rowsOf(x), ...results.map(at));
    return results;
  },
  SidSigmoidGate({ functions, inputs: [x], attrs, output, at }) {
    const y = output(x.shape);
    functions.sigmoidGate(at(x), sizeOf(x), attrs["k"] as number, at(y));
    return [y];
  },
  SidSigmoidGateGradient({ functions, inputs: [dy, x], attrs, output, at }) {
    const dx = output(x.shape);
    functions.sigmoidGateGradient(at(dy), at(x), sizeOf(x), attrs["k"] as number, at(dx));
    return [dx];
  },
  SidGeluGate({ functions, inputs: [h, g], output, at }) {
    const y = output(h.shape);
    functions.geluGate(at(h), at(g), sizeOf(h), at(y));
    return [y];
  },
  SidGeluGateGradient({ functions, inputs: [dy, h, g], output, at }) {
    const results = [output(h.shape), output(g.shape)];
    functions.geluGateGradient(...[dy, h, g].map(at), sizeOf(h), ...results.map(at));
    return results;
  },
};

/** Registers the kernels for the 'wasm' backend. */
export function registerFusedKernels(): void {
  for (const [kernelName, run] of Object.entries(kernels))
    registerKernel({
      kernelName,
      backendName: "wasm",
      kernelFunc: ({ inputs, attrs = {}, backend: anyBackend }) => {
        const backend = anyBackend as WasmBackend;
        return withScratch(backend.wasm, (scratch) =>
          run({
            functions: assembly(backend.wasm),
            inputs: Object.values(inputs) as never,
            attrs,
            output: (shape) => backend.makeOutput([...shape], "float32"),
            at: (tensor) => pointerOf(backend, tensor),
            scratch,
          }),
        );
      },
    });
}

/** Batch, queries, keys, width. */
function attentionSizes(q: TensorInfo, k: TensorInfo): [number, number, number, number] {
  const [batch, queries, width] = q.shape as [number, number, number];
  return [batch, queries, k.shape[1] as number, width];
}

function grouped({ shape }: TensorInfo, attrs: NamedAttrMap) {
  const [batch, channels, groups] = [shape[0] as number, shape[shape.length - 1] as number, attrs["groups"] as number];
  const positions = util.sizeFromShape(shape) / (batch * channels);
  return { sizes: [batch, positions, channels, groups], channels, groups, silu: attrs["silu"] ? 1 : 0 };
}

function rowsOf({ shape }: TensorInfo): [rows: number, length: number] {
  const length = shape[shape.length - 1] as number;
  return [util.sizeFromShape(shape) / length, length];
}

function sizeOf({ shape }: TensorInfo): number {
  return util.sizeFromShape(shape);
}
