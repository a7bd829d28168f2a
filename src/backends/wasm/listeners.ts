import { env } from "@tensorflow/tfjs-core";

const events = ["uncaughtException", "unhandledRejection"] as const;

/** A function that does nothing but throw what it was given, unless that is a wish to exit; minified or not. */
const rethrows =
  /^(?:function\b\s*[\w$]*)?[\s(]*([\w$]+)[\s)]*(?:=>)?\s*\{\s*(?:if\s*\(!\(\1 instanceof [\w$]+\)\)\s*\{?\s*)?throw \1;?[\s}]*$/;

/**
 * Runs `start` and takes away the listeners for uncaught errors that Emscripten's scripts leave in a process: they
 * throw the error again from a line of 40 kB, which Node prints. Those that the program adds meanwhile stay.
 */
export async function withoutListeners<T>(start: () => Promise<T>): Promise<T> {
  if (!env().getBool("IS_NODE")) return await start();
  const before = events.map((event) => process.rawListeners(event));
  try {
    return await start();
  } finally {
    events.forEach((event, i) => {
      for (const listener of process.rawListeners(event))
        if (!before[i]?.includes(listener) && rethrows.test(listener.toString()))
          process.removeListener(event, listener as never);
    });
  }
}
