/**
 * What a training step will take of memory, from a run on tensors without numbers.
 *
 * @module sid-lsg/memory
 */
export { estimateMemory, type MemoryConfig, type MemoryEstimate, type MemoryLora } from "./estimate";
