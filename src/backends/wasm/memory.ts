import { SidError } from "../../core/errors";
import { sharedState } from "../../core/shared-state";
import type { WasmModule } from "./module";

/** What a WASM module can address. */
const most = 2 ** 32;

const guarded = /* @__PURE__ */ sharedState("guarded wasm modules", () => new WeakSet<object>());

/**
 * Lets the module refuse in words what does not fit. By itself it answers with address 0, or with less memory than was
 * asked for where the number does not fit 32 bits, and the backend writes there.
 */
export function guardMemory(wasm: Pick<WasmModule, "_malloc" | "HEAPU8">): void {
  if (guarded.has(wasm)) return;
  guarded.add(wasm);
  const allocate = wasm._malloc.bind(wasm);
  Object.assign(wasm, {
    _malloc(bytes: number): number {
      const at = bytes < most ? allocate(bytes) : 0;
      if (at !== 0 || bytes === 0) return at;
      const mebibytes = (x: number) => `${Math.ceil(x / 2 ** 20)} MiB`;
      throw new SidError(
        "out-of-memory",
        `wasm backend: ${mebibytes(bytes)} more do not fit beside its heap of ${mebibytes(wasm.HEAPU8.length)}, of at most ${mebibytes(most)}; a batch in more accumulationRounds, or the staged backward pass, takes less.`,
      );
    },
  });
}
