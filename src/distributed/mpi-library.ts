import { SidError } from "../core/errors";
import { type Handles, mpichHandles, openMpiHandles, standardHandles } from "./handles";
import type { NativeLibraries, NativeLibrary } from "./native";

/** The functions that are used here, with the types of their arguments. A handle is a number or an address. */
const signatures = {
  MPI_Get_library_version: ["void *", "void *"],
  MPI_Initialized: ["void *"],
  MPI_Init_thread: ["void *", "void *", "int", "void *"],
  MPI_Comm_rank: ["intptr_t", "void *"],
  MPI_Comm_size: ["intptr_t", "void *"],
  MPI_Comm_set_errhandler: ["intptr_t", "intptr_t"],
  MPI_Error_string: ["int", "void *", "void *"],
  MPI_Allreduce: ["intptr_t", "void *", "int", "intptr_t", "intptr_t", "intptr_t"],
  MPI_Iallreduce: ["intptr_t", "void *", "int", "intptr_t", "intptr_t", "intptr_t", "void *"],
  MPI_Allgather: ["intptr_t", "int", "intptr_t", "void *", "int", "intptr_t", "intptr_t"],
  MPI_Bcast: ["void *", "int", "intptr_t", "int", "intptr_t"],
  MPI_Barrier: ["intptr_t"],
  MPI_Isend: ["void *", "int", "intptr_t", "int", "int", "intptr_t", "void *"],
  MPI_Irecv: ["void *", "int", "intptr_t", "int", "int", "intptr_t", "void *"],
  MPI_Testall: ["int", "void *", "void *", "intptr_t"],
  MPI_Waitall: ["int", "void *", "intptr_t"],
  MPI_Abort: ["intptr_t", "int"],
  MPI_Finalize: [],
} as const;

type FunctionName = keyof typeof signatures;
type Argument = Float32Array | Float64Array | Int32Array | Uint8Array | number | bigint | null;

/** A loaded MPI library. */
export interface MpiLibrary {
  /** What it says it is: `Open MPI 5.0.11`. */
  readonly name: string;
  /** Where it was found. */
  readonly path: string;
  readonly handles: Handles;
  /** Calls one of its functions; throws what MPI says went wrong. */
  call(name: FunctionName, ...args: readonly Argument[]): void;
  /** The same on another thread. The arrays stay where they are until it is over. */
  callAsync(name: FunctionName, ...args: readonly Argument[]): Promise<void>;
}

/** What a function of MPI answered instead of success. */
export class MpiFailure extends Error {}

/**
 * Loads a library and asks it what it is.
 *
 * @throws SidError `invalid-argument` where it is no MPI library, `unsupported` where it is one of unknown handles.
 */
export function openMpiLibrary(native: NativeLibraries, path: string): MpiLibrary {
  const library = native.load(path);
  const functions = bind(library, path);
  const text = new Uint8Array(8192);
  const number = new Int32Array(1);
  functions.MPI_Get_library_version(text, number);
  const version = new TextDecoder().decode(text.subarray(0, number[0]));
  const check = (name: FunctionName, code: number) => {
    if (code === 0) return;
    functions.MPI_Error_string(code, text, number);
    throw new MpiFailure(`${name}: ${new TextDecoder().decode(text.subarray(0, number[0])).split("\n")[0]}`);
  };
  return {
    name: nameOf(version),
    path,
    handles: handlesOf(library, version, path),
    call: (name, ...args) => check(name, functions[name](...args)),
    callAsync: (name, ...args) =>
      new Promise((resolve, reject) => {
        functions[name].async(...args, (error: unknown, code: number) => {
          // Mentioned here so that the arrays live as long as the call: MPI holds their addresses.
          void args;
          try {
            if (error) throw error;
            check(name, code);
            resolve();
          } catch (reason) {
            reject(reason);
          }
        });
      }),
  };
}

function bind(library: NativeLibrary, path: string) {
  try {
    const entries = Object.entries(signatures).map(([name, types]) => [name, library.func(name, "int", [...types])]);
    return Object.fromEntries(entries) as Record<FunctionName, ReturnType<NativeLibrary["func"]>>;
  } catch (cause) {
    throw new SidError("invalid-argument", `mpi: ${path} is no MPI library: ${(cause as Error).message}.`, { cause });
  }
}

/** `Open MPI v5.0.11, package: …` and `MPICH Version:      5.0.2 …` in short. */
function nameOf(version: string): string {
  const line = version.split("\n")[0] ?? "";
  return (line.split(",")[0] ?? "")
    .replace(/\bv(?=\d)|Version:?/gi, " ")
    .replace(/\s+/g, " ")
    .trim();
}

function handlesOf(library: NativeLibrary, version: string, path: string): Handles {
  if (hasStandardHandles(library)) return standardHandles;
  if (/Open MPI/.test(version)) return openMpiHandles((symbol) => library.symbol(symbol));
  if (/MPICH|MVAPICH|Intel\(R\) MPI/i.test(version)) return mpichHandles;
  throw new SidError(
    "unsupported",
    `mpi: ${path} says that it is ${JSON.stringify(nameOf(version))}; known are Open MPI, MPICH with its relatives, and ` +
      "every library of MPI 5's binary interface (libmpi_abi).",
  );
}

/** Whether it has the binary interface of MPI 5: MPICH 5 has the question in both its libraries, and -1 in one. */
function hasStandardHandles(library: NativeLibrary): boolean {
  const [major, minor] = [new Int32Array(1), new Int32Array(1)];
  try {
    library.func("MPI_Abi_get_version", "int", ["void *", "void *"])(major, minor);
  } catch {
    return false;
  }
  return (major[0] ?? 0) >= 1;
}
