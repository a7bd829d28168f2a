/**
 * What training knows of a network, adapters that make one of a function or a `tf.LayersModel`, networks whose law is
 * known exactly, a small MLP, diffusers' U-Net, CLIP's text encoder and tokenizer, the weights of all of them, and
 * pixels as patches.
 *
 * @module sid-lsg/models
 */
export {
  type FunctionModelOptions,
  functionModel,
  type LayersModelOptions,
  type LayersNetwork,
  type LayerWeight,
  layersModel,
} from "./adapters";
export type { ConfigOptions } from "./config/config-values";
export { type BottleneckDiscriminatorOptions, bottleneckDiscriminator } from "./discriminators/bottleneck";
export type { LogitShape } from "./discriminators/common";
export { type HeadDiscriminatorOptions, headDiscriminator } from "./discriminators/head";
export { type NetworkDiscriminatorOptions, networkDiscriminator } from "./discriminators/network";
export { type GeneratorOptions, generatorFrom } from "./generator";
export type { Adapter, LowRank } from "./nn/layers";
export { patchify, unpatchify } from "./patches";
export { type PredictX0Inputs, predictX0, predictX0WithFeatures, type X0WithFeatures } from "./predict-x0";
export { type DdimSampleOptions, ddimSample } from "./sample";
export { type ClipTextConfig, parseClipTextConfig } from "./text/clip-config";
export {
  type ClipTextEncoder,
  type ClipTextEncoderOptions,
  clipTextEncoder,
  clipTextParameterSpecs,
} from "./text/clip-text-encoder";
export {
  type ClipTokenizer,
  type ClipTokenizerFiles,
  type ClipTokenizerOptions,
  clipTokenizer,
} from "./text/clip-tokenizer";
export { type TextConditionerOptions, textConditioner } from "./text/conditioner";
export { type Tokenizer, type WordTokenizer, type WordTokenizerOptions, wordTokenizer } from "./text/tokenizer";
export { type GaussianModel, type GaussianModelOptions, gaussianModel } from "./toy/gaussian";
export {
  type GaussianMixtureModel,
  type GaussianMixtureModelOptions,
  gaussianMixtureModel,
} from "./toy/gaussian-mixture";
export { type MlpConfig, type MlpOptions, mlp } from "./toy/mlp";
export type * from "./types";
export { parseUnetConfig, type UnetConfig, type UnetLevel } from "./unet/config";
export type { UnetMemoryOptions } from "./unet/network";
export { type Unet, type UnetOptions, unet, unetParameterSpecs } from "./unet/unet";
export { loadParameters } from "./weights/load-parameters";
export { createParameters } from "./weights/parameters";
export type {
  HasVariables,
  InitialWeights,
  NetworkParameters,
  ParameterInit,
  ParameterLayout,
  ParameterOptions,
  ParameterSpec,
} from "./weights/types";
export { copyWeights, loadWeights, readWeights } from "./weights/weights";
