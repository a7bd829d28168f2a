/** What every rank runs in the tests with a real MPI: calls of every kind, then what the first argument names. */
import { createHash } from "node:crypto";
import koffi from "koffi";
import { mpi, type Reducer } from "sid-lsg/distributed";

const mode = process.argv[2] ?? "sound";
// mpi() would set this, but not once a library is loaded.
koffi.config({ sync_stack_size: 2 ** 23, async_stack_size: 2 ** 23 });
const codeBefore = codeOfMemory();
const ranks = await mpi({ timeout: mode === "sound" ? 100 : 3, startTimeout: 100 });
const { rank, size } = ranks;

/** How the C library's functions of memory begin: an engine that patches them, as UCX does, writes a jump there. */
function codeOfMemory(): readonly string[] {
  const system = koffi.load(null);
  return ["brk", "sbrk", "mmap", "munmap", "mremap", "madvise", "shmat", "shmdt"].map((name) => {
    return `${name} ${Buffer.from(koffi.view(system.symbol(name), 16)).toString("hex")}`;
  });
}

/** A rank's numbers, which every rank can tell. */
const numberOf = (of: number, at: number) => Math.fround(Math.sin((of + 1) * (at + 1)));

function expect(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`rank ${rank}: ${what}`);
}

async function checkSum(length: number, reduce: (numbers: Float32Array) => Promise<void> | void): Promise<void> {
  const sum = Float32Array.from({ length }, (_, at) => numberOf(rank, at));
  await reduce(sum);
  for (let at = 0; at < length; at++) {
    const wanted = Array.from({ length: size }, (_, of) => numberOf(of, at)).reduce((total, number) => total + number);
    expect(Math.abs((sum[at] as number) - wanted) < 1e-6, `sum ${at} of ${length}: ${sum[at]}, wanted ${wanted}`);
  }
  const digest = createHash("sha256").update(new Uint8Array(sum.buffer)).digest();
  const digests = await ranks.allGather(new Uint8Array(digest));
  for (let other = 0; other < size; other++)
    expect(digest.equals(digests.subarray(other * 32, (other + 1) * 32)), `rank ${other} has other bits`);
}

async function allCalls({ allReduce, allReduceSync, broadcast, barrier }: Reducer): Promise<void> {
  for (const length of [2, 1000, 300_001]) {
    await checkSum(length, allReduce);
    await checkSum(length, allReduceSync);
  }
  // More than MPI gets in one call, on part of an array.
  const length = 2 ** 24 + 3;
  const many = new Float32Array(length + 2).fill(rank + 1);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await allReduce(many.subarray(1, length + 1));
  clearInterval(timer);
  expect(ticks > 0, "timers stood still during allReduce");
  const sum = (size * (size + 1)) / 2;
  expect(many[0] === rank + 1 && many[length + 1] === rank + 1, "numbers beside the slice changed");
  expect(
    many.subarray(1, length + 1).every((number) => number === sum),
    "a number of a large array is wrong",
  );
  await allReduce(new Float32Array(0));
  for (let root = 0; root < size; root++) {
    const bytes = new Uint8Array(70_001).fill(rank);
    await broadcast(bytes, root);
    expect(
      bytes.every((byte) => byte === root),
      `broadcast from ${root}`,
    );
  }
  await barrier();
}

if (mode === "sound") {
  await allCalls(ranks);
  const patched = codeOfMemory().filter((code, i) => code !== codeBefore[i]);
  expect(patched.length === 0, `functions of memory were patched: ${patched.join(", ")}`);
}
await ranks.barrier();
if (rank === 0) console.log(`begun: ${ranks.name}, ${size} ranks`);

const guilty = mode.endsWith("0") ? 0 : size - 1;
const isGuilty = rank === guilty;
if (mode.startsWith("hang") && isGuilty) await new Promise((resolve) => setTimeout(resolve, 1e6));
if (mode === "kill" && isGuilty) process.kill(process.pid, "SIGKILL");
if (mode === "throw" && isGuilty) throw new Error("a mistake of mine");
if (mode === "leave" && isGuilty) process.exit(0);
if (mode === "abort" && isGuilty) ranks.abort();
if (mode === "length") await ranks.allReduce(new Float32Array(isGuilty ? 10 : 11));
if (mode === "kind" && isGuilty) await ranks.barrier();
if (mode === "hang-sync") ranks.allReduceSync(new Float32Array(3));
if (!["sound", "no-close"].includes(mode)) await ranks.allReduce(new Float32Array(3));
if (mode !== "no-close") await ranks.close();
