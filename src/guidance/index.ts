export { type GuidedPredictionInputs, type GuideInputs, guide, guidedPrediction, type Predict } from "./guide";
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
