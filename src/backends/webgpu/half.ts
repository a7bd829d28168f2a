/**
 * Frozen weights at two bytes a number. Such a tensor is float32 to everyone: what reads it computes in float32. Programs that
 * know of it read the packed halves; for all others they are spread into a float32 tensor first, which goes at once.
 */
import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import { sharedState } from "../../core/shared-state";
import { dispatch, type Program } from "./program";
import type { Buffer, WebgpuBackend } from "./types";
import { entry } from "./wgsl";

const halves = /* @__PURE__ */ sharedState("webgpu halves", () => new WeakSet<object>());

/** Whether a tensor is stored as packed halves: element i in the lower 16 bits of word i/2 where i is even. */
export function isHalf({ dataId }: Pick<TensorInfo, "dataId">): boolean {
  return halves.has(dataId);
}

/** Kernels read and write it; it is copied from and to. */
const usage = 0x80 | 0x4 | 0x8;

/** Gives a tensor that has no data yet a buffer of packed halves. */
export function storeAsHalves(backend: WebgpuBackend, { dataId, shape }: TensorInfo): void {
  const words = Math.ceil(util.sizeFromShape(shape) / 2);
  backend.tensorMap.get(dataId).resource = backend.bufferManager.acquireBuffer(4 * words, usage) as Buffer;
  halves.add(dataId);
}

/**
 * WGSL `widened(words[i / 2], i)`: the number of a half, exactly. By its bits, since GPUs may flush subnormal halves to zero,
 * which are all weights below 6.1e-5.
 */
export const widenHalf = `
fn widened(word: u32, index: u32) -> f32 {
  let half = (word >> (16u * (index & 1u))) & 0xffffu;
  let sign = (half & 0x8000u) << 16u;
  let tiny = f32(half & 0x3ffu) * 5.9604644775390625e-8;
  let exponent = half & 0x7c00u;
  let shifted = ((half & 0x7fffu) << 13u) + select(0x38000000u, 0x70000000u, exponent == 0x7c00u);
  let magnitude = select(shifted, bitcast<u32>(tiny), exponent == 0u);
  return bitcast<f32>(sign | magnitude);
}`;

const widen: Program<null> = {
  name: "from halves",
  shader: () => ({
    reads: { x: "u32" },
    writes: { y: "f32" },
    params: { size: "u32" },
    body: `${widenHalf}
${entry(64)} {
  let i = groupIndex(group, groups) * 64u + lane;
  if (i >= params.size) { return; }
  y[i] = widened(x[i / 2u], i);
}`,
  }),
};

/** A float32 tensor of the same numbers; the caller's to dispose of. */
function spread(backend: WebgpuBackend, x: Pick<TensorInfo, "dataId" | "shape">): TensorInfo {
  const y = backend.makeTensorInfo([...x.shape], "float32");
  const size = util.sizeFromShape(x.shape);
  const reads = { x: { ...x, dtype: "float32" } } as const;
  try {
    dispatch(backend, widen, null, { reads, writes: { y }, params: { size }, groups: Math.ceil(size / 64) });
  } catch (error) {
    backend.disposeData(y.dataId);
    throw error;
  }
  return y;
}

/** Runs `f` on tensors that are float32 in memory too. */
export function withFloats<T>(
  backend: WebgpuBackend,
  tensors: readonly TensorInfo[],
  f: (floats: readonly TensorInfo[]) => T,
): T {
  if (!tensors.some(isHalf)) return f(tensors);
  const made: TensorInfo[] = [];
  const float = (x: TensorInfo) => {
    const y = spread(backend, x);
    made.push(y);
    return y;
  };
  try {
    return f(tensors.map((x) => (isHalf(x) ? float(x) : x)));
  } finally {
    for (const { dataId } of made) backend.disposeData(dataId);
  }
}

/** Lets tfjs's own programs and reads see float32 where halves are stored. */
export function spreadForOthers(backend: WebgpuBackend): void {
  const { runWebGPUProgram, read, readSync, readToGPU, disposeData } = backend;
  const infoOf = (dataId: object): TensorInfo => {
    return { dataId, shape: backend.tensorMap.get(dataId).shape, dtype: "float32" };
  };
  Object.assign(backend, {
    runWebGPUProgram: (program: unknown, inputs: readonly TensorInfo[], ...rest: unknown[]) =>
      withFloats(backend, inputs, (floats) => runWebGPUProgram.call(backend, program, floats, ...rest)),
    async read(dataId: object) {
      if (!halves.has(dataId)) return await read.call(backend, dataId);
      const floats = spread(backend, infoOf(dataId));
      try {
        return await read.call(backend, floats.dataId);
      } finally {
        backend.disposeData(floats.dataId);
      }
    },
    readSync(dataId: object) {
      if (!halves.has(dataId)) return readSync.call(backend, dataId);
      return withFloats(backend, [infoOf(dataId)], ([x]) => readSync.call(backend, (x as TensorInfo).dataId));
    },
    disposeData(dataId: object, ...rest: [boolean?]) {
      const gone = disposeData.call(backend, dataId, ...rest);
      // Moved to another backend and back, a tensor keeps its id and is float32.
      if (gone) halves.delete(dataId);
      return gone;
    },
    readToGPU(dataId: object, ...rest: unknown[]) {
      if (!halves.has(dataId)) return readToGPU.call(backend, dataId, ...rest);
      return withFloats(backend, [infoOf(dataId)], ([x]) => readToGPU.call(backend, (x as TensorInfo).dataId, ...rest));
    },
  });
}
