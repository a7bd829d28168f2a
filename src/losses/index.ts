/**
 * The losses of the generator (score identity, the stopped-gradient family, SIM, adversarial), the fake score's loss,
 * their gradients in closed form, and what is done about values that are not finite. Pure functions: for loops and methods of one's own.
 *
 * @module sid-lsg/losses
 */
export { adversarialLoss, type DiscriminatorInputs, discriminatorLoss } from "./adversarial";
export {
  type ConsistencyInputs,
  type ConsistencyLossOptions,
  type ConsistencyOutputInputs,
  type ConsistencyScalingOptions,
  type ConsistencyScalings,
  consistencyLoss,
  consistencyOutput,
  consistencyScalings,
} from "./consistency";
export {
  type FDivergenceInputs,
  type FDivergenceName,
  type FDivergenceOptions,
  fDivergences,
  fDivergenceWeights,
} from "./f-divergence";
export { type FakeScoreInputs, type FakeScoreLossOptions, type FakeScoreWeight, fakeScoreLoss } from "./fake-score";
export { cleanGradients, finiteSamples } from "./nan-policy";
export type { LossOptions, LossReduction } from "./reduce";
export { type SidCotangents, type SidLossOptions, sidCotangents, sidLoss } from "./sid";
export { type SimDistance, type SimLossOptions, simCotangents, simLoss } from "./sim";
export { type StoppedGradientOptions, stoppedGradientCotangent, stoppedGradientLoss } from "./stopped-gradient";
export type { LossInputs, LossWeight } from "./weights";
