/**
 * What WebGPU does on this machine, in at most eight minutes: the GPU, products and convolutions, whole iterations with
 * TensorFlow.js's kernels and with ours, PyTorch beside them where there is one, and memory against its estimate. It needs
 * no network; what a part cannot do is said in a line, and the next one begins.
 *
 *     npm run bench:gpu                    on a GPU; PYTHON names a Python with torch and diffusers
 *     npm run bench:gpu -- --small         small sizes, for a processor that plays a GPU
 *     npm run bench:gpu -- --pack DIR      all that another machine of this kind needs, Node too: sh DIR/run.sh there
 */
import { fork } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { peer } from "../contestants";
import type { CaseName } from "./networks";
import { pack } from "./pack";

const args = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const [, folder] = args[0] === "--pack" ? args : [];
if (args[0] === "--pack") {
  await pack(folder ?? "runs/bench-gpu");
  process.exit(0);
}
const small = args.includes("--small");
const limit = 8 * 60_000;
const begun = performance.now();
const left = () => (limit - (performance.now() - begun)) / 1000;

/** Figures of a child process by name; the last of each, and all iterations. */
interface Figures {
  readonly adapter?: string;
  readonly features?: readonly string[];
  readonly estimate?: { readonly peak: number; readonly weights: number };
  readonly tensors?: number;
  readonly used?: number;
  readonly allocated?: number;
  readonly programs?: number;
  readonly iterations: readonly number[];
  /** Why there are no more. */
  readonly failure?: string;
}

/** Runs a script of this folder, for at most so many seconds; each line that is JSON is a figure, others are shown. */
async function child(script: string, args: readonly string[], seconds: number): Promise<Figures> {
  const [source, bundle] = [join(here, `${script}.ts`), join(here, `${script}.mjs`)];
  const running = fork(existsSync(source) ? source : bundle, args, { stdio: ["ignore", "pipe", "pipe", "ipc"] });
  const { stdout, stderr } = running as { stdout: Readable; stderr: Readable };
  const timer = setTimeout(() => running.kill("SIGKILL"), 1000 * Math.max(1, Math.min(seconds, left())));
  const figures: Record<string, unknown> = {};
  const iterations: number[] = [];
  let errors = "";
  stderr.on("data", (text) => {
    errors += text;
  });
  for await (const line of createInterface({ input: stdout })) {
    if (!line.startsWith("{")) {
      console.log(line);
      continue;
    }
    const said = JSON.parse(line) as Record<string, unknown>;
    // The time of a processor that plays a GPU is that of this process, and fair where others compute too.
    if ("iteration" in said) iterations.push(said[small ? "processor" : "iteration"] as number);
    else Object.assign(figures, said);
  }
  const code = running.exitCode ?? (await new Promise((resolve) => running.once("exit", resolve)));
  clearTimeout(timer);
  const failure =
    code === 0
      ? undefined
      : (/^.*(?:Error|error).*$/m.exec(errors)?.[0] ?? (code === null ? "out of time" : `ended with ${code}`));
  return { ...figures, iterations, ...(failure !== undefined && { failure }) };
}

const median = (all: readonly number[]) => [...all].sort((a, b) => a - b)[all.length >> 1];
const seconds = (value: number | undefined) => (value === undefined ? "–" : `${value.toPrecision(3)} s`);
const gigabytes = (value: number | undefined) => (value === undefined ? "–" : `${(value / 1e9).toFixed(3)} GB`);

const cases: readonly CaseName[] = small ? ["digits", "sd15-lora-small"] : ["emoji", "middle", "large", "sd15-lora"];

console.log("## Products and convolutions\n");
const kernels = await child("kernels", small ? ["turns=1", "matMul=128", "conv=2,8,8,32,3,32"] : ["turns=3"], 100);
if (kernels.failure) console.log(`(${kernels.failure})`);

const rows: string[] = [];
for (const name of cases) {
  const share = Math.max(20, (left() - 20) / (cases.length - cases.indexOf(name)) / 2.6);
  const run = (kind: string) => child("worker", [name, kind, String(small ? 1 : Math.min(20, share / 3))], share);
  const ours = await run("ours");
  if (cases.indexOf(name) === 0)
    console.log(`\n## Whole iterations\n\n${ours.adapter ?? ""}; ${(ours.features ?? []).join(", ")}\n`);
  const stock = await run("stock");
  const isNetwork = !name.startsWith("sd15");
  const torch = isNetwork && !small ? await pytorch(name) : undefined;
  const [a, b] = [median(ours.iterations.slice(1)), median(stock.iterations.slice(1))];
  const cells = [
    ...[name, seconds(stock.iterations[0]), seconds(b), stock.programs ?? "–"],
    ...[seconds(ours.iterations[0]), seconds(a), ours.programs ?? "–", a && b ? `${(b / a).toFixed(2)} ×` : "–"],
    ...[
      seconds(torch),
      gigabytes(ours.estimate?.peak),
      gigabytes(ours.used),
      gigabytes(ours.allocated),
      gigabytes(stock.allocated),
    ],
  ];
  rows.push(`| ${cells.join(" | ")} |`);
  for (const [kind, { failure }] of [
    ["ours", ours],
    ["stock", stock],
  ] as const)
    if (failure) console.log(`(${name}, ${kind}: ${failure})`);
}
const heads = [
  "",
  "stock, first",
  "stock",
  "programs",
  "ours, first",
  "ours",
  "programs",
  "ours faster",
  "PyTorch, CUDA",
];
console.log(`| ${[...heads, "estimate", "in use at most", "allocated", "stock allocated"].join(" | ")} |`);
console.log(`|${"---|".repeat(13)}`);
for (const row of rows) console.log(row);
console.log(`\n${((performance.now() - begun) / 1000).toFixed(0)} s`);
process.exit(0);

/** Seconds of PyTorch's iteration on CUDA; nothing where there is no PyTorch or no CUDA. */
async function pytorch(name: CaseName): Promise<number | undefined> {
  if (left() < 40) return undefined;
  const python = process.env["PYTHON"] ?? "python3";
  const contestant = await peer(python, ["torch_iteration.py", name, "4", "cuda"]).catch(() => undefined);
  if (!contestant) return undefined;
  try {
    const times: number[] = [];
    for (let i = 0; i < 6; i++) times.push(await contestant.run());
    return median(times.slice(1));
  } catch {
    return undefined;
  } finally {
    contestant.end();
  }
}
