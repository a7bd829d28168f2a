/**
 * Networks that turn pictures into vectors, for metrics that compare laws of pictures: the resizing, the standardising
 * and the network of each protocol.
 *
 * @module sid-lsg/models/features
 */
export { type ClipConfig, type ClipVisionConfig, parseClipConfig } from "./clip/config";
export { type ClipLayout, type LoadClipOptions, loadClip } from "./clip/load";
export { type ClipModel, type ClipModelOptions, clipModel, clipParameterSpecs } from "./clip/model";
export { parseOpenClipConfig } from "./clip/open-clip-config";
export type { ClipPreprocessing } from "./clip/preprocessing";
export { type EfficientNetLite0Options, efficientNetLite0 } from "./efficientnet-lite0";
export type { FeatureBatch, FeatureNetwork, FeatureTensors } from "./feature-network";
export { type InceptionProtocol, type InceptionV3Options, inceptionV3 } from "./inception-v3";
export { type LoadFeatureNetworkOptions, loadFeatureNetwork } from "./load-network";
export type { Pictures } from "./pictures";
export { type Resizing, resizePictures, resizeToFloats } from "./resize";
export type { ResizeFilter } from "./resize-windows";
