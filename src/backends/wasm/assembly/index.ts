export { geluGate, geluGateGradient, sigmoidGate, sigmoidGateGradient } from "./gates";
export { gemm, gemmScratch, gemms } from "./gemm";
export { groupNorm, groupNormGradient, groupNormScratch, layerNorm, layerNormGradient } from "./norms";
