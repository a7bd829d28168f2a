/**
 * What training costs on the WASM backend, as ratios taken in one run: kernels and whole SiD-LSG iterations
 * against M, the stock backend's untransposed product of two 1024×1024 matrices on one thread, and against other
 * backends, thread counts and peers. The two sides of a ratio take turns; the table has the median of several.
 *
 *     npm run bench                                   the table
 *     npm run bench -- --json FILE                    also as rows; in a file that is there, rows of the same names
 *                                                    are replaced
 *     npm run bench -- --only "emoji network"         only the rows whose names match
 *     PYTHON=python3 npm run bench                    with PyTorch, where torch and diffusers are installed
 *
 * On a machine that others use, NODE_OPTIONS="--import ./bench/processor-time.mjs" counts each process's time on the
 * processor instead of the time that passes, which is fair on one thread only: rows of two are left out.
 */
import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { getKernel, type KernelConfig, tidy } from "@tensorflow/tfjs-core";
import { arithmetic, useBackend } from "sid-lsg/backends";
import { writeFileAtomic } from "sid-lsg/io";
import { type Contestant, ours, peer } from "./contestants";
import { figures, secondsPerCall, stockProduct } from "./kernels";
import { residualBlock } from "./residual";

/** One line of the table, as `--json` writes it. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  /** The median of the turns, the smallest and the largest. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** What the value shall be at least (or at most, where the unit says so); none for context. */
  readonly target?: number;
  readonly pass?: boolean;
}

const { values } = parseArgs({ options: { json: { type: "string" }, only: { type: "string" } } });
/** Whether a row was asked for. */
const wanted = (name: string) => new RegExp(values.only ?? "", "u").test(name);
const onProcessor = process.env["NODE_OPTIONS"]?.includes("processor-time") ?? false;
const kernelRounds = 7;
const rounds = 5;
const rows: Row[] = [];

type Spread = Pick<Row, "value" | "low" | "high">;

function spread(all: readonly number[]): Spread {
  const sorted = [...all].sort((a, b) => a - b);
  return { value: sorted[sorted.length >> 1] as number, low: sorted[0] as number, high: sorted.at(-1) as number };
}

function note(row: Row): void {
  rows.push(row);
  const { name, value, low, high, unit, target, pass } = row;
  const range = `${low.toFixed(2)} to ${high.toFixed(2)}`;
  const aim = target === undefined ? "" : `${String(target).padStart(6)}  ${pass ? "reached" : "MISSED"}`;
  console.log(`${value.toFixed(2).padStart(8)} ${range.padEnd(18)} ${unit.padEnd(16)}${aim.padEnd(17)} ${name}`);
}

const atLeast = (name: string, measured: Spread, unit: string, target: number | undefined) =>
  note({ name, unit, ...measured, ...(target !== undefined && { target, pass: measured.value >= target }) });
const atMost = (name: string, measured: Spread, target: number | undefined) =>
  note({
    ...{ name, unit: target === undefined ? "×" : "× (at most)", ...measured },
    ...(target !== undefined && { target, pass: measured.value <= target }),
  });

/** The ratio of two times, measured in turn. */
async function ratio(
  a: () => Promise<number> | number,
  b: () => Promise<number> | number,
  times = rounds,
): Promise<Spread> {
  const all: number[] = [];
  for (let i = 0; i < times; i++) all.push((await a()) / (await b()));
  return spread(all);
}

async function between(
  first: Contestant | undefined,
  second: Contestant | undefined,
  times = rounds,
): Promise<Spread | undefined> {
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
atLeast(yardstick.name, spread(Array.from({ length: 9 }, () => m() / 1e9)), "GFLOP/s", undefined);

for (const { name, flops, run, target } of figures(fused)) {
  if (!wanted(name)) continue;
  for (let i = 0; i < 3; i++) tidy(() => void run());
  const shares = Array.from({ length: kernelRounds }, () => flops / secondsPerCall(run) / m());
  atLeast(name, spread(shares), "of M", target);
}

for (const [network, target] of [
  ["middle", fused ? 1.5 : 0.5],
  ["emoji", fused ? 0.7 : 0.5],
  ["digits", fused ? 0.7 : 0.25],
] as const) {
  const name = `whole iteration, ${network} network, one thread`;
  if (!wanted(name)) continue;
  const one = await ours({ network, backend: "wasm", threads: 1 });
  const share = await ratio(() => one.flops / m(), one.run);
  atLeast(name, share, "of M", target);
  one.end();
}

const small = { network: "middle", threads: 1, batch: 1 } as const;
const againstCpu = "whole iteration, middle network, batch 1, wasm against cpu";
if (wanted(againstCpu)) {
  // One turn: an iteration takes the cpu backend minutes.
  const plain = await between(await ours({ ...small, backend: "cpu" }), await ours({ ...small, backend: "wasm" }), 1);
  atLeast(againstCpu, plain as Spread, "× faster", 15);
}

for (const [network, target] of [
  ["middle", 1.6],
  ["emoji", undefined],
  ["digits", undefined],
] as const) {
  const name = `whole iteration, ${network} network, two threads against one`;
  if (onProcessor || !wanted(name)) continue;
  const one = await ours({ network, backend: "wasm", threads: 1 });
  const two = await ours({ network, backend: "wasm", threads: 2 });
  atLeast(name, (await between(one, two)) as Spread, "× faster", target);
}

for (const [method, against, how, target] of [
  ["dmd2", "sid", "as distill runs both, unguided", 0.7],
  ["sds", "sid", "as distill runs both, unguided", 0.45],
  ["dmd2Guided", "sidLong", "as distill runs both, the teacher guided", 0.7],
  ["sdsGuided", "sidLong", "as distill runs both, the teacher guided", 0.45],
] as const) {
  const name = `whole iteration, middle network, time of ${method} against ${against}, ${how}`;
  if (!wanted(name)) continue;
  const common = { network: "middle", backend: "wasm", threads: 1, backward: "staged" } as const;
  const value = await between(await ours({ ...common, method }), await ours({ ...common, method: against }));
  atMost(name, value as Spread, target);
}

const againstJax = "residual block, forward and backward, against jax-js";
if (wanted(againstJax)) {
  const block = residualBlock();
  const jax = await peer("node", ["jax-js/residual.mjs"]);
  if (jax) {
    const pass = () => secondsPerCall(block.pass);
    pass();
    const value = await ratio(jax.run, pass);
    jax.end();
    atLeast(againstJax, value, "× faster", 8);
  } else console.log("jax-js is not installed: npm install in bench/peers/jax-js");
  block.free();
}

for (const [network, target] of [
  ["middle", fused ? 2.7 : 5],
  ["emoji", undefined],
  ["digits", fused ? 1.2 : 2],
] as const) {
  const name = `whole iteration, ${network} network, time against PyTorch, one thread each`;
  if (!wanted(name)) continue;
  const torch = await peer(process.env["PYTHON"] ?? "python3", ["torch_iteration.py", network, "1"]);
  if (!torch) {
    console.log("PyTorch is not installed: PYTHON names a Python with torch and diffusers");
    break;
  }
  const value = await between(await ours({ network, backend: "wasm", threads: 1 }), torch);
  atMost(name, value as Spread, target);
}

if (values.json !== undefined) {
  const before = existsSync(values.json) ? (JSON.parse(readFileSync(values.json, "utf8")) as Row[]) : [];
  const kept = before.map((row) => rows.find(({ name }) => name === row.name) ?? row);
  const added = rows.filter(({ name }) => !before.some((row) => row.name === name));
  await writeFileAtomic(values.json, `${JSON.stringify([...kept, ...added], null, 2)}\n`);
}
const missed = rows.filter(({ pass }) => pass === false).length;
console.log(`\n${missed === 0 ? "All targets reached." : `${missed} targets missed.`}`);
