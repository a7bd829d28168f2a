export { SidError, type SidErrorCode } from "./errors";
export { gradientCheckpoint } from "./gradient-checkpoint";
export type { HostDtype, HostTensor, OtherDtype, WeightInfo, WeightMap, WeightSource } from "./host-tensor";
export { perSample, type Timesteps } from "./per-sample";
export type { PredictionName, PredictionType } from "./prediction-type";
export { type RandomState, type RandomStream, type RowRange, randomStream } from "./random";
export { noGrad, pullback, type ValueAndGradients, valueAndGradients, vjp } from "./tape";
