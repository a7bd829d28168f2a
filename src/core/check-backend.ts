import { backend, getBackend } from "@tensorflow/tfjs-core";
import { SidError } from "./errors";
import { hasOwnKernels } from "./fused-kernels";

/** Backends of TensorFlow.js that cannot train as they come, by its names, and what `useBackend` calls them. */
const mended: Readonly<Record<string, string>> = { wasm: "wasm", tensorflow: "node" };

/** Throws where no backend of TensorFlow.js runs. */
export function checkRunning(where: string): void {
  try {
    // Whatever TensorFlow.js can start by itself starts here, as it would at the first tensor.
    backend();
  } catch (cause) {
    throw new SidError("missing-backend", `${where}: no backend of TensorFlow.js runs yet; ${remedy("wasm")}`, {
      cause,
    });
  }
}

/**
 * Throws where no backend runs, or one that lacks this library's kernels: with its own, `wasm` has no gradient of a
 * convolution and reads beside its memory in fused products, `tensorflow` refuses paddings and, on Node 24, lists.
 */
export function checkBackend(where: string): void {
  checkRunning(where);
  const name = getBackend();
  const known = mended[name];
  if (known && !hasOwnKernels(name))
    throw new SidError(
      "missing-backend",
      `${where}: the backend "${name}" runs as TensorFlow.js started it, without the kernels that training needs; ${remedy(known)}`,
    );
}

function remedy(name: string): string {
  return `call useBackend first: await useBackend("${name}"), from "sid-lsg/backends".`;
}
