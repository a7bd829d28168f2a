/**
 * From one gradient to the whole loop: gradients, steps, Adam, the moving average, and `distill()` with checkpoints.
 *
 * @module sid-lsg/train
 */
export { type Adam, type AdamOptions, type AdamState, adam } from "./adam";
export type { OtherNoising, TrainBatch } from "./batch";
export { type ConditionSource, type PromptConditionsOptions, type PromptSource, promptConditions } from "./conditions";
export { distill } from "./distill";
export type {
  DistillAdam,
  DistillCheckpoint,
  DistillEma,
  DistillMetrics,
  DistillOptions,
  DistillSnapshot,
  DistillSnapshots,
  GradientEvent,
} from "./distill-options";
export type { DistillRun, DistillSummary } from "./distill-run";
export { type EmaSchedule, emaBeta, updateEma } from "./ema";
export { type FakeScoreGradients, fakeScoreGradients } from "./fake-score-gradients";
export { auditDivergence } from "./gauge/audit";
export type { Audit, AuditOptions, AuditPoint } from "./gauge/audit-options";
export { examineRun, type RunFinding, type RunReadings } from "./gauge/examine";
export {
  type Divergence,
  type DivergenceGauge,
  type DivergenceGaugeOptions,
  divergenceGauge,
  type Estimate,
  type GaugeState,
  type LevelDivergence,
} from "./gauge/gauge";
export { type GaugeSample, gaugeSamples } from "./gauge/samples";
export { type GeneratorGradients, generatorGradients } from "./generator-gradients";
export { type ImageSample, type ImageSource, type ImageSourceOptions, imageSource } from "./images";
export {
  type CosineRateOptions,
  cosineRate,
  type LearningRateSchedule,
  type WarmupRateOptions,
  warmupRate,
} from "./learning-rate";
export type { Objective } from "./objective";
export {
  fakeScoreStep,
  type GradientHook,
  generatorStep,
  readFigures,
  type StepFigures,
  type StepOptions,
} from "./steps";
