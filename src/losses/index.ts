/**
 * The score-identity loss of the generator, the fake score's loss, their gradients in closed form, and what is done
 * about values that are not finite. Pure functions: for loops and methods of one's own.
 *
 * @module sid-lsg/losses
 */
export { type FakeScoreInputs, type FakeScoreLossOptions, fakeScoreLoss } from "./fake-score";
export { cleanGradients, finiteSamples } from "./nan-policy";
export type { LossOptions, LossReduction } from "./reduce";
export { type SidCotangents, type SidLossOptions, sidCotangents, sidLoss } from "./sid";
export type { SidInputs, SidWeight } from "./weights";
