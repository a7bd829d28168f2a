import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type MpiOptions, mpi } from "sid-lsg/distributed";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SidError } from "../../src/core/errors";
import { findLibrary } from "../../src/distributed/find-library";
import { mpichHandles, standardHandles } from "../../src/distributed/handles";
import { MpiFailure, openMpiLibrary } from "../../src/distributed/mpi-library";
import { type NativeLibraries, type NativeLibrary, nativeLibraries } from "../../src/distributed/native";

/** A library whose functions answer as given, and which says that it is `version`. */
function fakeNative(version: string, functions: Readonly<Record<string, (...args: never[]) => number>> = {}) {
  const known: Readonly<Record<string, (...args: never[]) => number>> = {
    MPI_Get_library_version: (text: Uint8Array, length: Int32Array) => {
      length[0] = new TextEncoder().encodeInto(version, text).written;
      return 0;
    },
    ...functions,
  };
  const func = (name: string) => {
    if (name === "MPI_Abi_get_version" && !known[name]) throw new Error(`Cannot find function '${name}'`);
    const sync = known[name] ?? (() => 0);
    const async = (...args: never[]) => {
      const done = args.pop() as unknown as (error: null, code: number) => void;
      done(null, sync(...args));
    };
    return Object.assign(sync, { async });
  };
  const library = { func, symbol: (name: string) => BigInt(name.length) } as unknown as NativeLibrary;
  return { load: () => library, alarm: () => {}, exitNow: () => {} } satisfies NativeLibraries;
}

const abi = (major: number) => (at: Int32Array, minor: Int32Array) => {
  at[0] = major;
  minor[0] = 0;
  return 0;
};

describe("openMpiLibrary", () => {
  test.each([
    ["Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4", "Open MPI 4.1.4"],
    ["MPICH Version:      5.0.2\nMPICH Release date: today", "MPICH 5.0.2"],
    ["Intel(R) MPI Library 2021.13 for Linux* OS\n", "Intel(R) MPI Library 2021.13 for Linux* OS"],
  ])("%j is named %s", (version, name) => {
    expect(openMpiLibrary(fakeNative(version), "lib").name).toBe(name);
  });

  test("the handles are those of the library's own kind", () => {
    const open = (version: string, functions = {}) => openMpiLibrary(fakeNative(version, functions), "lib").handles;
    expect(open("MPICH Version: 4.0.2")).toBe(mpichHandles);
    expect(open("MPICH Version: 5.0.2", { MPI_Abi_get_version: abi(-1) })).toBe(mpichHandles);
    expect(open("MPICH Version: 5.0.2", { MPI_Abi_get_version: abi(1) })).toBe(standardHandles);
    expect(open("Another 1.0", { MPI_Abi_get_version: abi(1) })).toBe(standardHandles);
    expect(open("Open MPI v5.0.11, package").world).toBe(BigInt("ompi_mpi_comm_world".length));
  });

  test("a library of unknown handles is refused by its name", () => {
    expect(() => openMpiLibrary(fakeNative("Toy MPI 0.1\nmore"), "libtoy.so")).toThrow(
      'mpi: libtoy.so says that it is "Toy MPI 0.1"; known are Open MPI, MPICH',
    );
  });

  test("what MPI answers becomes an error with MPI's words", async () => {
    const library = openMpiLibrary(
      fakeNative("MPICH Version: 4", {
        MPI_Barrier: () => 5,
        MPI_Error_string: (code: number, text: Uint8Array, length: Int32Array) => {
          length[0] = new TextEncoder().encodeInto(`failure ${code}\nand a stack`, text).written;
          return 0;
        },
      }),
      "lib",
    );
    expect(() => library.call("MPI_Barrier", 1)).toThrow(new MpiFailure("MPI_Barrier: failure 5"));
    await expect(library.callAsync("MPI_Barrier", 1)).rejects.toThrow(new MpiFailure("MPI_Barrier: failure 5"));
    await expect(library.callAsync("MPI_Finalize")).resolves.toBe(undefined);
  });

  test("a library that is not MPI is refused", async () => {
    const native = await nativeLibraries();
    const path = process.platform === "darwin" ? "libSystem.dylib" : "libm.so.6";
    expect(() => openMpiLibrary(native, path)).toThrow(/mpi: .* is no MPI library: Cannot find function 'MPI_/);
  });
});

describe("findLibrary", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sid-mpi-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const install = (...files: readonly string[]) => {
    for (const place of ["bin", "lib"]) mkdirSync(join(folder, place), { recursive: true });
    for (const file of files) writeFileSync(join(folder, file), "");
  };
  const search = (launcher: Parameters<typeof findLibrary>[0], load: (path: string) => string) =>
    findLibrary(launcher, { PATH: join(folder, "bin") }, load);

  test("the library beside the launcher on the PATH comes first, in the launcher's own order", async () => {
    install("bin/mpirun", "lib/libmpi.so.40", "lib/libmpi_abi.so.1", "lib/libmpi.so.12");
    if (process.platform === "darwin") return;
    expect(await search("MPICH's mpiexec", (path) => path)).toBe(join(folder, "lib/libmpi_abi.so.1"));
    expect(await search("Open MPI's mpirun", (path) => path)).toBe(join(folder, "lib/libmpi.so.40"));
  });

  test("then the system's", async () => {
    install("bin/mpirun");
    expect(await search("MPICH's mpiexec", (path) => path)).toMatch(/^libmpi_abi\./);
  });

  test("where none loads, the error says what was wrong and what to do", async () => {
    install("bin/mpirun", "lib/libmpi.so.12");
    const found = search("MPICH's mpiexec", (path) => {
      throw new Error(`${path}: wrong ELF class: ELFCLASS32`);
    });
    await expect(found).rejects.toMatchObject({ code: "missing-package" });
    await expect(found).rejects.toThrow(/found no MPI library.* Install one, .* or name it: the option library or/);
    if (process.platform !== "darwin") await expect(found).rejects.toThrow("libmpi.so.12: wrong ELF class: ELFCLASS32");
  });
});

describe("mpi", () => {
  afterEach(() => vi.unstubAllEnvs());

  test("a program that nobody launched is told how", async () => {
    for (const name of ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"]) vi.stubEnv(name, undefined);
    await expect(mpi()).rejects.toMatchObject({
      code: "invalid-argument",
      message: expect.stringContaining("no launcher started this program"),
    });
    await expect(mpi()).rejects.toThrow("Start it with: mpirun -n 4 node FILE");
  });

  test.each([
    [undefined, "n"],
    ["y", "y"],
  ])(
    "UCX's patches of memory are turned off before the library is loaded, unless it is told: %s",
    async (set, then) => {
      vi.stubEnv("PMI_SIZE", "1");
      vi.stubEnv("PMI_RANK", "0");
      vi.stubEnv("UCX_MEM_EVENTS", set);
      await expect(mpi({ library: "/nowhere/libmpi.so" })).rejects.toThrow("/nowhere/libmpi.so");
      expect(process.env["UCX_MEM_EVENTS"]).toBe(then);
    },
  );

  test("a named library that does not load is told with the system's reason", async () => {
    vi.stubEnv("PMI_SIZE", "1");
    vi.stubEnv("PMI_RANK", "0");
    const here = await mpi({ library: "/nowhere/libmpi.so" }).catch((error: unknown) => error);
    expect(here).toBeInstanceOf(SidError);
    expect(here).toMatchObject({ code: "invalid-argument", message: expect.stringContaining("/nowhere/libmpi.so") });
    const text = join(tmpdir(), "sid-not-a-library.so");
    writeFileSync(text, "no library");
    vi.stubEnv("SID_MPI_LIBRARY", text);
    await expect(mpi()).rejects.toThrow(/mpi: cannot load the library .*sid-not-a-library.so: /);
    rmSync(text);
  });

  test.each([
    [{ timeout: 0 }, "mpi: timeout must be above 0, got 0"],
    [{ startTimeout: Number.NaN }, "mpi: startTimeout must be finite, got NaN"],
    [{ library: "" }, "mpi: library must be a non-empty string"],
    [{ timeOut: 3 }, "did you mean timeout?"],
  ])("options are checked: %o", async (options, message) => {
    await expect(mpi(options as MpiOptions)).rejects.toThrow(message);
  });
});
