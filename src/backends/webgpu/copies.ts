import { backend_util, slice_util, type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { Call, Kernel } from "./kernel";
import { clear, type Program, sizeOf } from "./program";
import { joinColumns, splitColumns } from "./rows";
import { entry } from "./wgsl";

const sizes = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** Numbers of 4 bytes that are not small ones on the host, which tfjs's kernels work on there. */
function onGpu({ backend }: Call, tensors: readonly TensorInfo[]): boolean {
  return (
    tensors.every(({ dtype }) => dtype === "float32" || dtype === "int32" || dtype === "bool") &&
    !backend.shouldExecuteOnCPU(tensors)
  );
}

/** A slice that cuts one axis; all of a tensor is that tensor. */
export function slice(call: Call): TensorInfo | undefined {
  const [x] = call.inputs;
  if (!onGpu(call, [x])) return undefined;
  const { begin: from, size: lengths } = call.attrs as { begin: number[]; size: number[] };
  const [begin, size] = slice_util.parseSliceParams(x as never, from, lengths) as [number[], number[]];
  slice_util.assertParamsValid(x as never, begin, size);
  const cut = x.shape.flatMap((length, axis) => (length === size[axis] ? [] : [axis]));
  if (cut.length === 0) return call.share(x);
  if (cut.length > 1) return undefined;
  const [axis] = cut as [number];
  const inner = sizes(x.shape.slice(axis + 1));
  const part = call.output(size, x.dtype);
  const whole = { tensor: x, stride: (x.shape[axis] as number) * inner, begin: (begin[axis] as number) * inner };
  splitColumns(call, whole, [{ tensor: part, width: (size[axis] as number) * inner }]);
  return part;
}

/** Parts along an axis. */
export function splitV(call: Call): TensorInfo[] | undefined {
  const [x] = call.inputs;
  if (!onGpu(call, [x])) return undefined;
  const axis = util.parseAxisParam(call.attrs["axis"] as number, x.shape)[0] as number;
  const lengths = backend_util.prepareSplitSize(x as never, call.attrs["numOrSizeSplits"] as number[], axis);
  const inner = sizes(x.shape.slice(axis + 1));
  const parts = lengths.map((length) => {
    const shape = [...x.shape];
    shape[axis] = length;
    return { tensor: call.output(shape, x.dtype), width: length * inner };
  });
  splitColumns(call, { tensor: x, stride: (x.shape[axis] as number) * inner }, parts);
  return parts.map(({ tensor }) => tensor);
}

/** Tensors one behind the other along an axis. */
export function concat(call: Call): TensorInfo | undefined {
  const { all } = call;
  const [first] = all as [TensorInfo];
  if (!onGpu(call, all) || all.some(({ dtype }) => dtype !== first.dtype)) return undefined;
  const axis = util.parseAxisParam(call.attrs["axis"] as number, first.shape)[0] as number;
  const shapes = all.map(({ shape }) => shape);
  backend_util.assertParamsConsistent(shapes, axis);
  const shape = backend_util.computeOutShape(shapes, axis);
  const filled = all.filter((x) => sizeOf(x) > 0);
  if (filled.length === 1) return call.share(filled[0] as TensorInfo);
  return join(call, filled, axis, shape);
}

/** Tensors of one shape along a new axis. */
export function stack(call: Call): TensorInfo | undefined {
  const { all } = call;
  const [first] = all as [TensorInfo];
  const same = all.every(({ dtype, shape }) => dtype === first.dtype && shape.join() === first.shape.join());
  if (!same || !onGpu(call, all)) return undefined;
  const axis = call.attrs["axis"] as number;
  const shape = [...first.shape.slice(0, axis), all.length, ...first.shape.slice(axis)];
  return all.length === 1 ? call.share(first, shape) : join(call, all, axis, shape);
}

/** The tensors along an axis, which goes. */
export function unstack(call: Call): TensorInfo[] | undefined {
  const [x] = call.inputs;
  if (!onGpu(call, [x])) return undefined;
  const axis = util.parseAxisParam(call.attrs["axis"] as number, x.shape)[0] as number;
  const shape = [...x.shape.slice(0, axis), ...x.shape.slice(axis + 1)];
  const width = sizes(x.shape.slice(axis + 1));
  const count = x.shape[axis] as number;
  const parts = Array.from({ length: count }, () => ({ tensor: call.output(shape, x.dtype), width }));
  splitColumns(call, { tensor: x, stride: count * width }, parts);
  return parts.map(({ tensor }) => tensor);
}

function join(call: Call, tensors: readonly TensorInfo[], axis: number, shape: readonly number[]): TensorInfo {
  const whole = call.output(shape, (tensors[0] ?? call.inputs[0]).dtype);
  const parts = tensors.map((tensor) => ({ tensor, width: sizes(tensor.shape.slice(axis)) }));
  joinColumns(call, parts, { tensor: whole, stride: sizes(shape.slice(axis)) });
  return whole;
}

const widen: Program<null> = {
  name: "cast",
  shader: () => ({
    reads: { x: "i32" },
    writes: { y: "f32" },
    params: { size: "u32" },
    body: `
${entry(64)} {
  let i = groupIndex(group, groups) * 64u + lane;
  if (i < params.size) { y[i] = f32(x[i]); }
}`,
  }),
};

/**
 * Whole numbers as float32. tfjs shares their memory and converts in whatever reads it, which programs that go by the
 * dtype alone cannot know of.
 */
export function cast(call: Call): TensorInfo | undefined {
  const [x] = call.inputs;
  if (call.attrs["dtype"] !== "float32" || (x.dtype !== "int32" && x.dtype !== "bool")) return undefined;
  const { values, resource } = call.backend.tensorMap.get(x.dataId);
  if (values != null && resource == null)
    return call.backend.makeTensorInfo(x.shape, "float32", Float32Array.from(values as ArrayLike<number>));
  const y = call.output(x.shape);
  const size = sizeOf(x);
  call.run(widen, null, { reads: { x }, writes: { y }, params: { size }, groups: Math.ceil(size / 64) });
  return y;
}

/** A few numbers stay on the host, where the next kernel finds them; zeros are cleared memory; neither is a program. */
export function fill(call: Call): TensorInfo | undefined {
  const { shape, value } = call.attrs as { shape: number[]; value: number };
  const dtype = (call.attrs["dtype"] as TensorInfo["dtype"] | undefined) ?? util.inferDtype(value as never);
  return filled(call, shape, value, dtype);
}

/** Zeros or ones of a tensor's shape. */
export const filledLike =
  (value: number): Kernel =>
  (call) =>
    filled(call, call.inputs[0].shape, value, call.inputs[0].dtype);

const fewOnHost = 16;

function filled(
  { backend, output }: Call,
  shape: readonly number[],
  value: number,
  dtype: TensorInfo["dtype"],
): TensorInfo | undefined {
  if (typeof value !== "number" && typeof value !== "boolean") return undefined;
  if (dtype !== "float32" && dtype !== "int32" && dtype !== "bool") return undefined;
  const size = sizes(shape);
  if (size <= fewOnHost) {
    const values = util.getTypedArrayFromDType(dtype, size).fill(Number(value));
    return backend.makeTensorInfo([...shape], dtype, values);
  }
  if (!Object.is(Number(value), 0)) return undefined;
  const zeros = output(shape, dtype);
  clear(backend, zeros);
  return zeros;
}
