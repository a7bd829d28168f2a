/**
 * What data-parallel training loses: an iteration of one rank with twice the batch beside that of two ranks with half of it
 * each, one thread a rank, on the wasm backend.
 *
 *     npm run bench:ranks -- [middle|emoji|digits] [RANKS] [MPIRUN]
 *
 * The time of a rank is the processor time of the thread that computes, which the machine's other work does not lengthen,
 * and the least time that the exchanges of an iteration take when no rank waits for another.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { useBackend } from "sid-lsg/backends";
import { launchOf, mpi } from "sid-lsg/distributed";
import { iterations, type ShapeName, shapeOf } from "../networks";

const [name = "middle", ranks = "2", mpirun = "mpirun"] = process.argv.slice(2);
const [warm, measured, exchanges] = [1, 4, 30];

/** What one rank measured, in milliseconds an iteration. */
interface Measured {
  readonly processor: number;
  readonly exchange: number;
}

if (launchOf().launcher === undefined) {
  const [alone, together] = [launch(1), launch(Number(ranks))];
  const each = together.processor + together.exchange;
  const shown = (ms: number) => `${ms.toFixed(1)} ms`;
  console.log(`${name}, a batch of ${batchOf()} in all; an iteration of`);
  console.log(`  one rank: ${shown(alone.processor)}`);
  console.log(`  each of ${ranks}: ${shown(together.processor)} and ${shown(together.exchange)} in exchange`);
  console.log(`  efficiency ${(alone.processor / (Number(ranks) * each)).toFixed(3)}`);
} else await measure();

function batchOf(): number {
  return Number(ranks) * shapeOf(name as ShapeName).batch;
}

function launch(size: number): Measured {
  const isOpenMpi = /Open MPI|OpenRTE/.test(spawnSync(mpirun, ["--version"], { encoding: "utf8" }).stdout ?? "");
  const flags = isOpenMpi ? ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"] : [];
  const program = [process.execPath, ...process.execArgv, process.argv[1] as string, name, ranks, mpirun];
  const { status, stdout, stderr } = spawnSync(mpirun, [...flags, "-n", String(size), ...program], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${mpirun} ended with ${status}: ${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1) as string) as Measured;
}

async function measure(): Promise<void> {
  const distributed = await mpi();
  await useBackend("wasm", { threads: 1 });
  const run = iterations({ ...shapeOf(name as ShapeName), batch: batchOf() }, "staged", undefined, distributed);
  for (let i = 0; i < warm; i++) await run.next();
  const started = ownMilliseconds();
  for (let i = 0; i < measured; i++) await run.next();
  const processor = (ownMilliseconds() - started) / measured;
  const { weights } = run;
  await run.end();
  const least = async (length: number) => {
    const all = [];
    for (let i = 0; i < exchanges; i++) {
      const data = new Float32Array(length).fill(1);
      await distributed.barrier();
      const begun = performance.now();
      await distributed.allReduce(data);
      all.push(performance.now() - begun);
    }
    return Math.min(...all);
  };
  // Both networks' gradients, and the figures.
  const exchange = distributed.size === 1 ? 0 : 2 * (await least(weights)) + (await least(200));
  const sums = Float32Array.of(processor / distributed.size, exchange / distributed.size);
  await distributed.allReduce(sums);
  if (distributed.rank === 0) console.log(JSON.stringify({ processor: sums[0], exchange: sums[1] }));
  await distributed.close();
}

/** Processor time of the main thread: that of MPI, which waits for others, counts as exchange. */
function ownMilliseconds(): number {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
}
