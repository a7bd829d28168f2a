import { base64, memoryFlags } from "./assembly-binary";
import type { WasmModule } from "./module";

/** The functions of the folder assembly, by name: numbers in, results in the memory of the backend. */
export interface Assembly {
  adam(...numbers: number[]): void;
  attention(...numbers: number[]): void;
  attentionGradient(...numbers: number[]): void;
  attentionScratch(queries: number, keys: number, width: number): number;
  binary(...numbers: number[]): void;
  clean(x: number, count: number, limit: number, out: number): number;
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
  sumOfSquares(x: number, count: number): number;
  sumRows(...numbers: number[]): void;
  transpose(...numbers: number[]): void;
}

const modules = new WeakMap<WasmModule, WebAssembly.Module>();
const instances = new WeakMap<WasmModule, Assembly>();

/** The functions, working in the memory of the backend's module. */
export function assembly(wasm: WasmModule): Assembly {
  const known = instances.get(wasm);
  if (known) return known;
  const instance = new WebAssembly.Instance(assemblyModule(wasm), { env: { memory: memoryOf(wasm) } });
  const functions = instance.exports as unknown as Assembly;
  instances.set(wasm, functions);
  return functions;
}

/** What they are compiled to: one binary, which only says differently what memory it imports. */
export function assemblyModule(wasm: WasmModule): WebAssembly.Module {
  const known = modules.get(wasm);
  if (known) return known;
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const shared = typeof SharedArrayBuffer !== "undefined" && memoryOf(wasm).buffer instanceof SharedArrayBuffer;
  if (!shared) bytes[memoryFlags] = 1;
  const module = new WebAssembly.Module(bytes);
  modules.set(wasm, module);
  return module;
}

/** The backend's memory. */
export function memoryOf(wasm: WasmModule): WebAssembly.Memory {
  return (wasm.wasmMemory ?? wasm.asm?.memory) as WebAssembly.Memory;
}
