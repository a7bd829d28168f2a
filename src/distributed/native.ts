import { SidError } from "../core/errors";

type Koffi = typeof import("koffi");

/** A shared library. */
export type NativeLibrary = ReturnType<Koffi["load"]>;

/** Calls into C by the package `koffi`. */
export interface NativeLibraries {
  /** Loads a library for good; throws what the system's loader says. */
  load(path: string): NativeLibrary;
  /** Has the system end this program after so many seconds; 0 calls it off. */
  alarm(seconds: number): void;
  /** Ends this program at once, whatever its threads are doing: Node's own exit would wait for them. */
  exitNow(code: number): void;
}

/** Bytes of stack for a call. MPICH 4 takes more than koffi's 128 KiB. */
const stackSize = 8 * 1024 * 1024;

/** dlopen's: all symbols now. */
const RTLD_NOW = 2;

/**
 * Loads koffi.
 *
 * @throws SidError `missing-package` where it is not installed.
 */
export async function nativeLibraries(): Promise<NativeLibraries> {
  const koffi = await importKoffi();
  enlargeStack(koffi);
  const system = koffi.load(null);
  const dlopen = system.func("dlopen", "void *", ["str", "int"]);
  const alarm = system.func("alarm", "uint", ["uint"]);
  const exit = system.func("_exit", "void", ["int"]);
  return {
    load(path) {
      const library = koffi.load(path, { global: true });
      // Held once more and never let go: koffi closes it at the program's end, before threads that called it end, which
      // then would run what MPI left for them.
      dlopen(path, RTLD_NOW);
      return library;
    },
    alarm: (seconds) => alarm(Math.min(Math.ceil(seconds), 2 ** 31 - 1)),
    exitNow: (code) => exit(code),
  };
}

/** Possible before anything was called through koffi, and then for all of the program. */
function enlargeStack(koffi: Koffi): void {
  if ((koffi.config().async_stack_size ?? 0) >= stackSize) return;
  try {
    koffi.config({ sync_stack_size: stackSize, async_stack_size: stackSize });
  } catch (cause) {
    throw new SidError("unsupported", "mpi: koffi was used before with a small stack; call mpi() first.", { cause });
  }
}

// By a name that bundlers do not see: only who trains on many machines needs it.
async function importKoffi(): Promise<Koffi> {
  const name = "koffi";
  try {
    const module = (await import(/* webpackIgnore: true */ /* @vite-ignore */ name)) as { readonly default: Koffi };
    return module.default;
  } catch (cause) {
    throw new SidError("missing-package", "mpi: cannot load koffi; install it with: npm install koffi", { cause });
  }
}
