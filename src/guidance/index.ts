/**
 * Classifier-free guidance of a prediction, and the strategies of score distillation as plain data: which of the
 * scales κ1, κ2 and κ4 is what.
 *
 * @module sid-lsg/guidance
 */
export { type GuidedPredictionInputs, type GuideInputs, guide, guidedPrediction, type PredictFunction } from "./guide";
export {
  antiCfg,
  type Guidance,
  guidanceWarnings,
  longGuidance,
  lsg,
  noGuidance,
  shortGuidance,
  zeroCfg,
} from "./strategies";
