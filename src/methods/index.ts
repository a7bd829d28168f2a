/**
 * Distillation methods as plain data and pure functions, one file each: what they ask the networks, the gradient of
 * their loss, and their published defaults. `distill` carries them out; so may a loop of one's own.
 *
 * @module sid-lsg/methods
 */

export { bySchedule, type LawsBySchedule } from "./by-schedule";
export { cotangentsOf } from "./cotangents-of";
export { type CsdOptions, csd } from "./csd";
export { decoupledDmd } from "./decoupled-dmd";
export { diffInstruct } from "./diff-instruct";
export { dmd } from "./dmd";
export { type Dmd2Options, dmd2 } from "./dmd2";
export { type FDistillOptions, fDistill } from "./f-distill";
export { fewStepSid } from "./few-step-sid";
export { type LcmOptions, lcm } from "./lcm";
export type { AdversarialOptions } from "./non-saturating";
export type { MethodOptions } from "./options";
export { type RewardOptions, withReward } from "./reward";
export { type SdsOptions, sds, type TeacherOnlyOptions } from "./sds";
export { type SidOptions, sid } from "./sid";
export { sidDit } from "./sid-dit";
export { sidLsg } from "./sid-lsg";
export { type SidaOptions, sida } from "./sida";
export { type SimOptions, sim } from "./sim";
export type { StoppedGradientMethodOptions } from "./stopped-gradient";
export { type SwiftBrushOptions, swiftBrush } from "./swift-brush";
export { type PseudoHuber, type TdmOptions, tdm } from "./tdm";
export type { GuidedMethodOptions } from "./through-networks";
export type * from "./types";
export { vsd } from "./vsd";
