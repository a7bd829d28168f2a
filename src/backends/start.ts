import { ready, setBackend } from "@tensorflow/tfjs-core";
import { SidError } from "../core/errors";

/** The error for a package that cannot be loaded. */
export function notInstalled(packageName: string, cause: unknown): SidError {
  return new SidError(
    "missing-backend",
    `useBackend: cannot load ${packageName}; install it with: npm install ${packageName}`,
    { cause },
  );
}

/** Makes the backend that TensorFlow.js knows as `name` the current one. */
export async function start(name: string, question = ""): Promise<void> {
  let cause: unknown;
  try {
    if (await setBackend(name)) return await ready();
  } catch (reason) {
    cause = reason;
  }
  throw new SidError(
    "missing-backend",
    `useBackend: the ${name} backend is installed but did not start${question || "."}`,
    { cause },
  );
}

/**
 * Imports a package that only Node can run, at run time and by a name that bundlers do not see: a page that bundles
 * this library shall not need it.
 */
export async function importNative<T>(packageName: string): Promise<T> {
  try {
    return (await import(/* webpackIgnore: true */ /* @vite-ignore */ packageName)) as T;
  } catch (cause) {
    throw notInstalled(packageName, cause);
  }
}
