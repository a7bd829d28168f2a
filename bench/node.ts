/**
 * What a whole SiD-LSG iteration costs on tfjs-node, as a ratio to PyTorch's: the official loop's step on the same
 * network, batch and number of threads. The two take turns; the table, in Markdown, has the medians
 * and their ranges, in seconds of the first iteration and the largest size of the process besides.
 *
 *     PYTHON=python3 npm run bench:node                       a Python with torch and diffusers; tfjs-node is installed
 *     PYTHON=python3 npm run bench:node -- digits emoji 2     some networks only, on so many threads only
 */
import { type Contestant, ours, peer } from "./contestants";
import type { ShapeName } from "./networks";

const cases: readonly { readonly network: ShapeName; readonly turns: number; readonly what: string }[] = [
  { network: "digits", turns: 11, what: "digits, 8×8, batch 32" },
  { network: "emoji", turns: 7, what: "emoji, 8×8 patches of 27 numbers, batch 16" },
  { network: "large", turns: 3, what: "Stable Diffusion's plan, 32×32 latents, batch 1" },
];
const asked = process.argv.slice(2);
const isAsked = (name: string, all: readonly string[]) =>
  !all.some((one) => asked.includes(one)) || asked.includes(name);

const sorted = (all: readonly number[]) => [...all].sort((a, b) => a - b);
const median = (all: readonly number[]) => sorted(all)[all.length >> 1] as number;

const columns = ["single operations", "compiled", "first iteration", "process at most"];
console.log(
  `| network | weights | threads | PyTorch | ${columns.join(" | ")} |\n|${"---|".repeat(4 + columns.length)}`,
);
for (const { network, turns, what } of cases.filter(({ network }) => isAsked(network, ["digits", "emoji", "large"])))
  for (const threads of [1, 2].filter((threads) => isAsked(String(threads), ["1", "2"]))) {
    const torch = await peer(process.env["PYTHON"] ?? "python3", ["torch_iteration.py", network, String(threads)]);
    if (!torch) throw new Error("PyTorch is not installed: PYTHON names a Python with torch and diffusers.");
    const own = await ours({ network, backend: "node", threads });
    const compiled = await ours({ network, backend: "node", threads, compile: true });
    const contestants: Contestant[] = [torch, own, compiled];
    const times = contestants.map(() => [] as number[]);
    // PyTorch gets its second iteration unmeasured, as ours have theirs when they begin.
    await torch.run();
    for (let i = 0; i < turns; i++)
      for (const [which, contestant] of contestants.entries()) times[which]?.push(await contestant.run());
    const ratio = (which: number) => {
      const ratios = sorted((times[which] ?? []).map((time, i) => time / (times[0]?.[i] as number)));
      return `${median(ratios).toFixed(2)} × (${ratios[0]?.toFixed(2)} to ${ratios.at(-1)?.toFixed(2)})`;
    };
    const peaks = await Promise.all([own, compiled].map((contestant) => contestant.peakBytes()));
    const cells = [
      ...[what, `${(own.weights / 1e6).toPrecision(2)} million`, threads, `${median(times[0] ?? []).toFixed(3)} s`],
      ...[ratio(1), ratio(2)],
      [own, compiled].map(({ firstSeconds }) => `${firstSeconds.toPrecision(2)} s`).join(", "),
      peaks.map((bytes) => `${(bytes / 1e9).toPrecision(2)} GB`).join(", "),
    ];
    console.log(`| ${cells.join(" | ")} |`);
    for (const contestant of contestants) contestant.end();
  }
