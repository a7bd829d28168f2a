export { estimateMemory, type MemoryConfig, type MemoryEstimate } from "./estimate";
