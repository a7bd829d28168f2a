/** How every script meets its surroundings: signals, a closed pipe, and what it throws. */
import { constants } from "node:os";
import { setImmediate } from "node:timers/promises";
import { outliveOutput, printable, say } from "./terminal";

/** What asks a program to stop: Ctrl-C, `kill`, a terminal that closes. */
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Two signals within this many milliseconds are one wish: npm hands on the Ctrl-C that the script has got already. */
const oneWish = 300;
/** Milliseconds between looks at whether npm is still there. */
const watchEvery = 500;

let work: { readonly promise: () => string; readonly controller: AbortController } | undefined;
let askedAt = Number.NEGATIVE_INFINITY;

/**
 * Runs a program. What it throws is printed as one line without a stack, and the exit code is 1. It goes on when nobody
 * reads what it prints. A signal ends it as the system does, at once and in the midst of a computation, but what is
 * {@link interruptible}.
 */
export async function runProgram(program: () => Promise<void>): Promise<void> {
  outliveOutput();
  const watch = watchParent();
  try {
    await program();
  } catch (error) {
    console.error(error instanceof Error ? printable(error.message) : error);
    process.exitCode = 1;
  } finally {
    clearInterval(watch);
  }
}

/**
 * Does work that ends in order when it is asked to: the first signal aborts what `run` is given and is answered with
 * `promise`, what will be done yet; a second one ends the program at once. Signals are heard when the work lets Node
 * turn to them: see {@link listen}.
 */
export async function interruptible<T>(
  promise: string | (() => string),
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  work = { promise: typeof promise === "string" ? () => promise : promise, controller };
  for (const name of signals) process.on(name, stop);
  try {
    return await run(controller.signal);
  } finally {
    work = undefined;
    // Once asked, the program is about to end; the same wish may come again.
    if (!controller.signal.aborted) for (const name of signals) process.off(name, stop);
  }
}

/** Lets signals through: awaiting what the processor has computed already does not. */
export function listen(): Promise<void> {
  return setImmediate();
}

/** A signal to npm ends its shell, and npm with it, but tells nobody: what they started is then an orphan. */
function watchParent(): NodeJS.Timeout | undefined {
  if (process.env["npm_lifecycle_event"] === undefined) return undefined;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    stop("SIGHUP", 0, "npm is gone");
  }, watchEvery);
  return watch.unref();
}

function stop(name: NodeJS.Signals, _: number, who = name === "SIGINT" ? "Ctrl-C" : String(name)): void {
  const now = performance.now();
  if (now - askedAt < oneWish) return;
  if (work && !work.controller.signal.aborted) {
    askedAt = now;
    say(`${who}: ${work.promise()}. Once more stops at once.`);
    work.controller.abort();
  } else if (!(work && name === "SIGHUP")) {
    // A terminal that closes after Ctrl-C does not ask for more than that.
    say(work ? `${who} again: stopped at once; what was saved is whole.` : `${who}: stopped.`);
    process.exit(128 + constants.signals[name]);
  }
}
