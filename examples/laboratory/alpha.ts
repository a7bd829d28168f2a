/**
 * What α does in the plane, where the divergence is exact: SiD at several α, from the same seeds.
 *
 *     node scripts/run-example.mjs laboratory/alpha.ts      all of docs/alpha but its page, some five minutes
 *
 * Runs that are in results.jsonl are not done again. Beside them: descents between Gaussians, where nothing is by chance.
 */
import { useBackend } from "sid-lsg/backends";
import { writeFileAtomic } from "sid-lsg/io";
import { runProgram } from "../common/program";
import { intervalChart, pathChart } from "../experiments/chart";
import { seedMean } from "../experiments/intervals";
import { mergeResults, readResults, writeResults } from "../experiments/results";
import { surroundings } from "../experiments/surroundings";
import { alphaFlows, goal, panelOf } from "./alpha-flows";
import { toLink } from "./link";
import { runState } from "./run";
import { defaultState, type LabState } from "./state";

const folder = "docs/alpha";
const alphas = [0, 0.5, 1, 1.2, 1.5];
const seeds = [1, 2, 3, 4, 5];

interface Figures {
  /** KL(generator ‖ law), both moved by a little noise, in nats. */
  readonly kl: number;
  /** Standard deviation, of the law's. */
  readonly spread: number;
  /** Share of samples far from the law. */
  readonly stray: number;
}

await runProgram(async () => {
  // The same bits on every machine.
  await useBackend("wasm", { fma: false });
  let records = readResults<Figures>(`${folder}/results.jsonl`);
  for (const seed of seeds)
    for (const alpha of alphas) {
      const name = `alpha-${alpha}`;
      if (records.some((record) => record.name === name && record.seed === seed)) continue;
      const state = stateAt(alpha);
      const began = performance.now();
      const [result] = await runState({ ...state, seed });
      if (!result) throw new Error("a state has no method");
      const { kl, spread, stray } = result.measured;
      const seconds = { all: Math.round((performance.now() - began) / 100) / 10 };
      const record = { name, seed, settings: { state: toLink(state) }, figures: { kl, spread, stray }, seconds };
      records = mergeResults(records, [{ ...record, surroundings: surroundings() }]);
      await writeResults(`${folder}/results.jsonl`, records);
      console.log(
        `${name}, seed ${seed}: KL ${kl.toFixed(3)}, spread ${spread.toFixed(3)}, astray ${stray.toFixed(3)}`,
      );
    }
  const panels = {
    kl: "KL to the law, nats",
    spread: "spread, of the law's",
    stray: "share of samples astray",
  } as const;
  const bars = alphas.flatMap((alpha) =>
    Object.entries(panels).map(([figure, panel]) => {
      const runs = records.filter(({ name }) => name === `alpha-${alpha}`);
      const { value, interval } = seedMean(runs.map(({ figures }) => figures[figure as keyof Figures]));
      const { low, high } = interval ?? { low: value, high: value };
      return { name: `α = ${alpha}`, panel, group: "SiD, ω = 1", value, low, high };
    }),
  );
  const chart = { names: alphas.map((alpha) => `α = ${alpha}`), panels: Object.values(panels), groups: ["SiD, ω = 1"] };
  await writeFileAtomic(`${folder}/alpha.svg`, await intervalChart({ ...chart, bars }));
  await writeFlows();
});

async function writeFlows(): Promise<void> {
  const flows = alphaFlows(alphas);
  const lines = flows.map(({ name, figures }) => `${JSON.stringify({ name, figures })}\n`);
  await writeFileAtomic(`${folder}/flows.jsonl`, lines.join(""));
  const axes = {
    x: { title: "mean of the generator's law", least: -2, most: 4 },
    y: { title: "its deviation", least: 0, most: 1.2 },
  };
  const panels = [panelOf("perfect", "narrow"), panelOf("lagging", "narrow")];
  const paths = flows.map(({ path }) => path);
  await writeFileAtomic(`${folder}/descents.svg`, await pathChart(axes, panels, paths, goal));
}

/** The run at an α, but for its seed. */
function stateAt(alpha: number): LabState {
  return { ...defaultState, law: "moons", contestants: [{ method: "sid", alpha, weight: "none" }] };
}
