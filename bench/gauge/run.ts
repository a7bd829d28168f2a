/**
 * The gauge on exact teachers: whether its bound holds and is tight, whether it ranks runs rightly, and whether it tells
 * planted faults from healthy runs. Prints what docs/evaluation.md says of it.
 *
 *     npm run bench:gauge -- [SEEDS]
 *
 * SEEDS is added to the seeds of the healthy and the faulty runs; the rule of examineRun was chosen at 0.
 */
import { useBackend } from "sid-lsg/backends";
import { diffInstruct, dmd, sid, sim, vsd } from "sid-lsg/methods";
import { type Audit, auditDivergence, type DistillOptions, type Divergence, distill, examineRun } from "sid-lsg/train";
import { faults } from "./faults";
import { affineGenerator, fourGaussians, gaussianScore, goldenLaw, goldenStart, mixture, type World } from "./worlds";

await useBackend("cpu");
const offset = Number(process.argv[2] ?? 0);
/** All without guidance: guided ones leave the teacher's own law. */
const unguided = { guidanceScale: 1 };
const methods = { sid, sim, diffInstruct, dmd: () => dmd(unguided), vsd: () => vsd(unguided) };
const rates = [0.003, 0.01, 0.03, 0.1];
const healthyRuns = 50;
const seedsPerFault = 5;

/** One run between two audits. */
interface Outcome {
  readonly name: string;
  readonly before: Audit;
  readonly after: Audit;
  readonly running: Divergence;
  /** `KL(generator ‖ teacher)` at the end. */
  readonly exact: number;
  readonly seconds: number;
}

async function runOnce(
  name: string,
  world: World,
  {
    learningRate,
    method,
    seed,
    fault,
  }: { learningRate: number; method: keyof typeof methods; seed: number; fault?: string },
): Promise<Outcome> {
  const begun = performance.now();
  const fakeScore = gaussianScore(world, 2 * seed + 1);
  const generator = affineGenerator(world, 2 * seed + 2);
  const healthy: DistillOptions = {
    ...{ teacher: world.teacher, fakeScore, generator, conditions: world.conditions, sampleShape: [2] },
    ...{
      method: methods[method](),
      iterations: 150,
      batch: 64,
      learningRate,
      fakeLearningRate: 2 * learningRate,
      seed,
    },
    ...{ checkTeacher: false, onWarning: () => {} },
  };
  const options = fault ? (faults[fault]?.(healthy) as DistillOptions) : healthy;
  const audited = {
    ...{ teacher: options.teacher, generator: options.generator, fakeScore, conditions: world.conditions },
    ...{ sampleShape: [2], learningRate: 0.03, every: 20, iterations: 300, samples: 2048, batch: 256, seed },
  };
  // A collapse comes with training.
  const before = await auditDivergence({ ...audited, generator });
  const { metrics } = await distill(options);
  const after = await auditDivergence(audited);
  const exact = world.divergence(generator.laws());
  for (const network of [fakeScore, generator]) network.dispose();
  const running = metrics?.divergence as Divergence;
  const outcome = { name, before, after, running, exact, seconds: (performance.now() - begun) / 1000 };
  const show = ({ value, standardError }: Divergence["naive"]) => `${value.toFixed(3)} ± ${standardError.toFixed(3)}`;
  const [first, last] = [before, after].map(({ divergence }) => show(divergence.lowerBound));
  const findings = examineRun({ before: before.divergence, running, after: after.divergence });
  console.log(
    `${name}: audit ${first} → ${last}, exact ${exact.toFixed(3)}, running L ${show(running.lowerBound)}, lag ${show(running.lag)}: ${findings.map(({ kind }) => kind).join(", ") || "healthy"}`,
  );
  return outcome;
}

const worlds = [fourGaussians(), mixture()];

console.log("# The golden law, from a fake score of random weights");
{
  const world = goldenLaw();
  const [generator, fakeScore] = [affineGenerator(world, 0, goldenStart), gaussianScore(world, 1)];
  const networks = { teacher: world.teacher, generator, fakeScore, sampleShape: [3] };
  const { divergence, curve } = await auditDivergence({
    ...networks,
    learningRate: 0.03,
    every: 20,
    samples: 262_144,
    batch: 4096,
  });
  const { value, standardError } = divergence.lowerBound;
  console.log(
    `audited L ${value.toFixed(4)} ± ${standardError.toFixed(4)} after ${curve.at(-1)?.iteration} updates; exact ${world.divergence(generator.laws()).toFixed(4)}`,
  );
  for (const network of [fakeScore, generator]) network.dispose();
}

console.log("# Ranks: five methods at four rates on two laws");
for (const world of worlds) {
  const outcomes: Outcome[] = [];
  for (const method of Object.keys(methods) as (keyof typeof methods)[])
    for (const learningRate of rates)
      outcomes.push(
        await runOnce(`${world.name}, ${method}, rate ${learningRate}`, world, { learningRate, method, seed: 0 }),
      );
  const [audited, exact] = [
    outcomes.map(({ after }) => after.divergence.lowerBound.value),
    outcomes.map((outcome) => outcome.exact),
  ];
  const z = outcomes.map(
    ({ after, exact }) => (after.divergence.lowerBound.value - exact) / after.divergence.lowerBound.standardError,
  );
  console.log(
    `${world.name}: rank correlation of audited L and exact KL ${rankCorrelation(audited, exact).toFixed(3)}; (L − KL)/error from ${Math.min(...z).toFixed(1)} to ${Math.max(...z).toFixed(1)}`,
  );
}

console.log("# Faults");
const [world] = worlds as [World];
const isHealthy = ({ before, running, after }: Outcome) =>
  examineRun({ before: before.divergence, running, after: after.divergence }).length === 0;
let alarms = 0;
for (let seed = offset + 1; seed <= offset + healthyRuns; seed++) {
  const method = Object.keys(methods)[seed % 5] as keyof typeof methods;
  const learningRate = [0.03, 0.05, 0.1][seed % 3] as number;
  const outcome = await runOnce(`healthy ${seed}: ${method}, rate ${learningRate}`, world, {
    learningRate,
    method,
    seed,
  });
  if (!isHealthy(outcome)) alarms++;
}
console.log(`false alarms: ${alarms} of ${healthyRuns}`);
let foundInAll = 0;
for (const fault of Object.keys(faults)) {
  let found = 0;
  for (let seed = offset + 1; seed <= offset + seedsPerFault; seed++) {
    const method = (["sid", "diffInstruct", "sim"] as const)[seed % 3] as keyof typeof methods;
    const outcome = await runOnce(`${fault} ${seed}: ${method}`, world, { learningRate: 0.05, method, seed, fault });
    if (!isHealthy(outcome)) found++;
  }
  console.log(`${fault}: ${found} of ${seedsPerFault} found`);
  foundInAll += found;
}
console.log(`faults found: ${foundInAll} of ${seedsPerFault * Object.keys(faults).length}`);

/** Spearman's. */
function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  const ranks = (x: readonly number[]) => {
    const order = [...x.keys()].sort((i, j) => (x[i] as number) - (x[j] as number));
    return x.map((_, i) => order.indexOf(i));
  };
  const [ra, rb] = [ranks(a), ranks(b)];
  const squares = ra.reduce((sum, rank, i) => sum + (rank - (rb[i] as number)) ** 2, 0);
  return 1 - (6 * squares) / (a.length * (a.length ** 2 - 1));
}
