import { getBackend } from "@tensorflow/tfjs-core";
import { sharedState } from "./shared-state";

/**
 * How products are added up: `"fma"`, fused multiply-adds, which round once, or `"plain"`, which round the product and
 * then the sum, and give the same bits everywhere.
 */
export type Arithmetic = "fma" | "plain";

const chosen = /* @__PURE__ */ sharedState("arithmetic", (): { wasm: Arithmetic } => ({ wasm: "plain" }));

/**
 * How the current backend adds up products, where there are two ways: on `wasm`. A run is the same bit for bit within
 * one; what two give differs in the last bits.
 *
 * @returns the way, or undefined on a backend that has one only.
 *
 * @example
 * ```ts
 * import { arithmetic, useBackend } from "sid-lsg/backends";
 *
 * await useBackend("wasm", { fma: false });
 * console.log(arithmetic()); // "plain"
 * ```
 */
export function arithmetic(): Arithmetic | undefined {
  return getBackend() === "wasm" ? chosen.wasm : undefined;
}

/** That of `wasm`, whether it is the current backend or not. */
export function wasmArithmetic(): Arithmetic {
  return chosen.wasm;
}

/** Says how `wasm` computes from now on. */
export function setWasmArithmetic(kind: Arithmetic): void {
  chosen.wasm = kind;
}
