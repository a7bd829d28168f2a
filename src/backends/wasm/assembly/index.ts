export { attention, attentionGradient, attentionScratch } from "./attention";
export { binary } from "./binary";
export { copyRows, transpose } from "./copies";
export { geluGate, geluGateGradient, sigmoidGate, sigmoidGateGradient } from "./gates";
export { gemm, gemmScratch } from "./gemm";
export { groupNorm, groupNormGradient, groupNormScratch, layerNorm, layerNormGradient } from "./norms";
export { adam, clean, sumOfSquares } from "./steps";
export { sumRows } from "./sums";
