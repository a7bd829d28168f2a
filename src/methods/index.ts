/**
 * Distillation methods as plain data and pure functions, one file each: what they ask the networks, the gradient of
 * their loss, and their published defaults. `distill` carries them out; so may a loop of one's own.
 *
 * @module sid-lsg/methods
 */
export { bySchedule, type LawsBySchedule } from "./by-schedule";
export { cotangentsOf } from "./cotangents-of";
export type { MethodOptions } from "./options";
export { type SidOptions, sid } from "./sid";
export type * from "./types";
