/**
 * What a whole SiD-LSG iteration costs on tfjs-node, as a ratio to PyTorch's: the official loop's step on the same
 * network, batch and number of threads. The two take turns; the table has the medians.
 *
 *     PYTHON=python3 npm run bench:node               a Python with torch and diffusers; tfjs-node is installed
 */
import { ours, peer } from "./contestants";
import type { ShapeName } from "./networks";

const cases: readonly { readonly network: ShapeName; readonly turns: number }[] = [
  { network: "digits", turns: 11 },
  { network: "emoji", turns: 7 },
  { network: "large", turns: 3 },
];
const median = (all: readonly number[]) => [...all].sort((a, b) => a - b)[all.length >> 1] as number;

const seconds = (value: number) => `${value.toFixed(2)} s`;

console.log("network     threads   tfjs-node    compiled     PyTorch   ratio  compiled's");
for (const { network, turns } of cases)
  for (const threads of [1, 2]) {
    const torch = await peer(process.env["PYTHON"] ?? "python3", ["torch_iteration.py", network, String(threads)]);
    if (!torch) throw new Error("PyTorch is not installed: PYTHON names a Python with torch and diffusers.");
    const own = await ours({ network, backend: "node", threads });
    const compiled = await ours({ network, backend: "node", threads, compile: true });
    const contestants = [own, compiled, torch];
    const times = contestants.map(() => [] as number[]);
    for (let i = 0; i < turns; i++)
      for (const [which, contestant] of contestants.entries()) times[which]?.push(await contestant.run());
    for (const contestant of contestants) contestant.end();
    const ratio = (which: number) => median((times[which] ?? []).map((time, i) => time / (times[2]?.[i] as number)));
    const cells = [...times.map((all) => seconds(median(all))), ratio(0).toFixed(2), ratio(1).toFixed(2)];
    const widths = [12, 12, 12, 8, 12];
    console.log(
      network.padEnd(12),
      String(threads).padStart(6),
      ...cells.map((cell, i) => cell.padStart(widths[i] ?? 8)),
    );
  }
