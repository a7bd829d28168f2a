export { type FakeScoreInputs, type FakeScoreLossOptions, fakeScoreLoss } from "./fake-score";
export { cleanGradients, finiteSamples } from "./nan-policy";
export type { LossOptions, LossReduction } from "./reduce";
export { type SidCotangents, type SidLossOptions, sidCotangents, sidLoss } from "./sid";
export type { SidInputs, SidWeight } from "./weights";
