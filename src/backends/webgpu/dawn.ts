import { SidError } from "../../core/errors";
import { importNative } from "../start";
import type { Gpu } from "./types";

interface Dawn {
  readonly globals: Readonly<Record<string, unknown>>;
  create(flags: readonly string[]): Gpu;
}

/** By its flags. Each is kept for good: Dawn ends the process when one is collected whose devices still live. */
const gpus = new Map<string, Gpu>();

/**
 * WebGPU in Node: that of the package `webgpu`, whose classes and constants become globals where there are none.
 *
 * @param adapter - part of the name of the GPU, upper and lower case as in the driver's name.
 */
export async function dawnGpu(adapter?: string): Promise<Gpu> {
  const flags = adapter === undefined ? [] : [`adapter=${adapter}`];
  const known = gpus.get(flags.join());
  if (known) return known;
  const { create, globals } = await importNative<Dawn>("webgpu");
  for (const [name, value] of Object.entries(globals))
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  try {
    const gpu = create(flags);
    gpus.set(flags.join(), gpu);
    return gpu;
  } catch (cause) {
    throw new SidError("missing-backend", `useBackend: Dawn does not start: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Runs `f`, which looks for `navigator.gpu`, where Node has none. It is not left there: others would take Node for a
 * browser, and the package warns that Node may not exit while a global holds it.
 */
export function withNavigatorGpu<T>(gpu: Gpu, f: () => T): T {
  const { navigator } = globalThis as { navigator?: { gpu?: Gpu } };
  if (navigator?.gpu) return f();
  const [owner, key, value] = navigator ? [navigator, "gpu", gpu] : [globalThis, "navigator", { gpu }];
  Object.defineProperty(owner, key as string, { value, configurable: true, writable: true });
  try {
    return f();
  } finally {
    Reflect.deleteProperty(owner as object, key as string);
  }
}
