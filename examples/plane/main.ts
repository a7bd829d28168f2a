/**
 * Distills an exact teacher in the plane by any method: a ring of Gaussians in two classes, whose scores are known in closed
 * form, becomes a network that draws from the ring in one pass or a few.
 *
 *     npm run example:plane                       SiD
 *     npm run example:plane -- --method dmd2      another one
 *     npm run example:plane -- --method all       all of them on one sheet
 *
 * 1. A small network learns to denoise samples of the ring, as a stand-in for pretraining.
 * 2. Fake score and generator start as copies of it, and are distilled against the exact teacher.
 * 3. The gauge bounds how far the generator's law is from the ring's, in nats, while it trains; the sliced Wasserstein
 *    distance to the ring says it at the end.
 */
import { join } from "node:path";
import { dispose, tensor2d, tidy } from "@tensorflow/tfjs-core";
import { convertPrediction, noiseLevel, randomStream } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { writeFileAtomic } from "sid-lsg/io";
import type { ScoreModel } from "sid-lsg/models";
import { backends, choice, commandLine, integer } from "../common/command-line";
import { compactMetrics, divergenceTable, divergenceText } from "../common/divergence";
import { makeFolder } from "../common/folders";
import { lockFolder } from "../common/lock";
import { projectPath, shown, userPath } from "../common/paths";
import { runProgram } from "../common/program";
import { type Cloud, type Drawn, distillInPlane, drawTruth, measure, type Outcome, points } from "./distillation";
import { classConditions, ring } from "./law";
import { type PlaneMethod, type PlaneMethodName, planeMethods } from "./methods";
import { type Dots, type Panel, type Point, plotPanels } from "./plot";
import { makeWorld, type Process, pretrain, type World } from "./world";

const extent = 2.4;
const samples = 3000;
const [blue, orange, grey] = ["#2563eb", "#ea580c", "#d1d5db"] as const;
const sheetCaption =
  "Grey: the generator before. Distance: sliced Wasserstein, to samples of the same class. Spread: about the class's mean, 1 is the mixture's.";

/** A world, the network that was pretrained in it, and what to measure with. */
interface Start {
  readonly world: World;
  readonly student: ScoreModel;
  readonly truth: Cloud;
  /** What two draws of the mixture are apart. */
  readonly floor: number;
}

await runProgram(async () => {
  const values = commandLine(process.argv.slice(2), {
    method: { type: "string" },
    backend: { type: "string" },
    seed: { type: "string" },
    out: { type: "string" },
  });
  const names = Object.keys(planeMethods) as PlaneMethodName[];
  const name = choice<PlaneMethodName | "all">("method", values.method, "sid", [...names, "all"]);
  const backend = choice("backend", values.backend, "wasm", backends);
  const seed = integer("seed", values.seed, 1, 0);
  const out = values.out === undefined ? projectPath("runs/plane") : userPath("out", values.out);
  makeFolder(out);
  lockFolder("out", out);
  await useBackend(backend);
  const starts = new Map<Process, Start>();
  const startOf = async ({ process = "ddpm" }: PlaneMethod) => {
    const start = starts.get(process) ?? (await prepare(process, seed));
    starts.set(process, start);
    return start;
  };
  const outcomes = new Map<PlaneMethodName, Outcome>();
  for (const one of name === "all" ? names : [name]) {
    const entry: PlaneMethod = planeMethods[one];
    const start = await startOf(entry);
    console.log(`${entry.title}: ${entry.leads}`);
    const outcome = await distillInPlane(entry, {
      ...{ ...start, seed },
      onMetrics({ iteration, divergence, generatorLoss }) {
        if (name !== "all" && iteration % 100 === 0)
          console.log(
            `iteration ${iteration}/${entry.iterations}: ${divergence ? `KL ${divergenceText(divergence)}` : `loss ${generatorLoss.toFixed(4)}`}`,
          );
      },
    });
    console.log(`  ${summary(outcome, start)}`);
    if (outcome.divergence && name !== "all") console.log(divergenceTable(outcome.divergence).join("\n"));
    if (name !== "all") await writeFileAtomic(join(out, `${name}.svg`), await picture(entry, start, outcome));
    outcome.fakeScore?.dispose();
    outcomes.set(one, outcome);
  }
  if (name === "all") await writeFileAtomic(join(out, "all.svg"), sheet(outcomes, await startOf(planeMethods.sid)));
  await writeFileAtomic(join(out, `${name}.json`), `${JSON.stringify(report(outcomes), null, 2)}\n`);
  console.log(`Picture: ${shown(join(out, `${name}.svg`))}`);
  for (const { student } of starts.values()) student.dispose();
  for (const [one, { before, after }] of outcomes)
    if (planeMethods[one].approaches && !(after.distance < 0.75 * before.distance)) {
      console.error(
        `${one}: the generator's law did not approach the mixture's: expected three quarters of the distance at most.`,
      );
      process.exitCode = 1;
    }
});

async function prepare(process: Process, seed: number): Promise<Start> {
  const world = makeWorld(process);
  const student = world.network(`student-${process}`, randomStream(seed));
  pretrain(student, world, randomStream(seed), 1500);
  const truth = await drawTruth(world, samples, seed + 1);
  const floor = measure(await drawTruth(world, samples, seed + 2), truth).distance;
  return { world, student, truth, floor };
}

function summary({ before, after, divergence, seconds }: Outcome, { floor }: Start): string {
  return (
    `sliced Wasserstein distance to the mixture: ${before.distance.toFixed(3)} before, ${after.distance.toFixed(3)} after, ` +
    `${floor.toFixed(3)} between two draws of the mixture; spread ${after.spread.toFixed(2)} of the mixture's; ` +
    `${divergence ? `KL ${divergenceText(divergence)}; ` : ""}${seconds.toFixed(1)} s of distillation`
  );
}

function report(outcomes: ReadonlyMap<PlaneMethodName, Outcome>) {
  const figures = ({ distance, spread }: Drawn) => ({ slicedWasserstein: distance, spread });
  return Object.fromEntries(
    [...outcomes].map(([name, { before, after, divergence, seconds }]) => [
      name,
      {
        ...{ settings: planeMethods[name].method.settings, before: figures(before), after: figures(after), seconds },
        ...compactMetrics({ divergence }),
      },
    ]),
  );
}

/** Both classes in their colours, `count` points in all. */
function coloured(cloud: Cloud, count: number): Dots[] {
  const all = cloud[0].length + cloud[1].length;
  return cloud.map((few, c) => ({
    points: few.slice(0, Math.round((count * few.length) / all)),
    colour: c === 0 ? orange : blue,
  }));
}

/** One method: samples of the mixture, of the generator before and after, and the two score fields. */
async function picture(entry: PlaneMethod, start: Start, { before, after, fakeScore }: Outcome): Promise<string> {
  const { world, truth, floor } = start;
  const t = world.schedule.discrete ? 200 : 0.25;
  const panels: Panel[] = [
    { title: "the mixture, two classes", note: `${floor.toFixed(3)} between two draws`, dots: coloured(truth, 1200) },
    { title: "the generator before", note: figures(before), dots: coloured(before.cloud, 1200) },
    { title: "the generator after", note: figures(after), dots: coloured(after.cloud, 1200) },
    {
      title: "the teacher's score",
      note: `of the blue class, t = ${t}`,
      arrows: await field(world, world.teacher, t, "#9ca3af"),
    },
    ...(fakeScore
      ? [
          {
            title: "the fake score",
            note: `of the blue class, t = ${t}`,
            arrows: await field(world, fakeScore, t, blue),
          },
        ]
      : []),
  ];
  const caption = [`${entry.title}. ${entry.leads}`];
  return plotPanels(panels, { extent, columns: panels.length, size: 240, caption });
}

/** All methods, each over what its generator was before, in grey. */
function sheet(outcomes: ReadonlyMap<PlaneMethodName, Outcome>, { truth, floor }: Start): string {
  const panels: Panel[] = [...outcomes].map(([name, { before, after }]) => ({
    title: planeMethods[name].title,
    note: figures(after),
    dots: [
      ...coloured(before.cloud, 200).map(({ points }) => ({ points, colour: grey })),
      ...coloured(after.cloud, 500),
    ],
  }));
  const mixture = {
    title: "the mixture",
    note: `distance ${floor.toFixed(2)} between two draws`,
    dots: coloured(truth, 500),
  };
  return plotPanels([mixture, ...panels], { extent, columns: 6, size: 190, caption: [sheetCaption] });
}

function figures({ distance, spread }: Drawn): string {
  return `distance ${distance.toFixed(2)}, spread ${spread.toFixed(2)}`;
}

/** The score field of a model at one time, of class 1; scaled by σ so that arrows are of order 1. */
async function field({ schedule }: World, model: ScoreModel, t: number, colour: string) {
  const ticks = Array.from({ length: 17 }, (_, i) => extent * (-0.94 + (1.88 * i) / 16));
  const grid = ticks.flatMap((x) => ticks.map((y): Point => [x, y]));
  const times = grid.map(() => t);
  const level = noiseLevel(schedule, times);
  const vectors = tidy(() => {
    const xt = tensor2d(grid.map(([x, y]) => [x, y]));
    const prediction = model.predict(
      xt,
      times,
      classConditions(
        ring,
        grid.map(() => 1),
      ),
    );
    return convertPrediction({ prediction, xt, level, predicts: model.predicts, to: "score" });
  });
  const arrows = (await points(vectors)).map(([x, y], i) => ({
    from: grid[i] as Point,
    vector: [x * (level.sigma[i] as number), y * (level.sigma[i] as number)] as const,
    colour,
  }));
  dispose(vectors);
  return arrows;
}
