import { backend_util, type DataType, slice_util, type TensorInfo, util } from "@tensorflow/tfjs-core";
import type { FusedKernel, StepKernel, StorageKernel } from "../core/fused-kernels";

/** Shape and type of a tensor: what a kernel makes, without its numbers. */
export interface Outline {
  readonly shape: readonly number[];
  readonly dtype: DataType;
  /** Two bytes a number, whatever the type. */
  readonly half?: true;
}

type Inputs = Readonly<Record<string, TensorInfo>>;
type Attributes = Readonly<Record<string, unknown>>;

/** What one kernel makes of its inputs. */
export type ShapeRule = (inputs: Inputs, attributes: Attributes) => Outline | Outline[];
type Rules = Readonly<Record<string, ShapeRule>>;

const float = (shape: readonly number[]): Outline => ({ shape, dtype: "float32" });
const each = (names: readonly string[], rule: ShapeRule): Rules =>
  Object.fromEntries(names.map((name) => [name, rule]));
const input = (inputs: Inputs, name: string) => inputs[name] as TensorInfo;
const list = (inputs: Inputs) => Object.values(inputs);
const numbers = (attributes: Attributes, name: string) => [attributes[name] as number | number[]].flat();

/** The shape of the only or first input, whatever its name. */
const same: ShapeRule = (inputs) => list(inputs)[0] as TensorInfo;
const test: ShapeRule = (inputs, attributes) => ({ ...(same(inputs, attributes) as Outline), dtype: "bool" });

const broadcast: ShapeRule = (inputs) => {
  const [a, b] = [input(inputs, "a"), input(inputs, "b")];
  return { shape: backend_util.assertAndGetBroadcastShape(a.shape, b.shape), dtype: a.dtype };
};
const compare: ShapeRule = (inputs, attributes) => ({ ...(broadcast(inputs, attributes) as Outline), dtype: "bool" });

const reduce: ShapeRule = (inputs, attributes) => {
  const x = input(inputs, "x");
  const axis = attributes["axis"] as number | number[] | null | undefined;
  const axes = util.parseAxisParam(axis ?? x.shape.map((_, i) => i), x.shape);
  const kept = x.shape.map((n, i) => (axes.includes(i) ? 1 : n));
  const shape = attributes["keepDims"] ? kept : x.shape.filter((_, i) => !axes.includes(i));
  return { shape, dtype: x.dtype };
};

const product: ShapeRule = (inputs, attributes) => {
  const [a, b] = [input(inputs, "a").shape, input(inputs, "b").shape];
  const rows = a.at(attributes["transposeA"] ? -1 : -2) as number;
  const columns = b.at(attributes["transposeB"] ? -2 : -1) as number;
  return float([...backend_util.assertAndGetBroadcastShape(a.slice(0, -2), b.slice(0, -2)), rows, columns]);
};

const convolution: ShapeRule = (inputs, attributes) => {
  const { strides, pad, dilations, dimRoundingMode } = attributes as Readonly<
    Record<"strides" | "pad" | "dilations" | "dimRoundingMode", never>
  >;
  const [x, filter] = [input(inputs, "x").shape, input(inputs, "filter").shape] as never[];
  return float(
    backend_util.computeConv2DInfo(x as never, filter as never, strides, dilations, pad, dimRoundingMode).outShape,
  );
};

const pooling: ShapeRule = (inputs, attributes) => {
  const { filterSize, strides, pad, dimRoundingMode } = attributes as Readonly<
    Record<"filterSize" | "strides" | "pad" | "dimRoundingMode", never>
  >;
  return float(
    backend_util.computePool2DInfo(input(inputs, "x").shape as never, filterSize, strides, 1, pad, dimRoundingMode)
      .outShape,
  );
};

/** Kernels of tfjs that make new tensors; those that this library's networks, losses and optimisers use, and more. */
export const rules: Rules = {
  ...each(
    ["Abs", "Cos", "Erf", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Relu", "Rsqrt", "Sigmoid", "Sign", "Sin"],
    same,
  ),
  ...each(
    ["Softmax", "Softplus", "Sqrt", "Square", "Step", "Tanh", "ZerosLike", "OnesLike", "ClipByValue", "Reverse"],
    same,
  ),
  ...each(["IsFinite", "IsInf", "IsNan", "LogicalNot"], test),
  ...each(["Add", "Sub", "Multiply", "RealDiv", "Maximum", "Minimum", "Pow", "SquaredDifference"], broadcast),
  ...each(["Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalOr"], compare),
  ...each(["Sum", "Mean", "Max", "Min", "Prod", "All", "Any"], reduce),
  ...each(["BatchMatMul", "_FusedMatMul"], product),
  ...each(["Conv2D", "FusedConv2D"], convolution),
  AddN: same,
  AvgPool: pooling,
  AvgPoolGrad: (inputs) => float(input(inputs, "input").shape),
  BroadcastTo: (inputs, attributes) => ({ ...input(inputs, "x"), shape: numbers(attributes, "shape") }),
  Concat: (inputs, attributes) => {
    const all = list(inputs);
    const axis = util.parseAxisParam(attributes["axis"] as number, all[0]?.shape ?? [])[0] as number;
    const shape = backend_util.computeOutShape(
      all.map((x) => x.shape),
      axis,
    );
    return { shape, dtype: (all[0] as TensorInfo).dtype };
  },
  Conv2DBackpropFilter: (_, attributes) => float(numbers(attributes, "filterShape")),
  Conv2DBackpropInput: (_, attributes) => float(numbers(attributes, "inputShape")),
  Fill: (_, { shape, dtype }) => ({ shape: shape as number[], dtype: (dtype as DataType | undefined) ?? "float32" }),
  Pack: (inputs, { axis }) => {
    const all = list(inputs);
    const { shape, dtype } = all[0] as TensorInfo;
    return { shape: shape.toSpliced(axis as number, 0, all.length), dtype };
  },
  PadV2: (inputs, { paddings }) => {
    const x = input(inputs, "x");
    const sides = paddings as [number, number][];
    return { shape: x.shape.map((n, i) => n + (sides[i]?.[0] ?? 0) + (sides[i]?.[1] ?? 0)), dtype: x.dtype };
  },
  Select: (inputs) => input(inputs, "t"),
  Slice: (inputs, { begin, size }) => {
    const x = input(inputs, "x");
    const [, shape] = slice_util.parseSliceParams(x as never, begin as number[], size as number[]);
    return { shape: shape as number[], dtype: x.dtype };
  },
  SplitV: (inputs, attributes) => {
    const x = input(inputs, "x");
    const axis = util.parseAxisParam(attributes["axis"] as number, x.shape)[0] as number;
    const sizes = backend_util.prepareSplitSize(x as never, attributes["numOrSizeSplits"] as number[], axis);
    return sizes.map((size) => ({ shape: x.shape.with(axis, size), dtype: x.dtype }));
  },
  Tile: (inputs, attributes) => {
    const x = input(inputs, "x");
    const reps = numbers(attributes, "reps");
    return { shape: x.shape.map((n, i) => n * (reps[i] as number)), dtype: x.dtype };
  },
  Transpose: (inputs, attributes) => {
    const x = input(inputs, "x");
    return { shape: numbers(attributes, "perm").map((i) => x.shape[i] as number), dtype: x.dtype };
  },
};

/** Kernels whose first result shares the first input's buffer, unless the type differs. */
export const shared: Rules = {
  Cast: (inputs, { dtype }) => ({ ...input(inputs, "x"), dtype: dtype as DataType }),
  Identity: same,
  Reshape: (inputs, attributes) => {
    const x = input(inputs, "x");
    return {
      shape: util.inferFromImplicitShape(numbers(attributes, "shape"), util.sizeFromShape(x.shape)),
      dtype: x.dtype,
    };
  },
};

/** Such kernels of this library's: a gradient that is finite is clean. */
export const fusedShared: Readonly<Record<"SidClean", ShapeRule>> = {
  SidClean: (inputs) => [input(inputs, "0"), float([2])],
};

/** The inputs in their order. */
const ordered = (inputs: Inputs) => Object.keys(inputs).map((_, i) => float(input(inputs, `${i}`).shape));
/** Of dy and `count` inputs, the gradients of those. */
const gradients =
  (count: number): ShapeRule =>
  (inputs) =>
    ordered(inputs).slice(1, 1 + count);

/** On both dry backends: the storage does not change what is computed. */
export const storageRules: Readonly<Record<StorageKernel, ShapeRule>> = {
  SidHalf: (inputs) => [{ ...float(input(inputs, "0").shape), half: true }],
};

/** This library's own kernels; see `FusedKernel` and `StepKernel`. */
export const fusedRules: Readonly<
  Record<FusedKernel | `${FusedKernel}Gradient` | Exclude<StepKernel, "SidClean">, ShapeRule>
> = {
  SidAttention: (inputs) => ordered(inputs).slice(0, 1),
  SidAttentionGradient: gradients(3),
  SidGroupNorm: (inputs, { groups }) => {
    const [x] = ordered(inputs) as [Outline];
    return [x, float([x.shape[0] as number, groups as number, 2])];
  },
  SidGroupNormGradient: gradients(3),
  SidLayerNorm: (inputs) => {
    const [x] = ordered(inputs) as [Outline];
    return [x, float([util.sizeFromShape(x.shape.slice(0, -1) as number[]), 2])];
  },
  SidLayerNormGradient: gradients(3),
  SidSigmoidGate: (inputs) => ordered(inputs).slice(0, 1),
  SidSigmoidGateGradient: gradients(1),
  SidGeluGate: (inputs) => ordered(inputs).slice(0, 1),
  SidGeluGateGradient: gradients(2),
  SidPack: (inputs) => float([list(inputs).reduce((sum, { shape }) => sum + util.sizeFromShape(shape), 0)]),
  SidUnpack: (inputs) => ordered(inputs).slice(1),
  SidAdam: (inputs) => ordered(inputs).slice(0, 2),
};
