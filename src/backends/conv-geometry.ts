import { backend_util, type NamedAttrMap } from "@tensorflow/tfjs-core";
import { SidError } from "../core/errors";

/** The sizes of one NHWC convolution, undilated. */
export interface ConvGeometry {
  readonly batch: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly inChannels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly outChannels: number;
  readonly filterHeight: number;
  readonly filterWidth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  /** Rows of zeros above the first row. */
  readonly top: number;
  /** Columns of zeros before the first column. */
  readonly left: number;
}

/** Reads the attributes of a convolution's gradient kernel. */
export function convGeometry(
  where: string,
  inShape: readonly number[],
  filterShape: readonly number[],
  attrs: NamedAttrMap,
): ConvGeometry {
  const { strides, pad, dataFormat, dimRoundingMode } = attrs as unknown as {
    strides: number | [number, number];
    pad: "valid" | "same" | number | backend_util.ExplicitPadding;
    dataFormat?: "NHWC" | "NCHW";
    dimRoundingMode?: "floor" | "round" | "ceil";
  };
  if (dataFormat === "NCHW")
    throw new SidError("unsupported", `${where}: this backend wants dataFormat "NHWC", got "NCHW".`);
  const info = backend_util.computeConv2DInfo(
    inShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    strides,
    1,
    pad,
    dimRoundingMode,
  );
  const { inHeight, inWidth, inChannels, outHeight, outWidth, outChannels, filterHeight, filterWidth } = info;
  return {
    batch: info.batchSize,
    inHeight,
    inWidth,
    inChannels,
    outHeight,
    outWidth,
    outChannels,
    filterHeight,
    filterWidth,
    strideHeight: info.strideHeight,
    strideWidth: info.strideWidth,
    top: info.padInfo.top,
    left: info.padInfo.left,
  };
}

/** A 1×1 convolution that reads every pixel once: a plain product of matrices. */
export function isPointwise(g: ConvGeometry): boolean {
  return (
    g.filterHeight * g.filterWidth * g.strideHeight * g.strideWidth === 1 &&
    g.outHeight === g.inHeight &&
    g.outWidth === g.inWidth &&
    g.top + g.left === 0
  );
}
