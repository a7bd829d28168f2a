/**
 * What an all-reduce costs on this machine's MPI, on 2 and on 4 ranks: seconds for as many numbers as Stable Diffusion 1.5
 * has weights, and for small ones.
 *
 *     npm run bench:mpi -- [NUMBERS] [MPIRUN]
 *
 * NUMBERS is 860 million where the memory holds them. The bandwidth is bytes of the array by seconds of the call, against a
 * copy of the array in memory, which all ranks make at the same time. On fewer cores than ranks they take turns.
 */
import { spawnSync } from "node:child_process";
import { freemem } from "node:os";
import { launchOf, mpi } from "sid-lsg/distributed";

const weights = 860e6;
const [numbers = "", mpirun = "mpirun"] = process.argv.slice(2);

if (launchOf().launcher === undefined) for (const ranks of [2, 4]) launch(ranks);
else await measure(Number(numbers));

function launch(ranks: number): void {
  // The array and as much again, for the copy.
  const fitting = Math.floor((0.7 * freemem()) / (ranks * 8));
  const length = String(Number(numbers) || Math.min(weights, fitting));
  const flags = isOpenMpi() ? ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"] : [];
  const program = [process.execPath, ...process.execArgv, process.argv[1] as string, length, mpirun];
  const { status } = spawnSync(mpirun, [...flags, "-n", String(ranks), ...program], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

function isOpenMpi(): boolean {
  return /Open MPI|OpenRTE/.test(spawnSync(mpirun, ["--version"], { encoding: "utf8" }).stdout ?? "");
}

async function measure(length: number): Promise<void> {
  const ranks = await mpi();
  const say = (line: string) => {
    if (ranks.rank === 0) console.log(line);
  };
  const data = new Float32Array(length);
  const copy = new Float32Array(length);
  const best = async (times: number, work: () => Promise<void> | void) => {
    const seconds: number[] = [];
    for (let i = 0; i < times; i++) {
      await ranks.barrier();
      const started = performance.now();
      await work();
      seconds.push((performance.now() - started) / 1000);
    }
    return { least: Math.min(...seconds), median: seconds.sort((a, b) => a - b)[times >> 1] as number };
  };
  const gigabytes = (length * Float32Array.BYTES_PER_ELEMENT) / 1e9;
  copy.fill(1);
  data.fill(1);
  const copying = await best(3, () => data.set(copy));
  const reducing = await best(3, () => ranks.allReduce(data));
  const rate = (seconds: number) => `${(gigabytes / seconds).toFixed(2)} GB/s`;
  say(`${ranks.name}, ${ranks.size} ranks, ${(length / 1e6).toFixed(0)} million numbers (${gigabytes.toFixed(2)} GB)`);
  say(`  memcpy ${rate(copying.least)}, all-reduce ${rate(reducing.least)} a rank, ${reducing.least.toFixed(2)} s`);
  for (const small of [1, 1000, 300_000]) {
    const part = data.subarray(0, small);
    const [later, now] = [
      await best(100, () => ranks.allReduce(part)),
      await best(100, () => ranks.allReduceSync(part)),
    ];
    const show = ({ least, median }: typeof now) =>
      `${(least * 1e6).toFixed(0)} (median ${(median * 1e6).toFixed(0)}) µs`;
    say(`  ${small} numbers: allReduce ${show(later)}, allReduceSync ${show(now)}`);
  }
  await ranks.close();
}
