/**
 * What training costs on the WASM backend, as ratios taken in one run: kernels and whole SiD-LSG iterations
 * against M, the stock backend's untransposed product of two 1024×1024 matrices on one thread, and against other
 * backends, thread counts and peers. The two sides of a ratio take turns; the table has the median of several.
 *
 *     npm run bench                                   the table
 *     npm run bench -- --json FILE                    also as rows { name, value, unit, target, pass }
 *     npm run bench -- --network emoji                only the whole iterations of one network
 *     PYTHON=python3 npm run bench                    with PyTorch, where torch and diffusers are installed
 *
 * On a machine that others use, NODE_OPTIONS="--import ./bench/processor-time.mjs" counts each process's time on the
 * processor instead of the time that passes, which is fair on one thread only.
 */
import { parseArgs } from "node:util";
import { getKernel, type KernelConfig, tidy } from "@tensorflow/tfjs-core";
import { arithmetic, useBackend } from "sid-lsg/backends";
import { writeFileAtomic } from "sid-lsg/io";
import { type Contestant, ours, peer } from "./contestants";
import { figures, secondsPerCall, stockProduct } from "./kernels";
import { type ShapeName, shapeOf } from "./networks";
import { residualBlock } from "./residual";

/** One line of the table. */
interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the value shall be at least (or at most, where the unit says so); none for context. */
  readonly target?: number;
  readonly pass?: boolean;
}

const { values } = parseArgs({ options: { json: { type: "string" }, network: { type: "string" } } });
if (values.network !== undefined && !shapeOf(values.network as ShapeName))
  throw new Error(`networks.json has no network ${values.network}.`);
/** Whether a row of that network, or of none, was asked for. */
const wanted = (network?: ShapeName) => values.network === undefined || values.network === network;
const kernelRounds = 7;
const rounds = 5;
const rows: Row[] = [];

const median = (all: number[]) => all.sort((a, b) => a - b)[all.length >> 1] as number;

function note(row: Row): void {
  rows.push(row);
  const { name, value, unit, target, pass } = row;
  const aim = target === undefined ? "" : `${String(target).padStart(6)}  ${pass ? "reached" : "MISSED"}`;
  console.log(`${value.toFixed(2).padStart(8)} ${unit.padEnd(16)}${aim.padEnd(17)} ${name}`);
}

const atLeast = (name: string, value: number, unit: string, target: number | undefined) =>
  note(target === undefined ? { name, value, unit } : { name, value, unit, target, pass: value >= target });
const atMost = (name: string, value: number, target: number | undefined) =>
  note(
    target === undefined
      ? { name, value, unit: "×" }
      : { name, value, unit: "× (at most)", target, pass: value <= target },
  );

/** The median of the ratio of two times, measured in turn. */
async function ratio(
  a: () => Promise<number> | number,
  b: () => Promise<number> | number,
  times = rounds,
): Promise<number> {
  const all: number[] = [];
  for (let i = 0; i < times; i++) all.push((await a()) / (await b()));
  return median(all);
}

async function between(
  first: Contestant | undefined,
  second: Contestant | undefined,
  times = rounds,
): Promise<number | undefined> {
  const value = first && second && (await ratio(first.run, second.run, times));
  for (const contestant of [first, second]) contestant?.end();
  return value;
}

await import("@tensorflow/tfjs-backend-wasm");
const { kernelFunc } = getKernel("BatchMatMul", "wasm") as KernelConfig;
await useBackend("wasm", { threads: 1 });
const fused = arithmetic() === "fma";
console.log(`Node ${process.version}, ${fused ? "fused multiply-adds" : "no fused multiply-adds"}\n`);
const yardstick = stockProduct(kernelFunc);
/** M, in operations per second. */
const m = () => yardstick.flops / secondsPerCall(yardstick.run);
for (let i = 0; i < 3; i++) m();
atLeast(yardstick.name, median(Array.from({ length: 9 }, m)) / 1e9, "GFLOP/s", undefined);

for (const { name, flops, run, target } of wanted() ? figures(fused) : []) {
  for (let i = 0; i < 3; i++) tidy(() => void run());
  const shares = Array.from({ length: kernelRounds }, () => flops / secondsPerCall(run) / m());
  atLeast(name, median(shares), "of M", target);
}

for (const [network, target] of [
  ["middle", fused ? 1.5 : 0.5],
  ["emoji", fused ? 0.7 : 0.5],
  ["digits", fused ? 0.7 : 0.25],
] as const) {
  if (!wanted(network)) continue;
  const one = await ours({ network, backend: "wasm", threads: 1 });
  const share = await ratio(() => one.flops / m(), one.run);
  atLeast(`whole iteration, ${network} network, one thread`, share, "of M", target);
  one.end();
}

const small = { network: "middle", threads: 1, batch: 1 } as const;
if (wanted("middle")) {
  // One turn: an iteration takes the cpu backend minutes.
  const plain = await between(await ours({ ...small, backend: "cpu" }), await ours({ ...small, backend: "wasm" }), 1);
  atLeast("whole iteration, middle network, batch 1, wasm against cpu", plain as number, "× faster", 15);
}

for (const [network, target] of [
  ["middle", 1.6],
  ["emoji", undefined],
  ["digits", undefined],
] as const) {
  if (!wanted(network)) continue;
  const one = await ours({ network, backend: "wasm", threads: 1 });
  const two = await ours({ network, backend: "wasm", threads: 2 });
  atLeast(
    `whole iteration, ${network} network, two threads against one`,
    (await between(one, two)) as number,
    "× faster",
    target,
  );
}

for (const [method, against, how, target] of [
  ["dmd2", "sid", "as distill runs both, unguided", 0.7],
  ["sds", "sid", "as distill runs both, unguided", 0.45],
  ["dmd2Guided", "sidLong", "as distill runs both, the teacher guided", 0.7],
  ["sdsGuided", "sidLong", "as distill runs both, the teacher guided", 0.45],
] as const) {
  if (!wanted("middle")) continue;
  const common = { network: "middle", backend: "wasm", threads: 1, backward: "staged" } as const;
  const value = await between(await ours({ ...common, method }), await ours({ ...common, method: against }));
  atMost(`whole iteration, middle network, time of ${method} against ${against}, ${how}`, value as number, target);
}

if (wanted()) {
  const block = residualBlock();
  const jax = await peer("node", ["jax-js/residual.mjs"]);
  if (jax) {
    const pass = () => secondsPerCall(block.pass);
    pass();
    const value = await ratio(jax.run, pass);
    jax.end();
    atLeast("residual block, forward and backward, against jax-js", value, "× faster", 8);
  } else console.log("jax-js is not installed: npm install in bench/peers/jax-js");
  block.free();
}

for (const [network, target] of [
  ["middle", fused ? 2.7 : 5],
  ["emoji", undefined],
  ["digits", fused ? 1.2 : 2],
] as const) {
  if (!wanted(network)) continue;
  const torch = await peer(process.env["PYTHON"] ?? "python3", ["torch_iteration.py", network, "1"]);
  if (!torch) {
    console.log("PyTorch is not installed: PYTHON names a Python with torch and diffusers");
    break;
  }
  const value = await between(await ours({ network, backend: "wasm", threads: 1 }), torch);
  atMost(`whole iteration, ${network} network, time against PyTorch, one thread each`, value as number, target);
}

if (values.json !== undefined) await writeFileAtomic(values.json, `${JSON.stringify(rows, null, 2)}\n`);
const missed = rows.filter(({ pass }) => pass === false).length;
console.log(`\n${missed === 0 ? "All targets reached." : `${missed} targets missed.`}`);
