/** Runs that lose a rank, or are told to stop, and go on with another number of ranks, on a real MPI. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { randomStream } from "sid-lsg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundleProgram, launchersHere } from "../support/mpi";

const launchers = process.env["SID_MPI"] ? launchersHere() : [];
/** tfjs-node where `.ci/tfjs-node` has put it in place. */
const backends = ["wasm", ...(existsSync("node_modules/@tensorflow/tfjs-node") ? ["node"] : [])];
/** Ranks that are killed on each MPI and backend. */
const kills = 10 / backends.length;
/** Milliseconds in which all must be gone. */
const patience = 20_000;
/** No run of these tests gets there. */
const never = 1_000_000;

/** A run that has begun: its processes by rank, and what it printed. */
interface Run {
  readonly pids: readonly number[];
  readonly child: ChildProcess;
  readonly text: () => string;
  readonly ended: Promise<number | null>;
}

let program = "";
beforeAll(async () => {
  if (launchers.length > 0) program = await bundleProgram("test/distributed/elastic-program.ts");
});

/** Whether a process is there and no zombie. */
function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

const iterationsIn = (text: string) => [...text.matchAll(/^iteration (\d+)$/gm)].map(([, number]) => Number(number));

test.skipIf(!process.env["SID_MPI"])("there is a real MPI", () => {
  expect(launchers.length).toBeGreaterThan(0);
});

describe.each(launchers)("elastic restart on $name", ({ command: launcher, flags }) => {
  const folders: string[] = [];
  const folderOf = (name: string) => {
    const folder = mkdtempSync(join(tmpdir(), `sid-elastic-${name}-`));
    folders.push(folder);
    return folder;
  };
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  /** Starts the program, on one rank without a launcher. */
  function start(folder: string, backend: string, size: number, iterations: number, ...rest: string[]) {
    const command = [process.execPath, program, folder, backend, String(iterations), ...rest];
    const [file = "", ...args] = size === 1 ? command : [launcher, ...flags, "-n", String(size), ...command];
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (data: Buffer) => {
        text += data;
      });
    const ended = new Promise<number | null>((done) => child.once("close", done));
    return { child, text: () => text, ended } satisfies Omit<Run, "pids">;
  }

  async function whenItIterates(run: Omit<Run, "pids">, size: number): Promise<Run> {
    let over = false;
    void run.ended.then(() => {
      over = true;
    });
    while (iterationsIn(run.text()).length === 0) {
      if (over) throw new Error(`It ended before its first iteration:\n${run.text()}`);
      await setTimeout(5);
    }
    const pids = [...run.text().matchAll(/rank (\d+) pid (\d+)/g)]
      .sort(([, a], [, b]) => Number(a) - Number(b))
      .map(([, , pid]) => Number(pid));
    expect(pids.length).toBe(size);
    return { ...run, pids };
  }

  async function complete(...run: Parameters<typeof start>): Promise<Record<string, number[]>> {
    const [folder, , , iterations] = run;
    const { ended, text } = start(...run);
    expect(await ended, text()).toBe(0);
    expect(text()).toContain(`ended by iterations after ${iterations}`);
    return JSON.parse(readFileSync(join(folder, "weights.json"), "utf8"));
  }

  test.each(backends)(
    "%s: ranks are killed at moments of chance, all end, and other ranks go on",
    async (backend) => {
      const stream = randomStream(16);
      const folder = folderOf("kill");
      let reached = 0;
      for (let round = 0; round < kills; round++) {
        const size = 2 + (round % 2);
        const [victim = 0] = stream.integers(1, 0, size);
        const [moment = 0] = stream.integers(1, 0, 600);
        const run = await whenItIterates(start(folder, backend, size, never), size);
        const [first = 0] = iterationsIn(run.text());
        // It goes on where the last checkpoint was, at most ten iterations back.
        expect(first % 10).toBe(1);
        expect(first).toBeGreaterThan(reached - 10);
        await setTimeout(moment);
        process.kill(run.pids[victim] as number, "SIGKILL");
        const began = performance.now();
        expect(await run.ended, run.text()).not.toBe(0);
        // Open MPI's launcher leaves while the others still end.
        while (run.pids.some(isAlive) && performance.now() - began < patience) await setTimeout(5);
        expect(run.pids.filter(isAlive), run.text()).toEqual([]);
        reached = iterationsIn(run.text()).at(-1) as number;
      }
      const goal = 10 * Math.ceil(reached / 10) + 20;
      const through = await complete(folder, backend, 3, goal);
      const straight = await complete(folderOf("straight"), backend, 1, goal);
      const begun = await complete(folderOf("begun"), backend, 1, 0);
      // Sums in another order round otherwise, and the difference grows from iteration to iteration.
      const norm = (of: (name: string, i: number) => number) =>
        Math.hypot(...Object.keys(straight).flatMap((name) => (straight[name] as number[]).map((_, i) => of(name, i))));
      const moved = norm((name, i) => (straight[name]?.[i] as number) - (begun[name]?.[i] as number));
      const apart = norm((name, i) => (straight[name]?.[i] as number) - (through[name]?.[i] as number));
      expect(moved).toBeGreaterThan(0.01);
      expect(apart / moved).toBeLessThan(1e-3);
    },
    400_000,
  );

  test.each([2, 3])(
    "%i ranks that keep parts of the moments write the checkpoint of those that keep all, and end alike",
    async (size) => {
      const [whole, parts] = [folderOf("whole"), folderOf("parts")];
      const weights = await complete(whole, "wasm", size, 12);
      expect(await complete(parts, "wasm", size, 12, "parts")).toEqual(weights);
      const saved = (folder: string) => readFileSync(join(folder, "run"));
      expect(saved(parts).equals(saved(whole))).toBe(true);
    },
    120_000,
  );

  test.skipIf(!backends.includes("node"))(
    "the norm of clipped gradients is a sum of TensorFlow's threads, of which all ranks must have as many",
    () => {
      const run = (...ways: string[]) => {
        const folder = folderOf("threads");
        const each = ways.map((way) => ["-n", "1", process.execPath, program, folder, "node", "2", way]);
        return spawnSync(launcher, [...flags, ...each.flatMap((args, i) => (i === 0 ? args : [":", ...args]))], {
          encoding: "utf8",
        });
      };
      expect(run("clip-on-2", "clip-on-2").stdout).toContain("ended by iterations after 2");
      expect(run("clip-on-1", "clip-on-2").stderr).toMatch(
        /rank 1 differs from rank 0 in threads of TensorFlow, .*clipNorm depends: there 2, at rank 0 1\./,
      );
    },
    120_000,
  );

  test.each([0, 1, 2])(
    "SIGTERM to rank %i: all end in order at one iteration, which is saved",
    async (rank) => {
      const folder = folderOf("term");
      const run = await whenItIterates(start(folder, "wasm", 3, never), 3);
      process.kill(run.pids[rank] as number, "SIGTERM");
      expect(await run.ended, run.text()).toBe(0);
      const last = iterationsIn(run.text()).at(-1) as number;
      expect(run.text()).toContain(`ended by signal after ${last}`);
      const next = start(folder, "wasm", 1, last + 2);
      expect(await next.ended, next.text()).toBe(0);
      expect(iterationsIn(next.text())).toEqual([last + 1, last + 2]);
    },
    120_000,
  );
});
