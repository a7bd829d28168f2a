import { base64, memoryFlags } from "./assembly-binary";
import type { WasmModule } from "./module";

/** The functions of the folder assembly, by name: numbers in, results in the memory of the backend. */
export interface Assembly {
  attention(...numbers: number[]): void;
  attentionGradient(...numbers: number[]): void;
  attentionScratch(queries: number, keys: number, width: number): number;
  copyRows(...numbers: number[]): void;
  gemm(...numbers: number[]): void;
  gemmScratch(columns: number): number;
  groupNorm(...numbers: number[]): void;
  groupNormGradient(...numbers: number[]): void;
  groupNormScratch(channels: number): number;
  layerNorm(...numbers: number[]): void;
  layerNormGradient(...numbers: number[]): void;
  sigmoidGate(...numbers: number[]): void;
  sigmoidGateGradient(...numbers: number[]): void;
  geluGate(...numbers: number[]): void;
  geluGateGradient(...numbers: number[]): void;
  sumRows(...numbers: number[]): void;
  transpose(...numbers: number[]): void;
}

const instances = new WeakMap<WasmModule, Assembly>();

/** The functions, working in the memory of the backend's module. */
export function assembly(wasm: WasmModule): Assembly {
  const known = instances.get(wasm);
  if (known) return known;
  const memory = memoryOf(wasm);
  const module = new WebAssembly.Module(binaryFor(memory));
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  const functions = instance.exports as unknown as Assembly;
  instances.set(wasm, functions);
  return functions;
}

function memoryOf(wasm: WasmModule): WebAssembly.Memory {
  return (wasm.wasmMemory ?? wasm.asm?.memory) as WebAssembly.Memory;
}

/** One binary serves both kinds of memory; only what it says of its import differs. */
function binaryFor(memory: WebAssembly.Memory): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  if (!isShared(memory)) bytes[memoryFlags] = 1;
  return bytes;
}

function isShared({ buffer }: WebAssembly.Memory): boolean {
  return typeof SharedArrayBuffer !== "undefined" && buffer instanceof SharedArrayBuffer;
}
