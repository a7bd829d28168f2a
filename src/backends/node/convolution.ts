import { backend_util, type KernelFunc, type NamedAttrMap, type TensorInfo } from "@tensorflow/tfjs-core";
import { SidError } from "../../core/errors";
import {
  type Attribute,
  flag,
  type Handle,
  integers,
  kernel,
  type NodeBackend,
  type Operations,
  text,
} from "./operations";

interface Geometry {
  readonly attributes: readonly Attribute[];
  /** Whether every pixel of the output comes from the one pixel of the input. */
  readonly pointwise: boolean;
}

type Shape4 = [number, number, number, number];

/** Convolution, channels last, and the bias if there is one. */
export const convolution: KernelFunc = ({ inputs, attrs, backend }) => {
  const { x, filter, bias } = inputs as { x: TensorInfo; filter: TensorInfo; bias?: TensorInfo };
  const { attributes, pointwise } = geometry(x.shape, filter.shape, attrs);
  return kernel(backend as unknown as NodeBackend, (ops) => {
    const y = pointwise
      ? ops.run("BatchMatMulV2", [rows(ops, ops.of(x)), rows(ops, ops.of(filter))])
      : ops.run("Conv2D", [ops.of(x), ops.of(filter)], attributes);
    const out = bias ? ops.run("BiasAdd", [y, ops.of(bias)]) : y;
    return pointwise ? ops.reshape(out, [...x.shape.slice(0, 3), filter.shape[3] as number]) : out;
  });
};

/** conv2d's gradient with respect to its input. */
export const convInputGradient: KernelFunc = ({ inputs, attrs, backend }) => {
  const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
  const { inputShape } = attrs as unknown as { inputShape: number[] };
  const { attributes, pointwise } = geometry(inputShape, filter.shape, attrs);
  return kernel(backend as unknown as NodeBackend, (ops) => {
    const [g, w] = [ops.of(dy), ops.of(filter)];
    if (!pointwise) return ops.run("Conv2DBackpropInput", [ops.integers(inputShape), w, g], attributes);
    const dx = ops.run("BatchMatMulV2", [rows(ops, g), rows(ops, w)], [flag("adj_x", false), flag("adj_y", true)]);
    return ops.reshape(dx, inputShape);
  });
};

/** conv2d's gradient with respect to its filter. */
export const convFilterGradient: KernelFunc = ({ inputs, attrs, backend }) => {
  const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
  const { filterShape } = attrs as unknown as { filterShape: number[] };
  const { attributes, pointwise } = geometry(x.shape, filterShape, attrs);
  return kernel(backend as unknown as NodeBackend, (ops) => {
    const [input, g] = [ops.of(x), ops.of(dy)];
    if (!pointwise) return ops.run("Conv2DBackpropFilter", [input, ops.integers(filterShape), g], attributes);
    const dw = ops.run("BatchMatMulV2", [rows(ops, input), rows(ops, g)], [flag("adj_x", true), flag("adj_y", false)]);
    return ops.reshape(dw, filterShape);
  });
};

/** `[..., C]` as a matrix. */
function rows(ops: Operations, x: Handle): Handle {
  return ops.reshape(x, [-1, x.shape[x.shape.length - 1] as number]);
}

/**
 * TensorFlow's description of a convolution. Where the zeros around the image are those that TensorFlow calls "same",
 * it is told so: its fast paths know no others. What is one product of matrices is quicker as that.
 */
function geometry(inputShape: readonly number[], filterShape: readonly number[], attrs?: NamedAttrMap): Geometry {
  const given = attrs as unknown as {
    strides: [number, number] | number;
    pad: "valid" | "same" | number | backend_util.ExplicitPadding;
    dataFormat?: "NHWC" | "NCHW";
    dilations?: [number, number] | number;
    dimRoundingMode?: "floor" | "round" | "ceil";
  };
  const { strides, pad, dataFormat = "NHWC", dilations = 1, dimRoundingMode } = given;
  if (dataFormat !== "NHWC")
    throw new SidError("unsupported", `convolution: the node backend wants dataFormat "NHWC", got "${dataFormat}".`);
  const [input, filter] = [inputShape, filterShape] as [Shape4, Shape4];
  const info = backend_util.computeConv2DInfo(input, filter, strides, dilations, pad, dimRoundingMode);
  const same = backend_util.computeConv2DInfo(input, filter, strides, dilations, "same");
  const sides = ({ padInfo: { top, bottom, left, right } }: backend_util.Conv2DInfo) => [top, bottom, left, right];
  const zeros = sides(info);
  const kind = zeros.every((n) => n === 0) ? "VALID" : zeros.join() === sides(same).join() ? "SAME" : "EXPLICIT";
  const attributes = [
    integers("strides", [1, info.strideHeight, info.strideWidth, 1]),
    integers("dilations", [1, info.dilationHeight, info.dilationWidth, 1]),
    text("padding", kind),
    ...(kind === "EXPLICIT" ? [integers("explicit_paddings", [0, 0, ...zeros, 0, 0])] : []),
  ];
  const { filterHeight, filterWidth, strideHeight, strideWidth } = info;
  return { attributes, pointwise: kind === "VALID" && filterHeight * filterWidth * strideHeight * strideWidth === 1 };
}
