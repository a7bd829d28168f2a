import { setFlagsFromString } from "node:v8";

/** Lets Node 20 have relaxed SIMD, which newer versions have by themselves. */
export function allowRelaxedSimd(): void {
  if (process.version.startsWith("v20.")) setFlagsFromString("--experimental-wasm-relaxed-simd");
}

// With this the `wasm` backend of every test fuses multiply-adds, on a processor that can: `npm run test:fma`.
if (process.env["SID_FMA"]) allowRelaxedSimd();
