/**
 * Networks that turn pictures into vectors, for metrics that compare laws of pictures: the resizing, the standardising
 * and the network of each protocol.
 *
 * @module sid-lsg/models/features
 */
export type { FeatureBatch, FeatureNetwork, FeatureTensors } from "./feature-network";
export type { Pictures } from "./pictures";
export { type Resizing, resizePictures, resizeToFloats } from "./resize";
export type { ResizeFilter } from "./resize-windows";
