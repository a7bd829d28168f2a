/**
 * What a whole SiD-LSG iteration costs on tfjs-node, as a ratio to PyTorch's: the official loop's step on the same
 * network, batch and number of threads. The two take turns; the table has the medians.
 *
 *     PYTHON=python3 npm run bench:node               a Python with torch and diffusers; tfjs-node is installed
 */
import { ours, peer } from "./contestants";
import type { ShapeName } from "./networks";

const cases: readonly { readonly network: ShapeName; readonly turns: number }[] = [
  { network: "quickstart", turns: 11 },
  { network: "large", turns: 3 },
];
const median = (all: readonly number[]) => [...all].sort((a, b) => a - b)[all.length >> 1] as number;

console.log("network     threads   tfjs-node   PyTorch   ratio");
for (const { network, turns } of cases)
  for (const threads of [1, 2]) {
    const own = await ours({ network, backend: "node", threads });
    const torch = await peer(process.env["PYTHON"] ?? "python3", ["torch_iteration.py", network, String(threads)]);
    if (!torch) throw new Error("PyTorch is not installed: PYTHON names a Python with torch and diffusers.");
    const times: [number, number][] = [];
    for (let i = 0; i < turns; i++) times.push([await own.run(), await torch.run()]);
    for (const contestant of [own, torch]) contestant.end();
    const [a, b] = [median(times.map(([a]) => a)), median(times.map(([, b]) => b))];
    const ratio = median(times.map(([a, b]) => a / b));
    const seconds = (value: number) => `${value.toFixed(2)} s`;
    console.log(
      network.padEnd(12),
      String(threads).padStart(6),
      seconds(a).padStart(11),
      seconds(b).padStart(9),
      ratio.toFixed(2).padStart(7),
    );
  }
