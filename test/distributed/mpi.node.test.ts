import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { bundleProgram, launchersHere } from "../support/mpi";

const launchers = process.env["SID_MPI"] ? launchersHere() : [];
let program = "";

beforeAll(async () => {
  if (launchers.length > 0) program = await bundleProgram("test/distributed/rank-program.ts");
});

describe.skipIf(!process.env["SID_MPI"])("a real MPI", () => {
  test("there is one, of each kind", () => {
    const names = launchers.map(({ name }) => name).join();
    expect(names).toMatch(/Open MPI/);
    expect(names).toMatch(/MPICH/);
  });

  describe.each(launchers)("$name", ({ command, flags, name }) => {
    const run = (
      size: number,
      mode: string,
      environment: Readonly<Record<string, string>> = {},
      between: readonly string[] = [],
    ) => {
      const started = performance.now();
      const { status, stdout, stderr, signal } = spawnSync(
        command,
        [...flags, "-n", String(size), ...between, process.execPath, program, mode],
        { encoding: "utf8", timeout: 240_000, env: { ...process.env, NO_COLOR: "1", ...environment } },
      );
      return { status, signal, text: stdout + stderr, seconds: (performance.now() - started) / 1000 };
    };

    test.each([1, 2, 3, 4])("on %i ranks every call does what it says, and all get the same bits", (size) => {
      const { status, text } = run(size, "sound");
      expect(text).toContain(`begun: ${name}, ${size} ranks`);
      expect(text).not.toMatch(/Error|abort/i);
      expect(status, text).toBe(0);
    });

    test("a program that forgets to close ends well", () => {
      const { status, text } = run(2, "no-close");
      expect(status, text).toBe(0);
    });

    test("where Node starts the program, as npm does, it works or is told why not", () => {
      const script =
        "process.exitCode = child_process.spawnSync(process.argv[1], process.argv.slice(2), { stdio: 'inherit' }).status";
      // What a shell under srun leaves is of no launcher that matters.
      const isOpenMpi = name.startsWith("Open MPI");
      const { status, text } = run(2, "no-close", isOpenMpi ? { PMI_FD: "77" } : {}, [process.execPath, "-e", script]);
      if (isOpenMpi) expect([status, text]).toEqual([0, expect.stringContaining("begun: Open MPI")]);
      else {
        expect(text).toMatch(
          /SidError: mpi: the line to the launcher \(PMI_FD=\d+\) is closed\. npm, as every program/,
        );
        expect(status).not.toBe(0);
      }
    });

    test.each([
      ["hang", "allReduce", "rank 2 did not come in 3 s"],
      ["hang-sync", "allReduceSync", "rank 2 did not come in 3 s"],
      ["leave", "allReduce", "rank 2 did not come in 3 s"],
      ["hang-0", "allReduce", "no end in 8 s, and rank 0"],
    ])("%s: all ranks end in time, with a line that names the rank", (mode, call, words) => {
      const { status, signal, text } = run(3, mode);
      expect(text).toMatch(new RegExp(`SidError: ${name}, rank . of 3, ${call} .*${words}`));
      expect(signal).toBe(null);
      expect(status).not.toBe(0);
    });

    test.each(["kill", "abort"])("%s: all ranks end", (mode) => {
      const { status, signal } = run(3, mode);
      expect(signal).toBe(null);
      expect(status).not.toBe(0);
    });

    test("an error that nobody catches is told with its rank, and ends all ranks", () => {
      const { status, text } = run(3, "throw");
      expect(text).toContain("rank 2 of 3: Error: a mistake of mine");
      expect(status).not.toBe(0);
    });

    test("calls of another kind, and of another length, end all ranks", () => {
      const kind = run(3, "kind");
      expect(kind.text).toMatch(/rank-mismatch|rank 2 calls barrier, rank 0 allReduce of 3/);
      const length = run(3, "length");
      // MPICH 5 ends the programs itself.
      expect(length.text).toMatch(/rank 2 calls allReduce of 10, rank 0 allReduce of 11|truncated/);
      expect([kind.status, length.status]).not.toContain(0);
    });

    test("the library of another MPI is refused by name", () => {
      const isOpenMpi = name.startsWith("Open MPI");
      const other = launchers.find((launcher) => launcher.name.startsWith("Open MPI") !== isOpenMpi);
      const folders = ["lib", "lib/x86_64-linux-gnu"].map((folder) => resolve(other?.path ?? "", "../..", folder));
      const names = isOpenMpi ? ["libmpi.so.12", "libmpich.so.12"] : ["libmpi.so.40"];
      const found = folders
        .flatMap((folder) => names.map((file) => join(folder, file)))
        .find((path) => existsSync(path));
      // MPICH 5 sees that Open MPI's launcher is not its own, and says so itself.
      const { status, text } = run(2, "sound", { SID_MPI_LIBRARY: found ?? "" });
      expect(text).toMatch(
        /mpi: (Open MPI's mpirun|MPICH's mpiexec) started 2 ranks, but .* sees 1: the launcher and|unsupported PMI version/,
      );
      expect(status).not.toBe(0);
    });
  });
});
