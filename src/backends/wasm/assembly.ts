import { type Arithmetic, setWasmArithmetic, wasmArithmetic } from "../../core/arithmetic";
import { sharedState } from "../../core/shared-state";
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

interface Binary {
  readonly base64: string;
  readonly memoryFlags: number;
}

interface Compiled {
  readonly kind: Arithmetic;
  readonly module: WebAssembly.Module;
  readonly functions: Assembly;
}

const compiled = new WeakMap<WasmModule, Compiled>();

/** The binaries that are here. The fused one is loaded where it is used. */
const binaries = /* @__PURE__ */ sharedState(
  "wasm binaries",
  (): Partial<Record<Arithmetic, Binary>> => ({
    plain: { base64, memoryFlags },
  }),
);

/** Has all functions of the backend compute so from now on, but for those of workers that run. */
export async function chooseArithmetic(kind: Arithmetic): Promise<void> {
  if (kind === "fma") binaries.fma ??= await import("./assembly-binary-fused");
  setWasmArithmetic(kind);
}

/** The functions, working in the memory of the backend's module. */
export function assembly(wasm: WasmModule): Assembly {
  return compiledFor(wasm).functions;
}

/** What they are compiled to. */
export function assemblyModule(wasm: WasmModule): WebAssembly.Module {
  return compiledFor(wasm).module;
}

/** A binary says by itself only in one byte what memory it imports. */
function compiledFor(wasm: WasmModule): Compiled {
  const known = compiled.get(wasm);
  const kind = wasmArithmetic();
  if (known?.kind === kind) return known;
  const { base64, memoryFlags } = binaries[kind] as Binary;
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const memory = memoryOf(wasm);
  const shared = typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer;
  if (!shared) bytes[memoryFlags] = 1;
  const module = new WebAssembly.Module(bytes);
  const functions = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Assembly;
  const result = { kind, module, functions };
  compiled.set(wasm, result);
  return result;
}

/** The backend's memory. */
export function memoryOf(wasm: WasmModule): WebAssembly.Memory {
  return (wasm.wasmMemory ?? wasm.asm?.memory) as WebAssembly.Memory;
}
