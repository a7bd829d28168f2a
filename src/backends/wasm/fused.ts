import { type NamedAttrMap, registerKernel, type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { FusedKernel, StepKernel } from "../../core/fused-kernels";
import { assembly } from "./assembly";
import { share } from "./identity";
import { type Call, elementwise, sizeOf, together } from "./kernel-call";
import { type Pointer, pointerOf, type WasmBackend, type WasmModule, withScratch } from "./module";
import { adamStep, cleanGradient, pack, unpack } from "./steps";

const kernels: Readonly<Record<FusedKernel | `${FusedKernel}Gradient` | StepKernel, (call: Call) => TensorInfo[]>> = {
  SidAttention({ wasm, inputs: [q, k, v], attrs, output, at, scratch }) {
    const out = output(q.shape);
    const { heads, queries, keys, width, all, room } = attentionSizes(wasm, q, k, attrs);
    const from = [q, k, v].map(at);
    together(wasm, "attention", all, q, (first, last) => [
      ...[first, last, ...from, queries, keys, width, heads, at(out), scratch(room)],
    ]);
    return [out];
  },
  SidAttentionGradient({ wasm, inputs: [dy, q, k, v], attrs, output, at, scratch }) {
    const results = [q, k, v].map(({ shape }) => output(shape));
    const { heads, queries, keys, width, all, room } = attentionSizes(wasm, q, k, attrs);
    const [from, to] = [[dy, q, k, v].map(at), results.map(at)];
    together(wasm, "attentionGradient", all, q, (first, last) => [
      ...[first, last, ...from, queries, keys, width, heads, ...to, scratch(room)],
    ]);
    return results;
  },
  SidGroupNorm({ wasm, inputs: [x, scale, shift], attrs, output, at, scratch }) {
    const { batch, positions, channels, groups, eps, silu } = grouped(x, attrs);
    const y = output(x.shape);
    const stats = output([batch, groups, 2]);
    const room = assembly(wasm).groupNormScratch(channels);
    together(wasm, "groupNorm", batch, x, (from, to) => {
      const moved = (tensor: TensorInfo) => at(tensor) + (4 * from * sizeOf(tensor)) / batch;
      const sizes = [to - from, positions, channels, groups, eps, silu];
      return [moved(x), at(scale), at(shift), ...sizes, moved(y), moved(stats), scratch(room)];
    });
    return [y, stats];
  },
  SidGroupNormGradient({ wasm, inputs: [dy, x, scale, shift, stats], attrs, output, at, scratch }) {
    const { batch, positions, channels, groups, silu } = grouped(x, attrs);
    const results = [output(x.shape), output(scale.shape), output(shift.shape)] as const;
    const [dx, ...sums] = results;
    const room = assembly(wasm).groupNormScratch(channels);
    const perSample = sums.map(() => scratch(batch * channels));
    together(wasm, "groupNormGradient", batch, x, (from, to) => {
      const moved = (tensor: TensorInfo) => at(tensor) + (4 * from * sizeOf(tensor)) / batch;
      const sizes = [to - from, positions, channels, groups, silu];
      const parts = perSample.map((part) => part + 4 * from * channels);
      return [moved(dy), moved(x), at(scale), at(shift), moved(stats), ...sizes, moved(dx), ...parts, scratch(room)];
    });
    sums.forEach((sum, i) => {
      assembly(wasm).sumRows(perSample[i] as Pointer, 1, batch, channels, 1, at(sum), scratch(channels));
    });
    return [...results];
  },
  SidLayerNorm({ wasm, inputs: [x, scale, shift], attrs, output, at }) {
    const [rows, length] = rowsOf(x);
    const y = output(x.shape);
    const stats = output([rows, 2]);
    assembly(wasm).layerNorm(...[x, scale, shift].map(at), rows, length, attrs["eps"] as number, at(y), at(stats));
    return [y, stats];
  },
  SidLayerNormGradient({ wasm, inputs: [dy, x, scale, shift, stats], output, at }) {
    const results = [output(x.shape), output(scale.shape), output(shift.shape)];
    assembly(wasm).layerNormGradient(...[dy, x, scale, stats].map(at), ...rowsOf(x), ...results.map(at));
    return results;
  },
  SidSigmoidGate({ wasm, inputs: [x], attrs, output, at }) {
    const y = output(x.shape);
    elementwise(wasm, "sigmoidGate", x, [at(x)], [attrs["k"] as number], [at(y)]);
    return [y];
  },
  SidSigmoidGateGradient({ wasm, inputs: [dy, x], attrs, output, at }) {
    const dx = output(x.shape);
    elementwise(wasm, "sigmoidGateGradient", x, [dy, x].map(at), [attrs["k"] as number], [at(dx)]);
    return [dx];
  },
  SidGeluGate({ wasm, inputs: [h, g], output, at }) {
    const y = output(h.shape);
    elementwise(wasm, "geluGate", h, [h, g].map(at), [], [at(y)]);
    return [y];
  },
  SidGeluGateGradient({ wasm, inputs: [dy, h, g], output, at }) {
    const results = [output(h.shape), output(g.shape)];
    elementwise(wasm, "geluGateGradient", h, [dy, h, g].map(at), [], results.map(at));
    return results;
  },
  SidPack: pack,
  SidUnpack: unpack,
  SidClean: cleanGradient,
  SidAdam: adamStep,
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
            wasm: backend.wasm,
            inputs: Object.values(inputs) as never,
            all: Object.values(inputs) as TensorInfo[],
            attrs,
            output: (shape) => backend.makeOutput([...shape], "float32"),
            share: (tensor) => share(backend, tensor),
            at: (tensor) => pointerOf(backend, tensor),
            scratch,
          }),
        );
      },
    });
}

function attentionSizes(wasm: WasmModule, q: TensorInfo, k: TensorInfo, attrs: NamedAttrMap) {
  const [batch, queries, width] = q.shape as [number, number, number];
  const [keys, heads] = [k.shape[1] as number, attrs["heads"] as number];
  return {
    heads,
    queries,
    keys,
    width,
    all: batch * heads,
    room: assembly(wasm).attentionScratch(queries, keys, width),
  };
}

function grouped({ shape }: TensorInfo, attrs: NamedAttrMap) {
  const [batch, channels] = [shape[0] as number, shape[shape.length - 1] as number];
  return {
    batch,
    positions: util.sizeFromShape(shape) / (batch * channels),
    channels,
    groups: attrs["groups"] as number,
    eps: attrs["eps"] as number,
    silu: attrs["silu"] ? 1 : 0,
  };
}

function rowsOf({ shape }: TensorInfo): [rows: number, length: number] {
  const length = shape[shape.length - 1] as number;
  return [util.sizeFromShape(shape) / length, length];
}
