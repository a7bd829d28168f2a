import { backend_util, type KernelFunc, type NamedAttrMap, type TensorInfo } from "@tensorflow/tfjs-core";
import { SidError } from "../../core/errors";
import { type Attribute, integers, kernel, type NodeBackend, text } from "./operations";

type Shape4 = [number, number, number, number];

/** Convolution, channels last, and the bias if there is one. */
export const convolution: KernelFunc = ({ inputs, attrs, backend }) => {
  const { x, filter, bias } = inputs as { x: TensorInfo; filter: TensorInfo; bias?: TensorInfo };
  const attributes = settings(x.shape, filter.shape, attrs);
  return kernel(backend as unknown as NodeBackend, ({ of, run }) => {
    const y = run("Conv2D", [of(x), of(filter)], attributes);
    return bias ? run("BiasAdd", [y, of(bias)]) : y;
  });
};

/** conv2d's gradient with respect to its input. */
export const convInputGradient: KernelFunc = ({ inputs, attrs, backend }) => {
  const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
  const { inputShape } = attrs as unknown as { inputShape: number[] };
  const attributes = settings(inputShape, filter.shape, attrs);
  return kernel(backend as unknown as NodeBackend, ({ of, run, integers }) =>
    run("Conv2DBackpropInput", [integers(inputShape), of(filter), of(dy)], attributes),
  );
};

/** conv2d's gradient with respect to its filter. */
export const convFilterGradient: KernelFunc = ({ inputs, attrs, backend }) => {
  const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
  const { filterShape } = attrs as unknown as { filterShape: number[] };
  const attributes = settings(x.shape, filterShape, attrs);
  return kernel(backend as unknown as NodeBackend, ({ of, run, integers }) =>
    run("Conv2DBackpropFilter", [of(x), integers(filterShape), of(dy)], attributes),
  );
};

/**
 * TensorFlow's description of a convolution. Where the zeros around the image are those that TensorFlow calls "same",
 * it is told so: its fast paths know no others.
 */
function settings(inputShape: readonly number[], filterShape: readonly number[], attrs?: NamedAttrMap): Attribute[] {
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
  return [
    integers("strides", [1, info.strideHeight, info.strideWidth, 1]),
    integers("dilations", [1, info.dilationHeight, info.dilationWidth, 1]),
    text("padding", kind),
    ...(kind === "EXPLICIT" ? [integers("explicit_paddings", [0, 0, ...zeros, 0, 0])] : []),
  ];
}
