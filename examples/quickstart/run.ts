import { SidError } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { writeFileAtomic } from "sid-lsg/io";
import { type GeneratorModel, readWeights } from "sid-lsg/models";
import { checkpointsOf } from "../common/checkpoints";
import { makeFolder } from "../common/folders";
import { lockFolder } from "../common/lock";
import { shown } from "../common/paths";
import { interruptible } from "../common/program";
import { startProgress } from "../common/progress";
import { type Clock, startClock } from "./clock";
import { type DistillationInputs, distillTeacher } from "./distillation";
import { openHistory } from "./history";
import { distanceName, explainFigures, type Gauge } from "./meaning";
import { type Group, type Measuring, measure, measureReal, prepareMeasuring } from "./measure";
import { measureTeacher, type TeacherRows } from "./measure-teacher";
import { generatorMethod, type Method, teacherMethods } from "./methods";
import type { QuickStartOptions } from "./options";
import { outputs, teacherFolder } from "./paths";
import type { Report } from "./report";
import { drawSamples } from "./samples";
import { formatReport } from "./table";
import { makeText, makeUnet, readFolder } from "./text-to-image";
import { writeFolder } from "./write-folder";

/** Captions that a look at the generator takes while it trains. */
const captionsPerLook = 128;

/**
 * The main job: distills the teacher on this thread while a worker measures the teacher on another
 * core, then measures the generator, draws, and writes everything. Ctrl-C saves and stops.
 */
export async function runQuickStart(options: QuickStartOptions): Promise<void> {
  const clock = startClock();
  const files = outputs(options.out);
  if (options.resume && checkpointsOf(files.checkpoint).length === 0)
    throw new Error(`There is nothing to resume: ${shown(files.checkpoint)} is missing.`);
  makeFolder(options.out);
  lockFolder("out", options.out);
  await useBackend(options.backend);
  const teacher = await readFolder(teacherFolder);
  const teacherUnet = makeUnet(teacher, "teacher");
  const text = makeText(teacher, "text");
  const methods = teacherMethods(teacherUnet, text, options.kappa);
  const measuring = await prepareMeasuring(options.captions);
  const teacherJob = measureTeacher(options);
  try {
    clock.lap("preparation");
    const gauge = await prepareGauge(measuring);
    const generator = await distill({ teacher, teacherUnet, text, options }, methods.teacher1, measuring, gauge);
    clock.lap("distillation");
    if (!generator) return;
    await writeFolder(files.generator, {
      ...teacher,
      unet: { ...teacher.unet, weights: await readWeights(generator) },
    });

    console.log("Measuring …");
    const own = await measureGenerator(measuring, generatorMethod(generator, text));
    await writeFileAtomic(
      files.samples,
      await drawSamples({
        "teacher, 50 steps, guided": methods.teacher50Guided.draw,
        "teacher, 1 step": methods.teacher1.draw,
        "generator, 1 step": generatorMethod(generator, text).draw,
      }),
    );
    const teacherRows = await teacherJob.finish(measuring, methods);
    clock.lap("measurement");
    const report = makeReport(options, own, teacherRows, gauge, clock);
    await writeFileAtomic(files.report, `${JSON.stringify(report, null, 2)}\n`);
    console.log(`\n${formatReport(report)}\n`);
    console.log(`${report.seconds.toFixed(0)} seconds. Look at ${shown(files.samples)} and ${shown(files.curves)}.`);
    console.log('Draw a caption of your own: npm start -- --prompt "a green four"');
  } finally {
    teacherJob.stop();
  }
}

/** The captions that a look takes. */
function fewOf({ groups: { trained } }: Measuring): Group {
  const { captions, pairs, reference } = trained;
  return { captions: captions.slice(0, captionsPerLook), pairs: pairs.slice(0, captionsPerLook), reference };
}

/** What the distance of a look is to be compared with. */
async function prepareGauge(measuring: Measuring): Promise<Gauge> {
  const few = fewOf(measuring);
  return { captions: few.captions.length, realImages: (await measureReal(measuring, few)).frechetDistance };
}

/** Distills with a progress line, looks at the generator now and then; undefined when Ctrl-C stopped it. */
async function distill(
  inputs: Pick<DistillationInputs, "teacher" | "teacherUnet" | "text" | "options">,
  beforeTraining: Method,
  measuring: Measuring,
  gauge: Gauge,
): Promise<GeneratorModel | undefined> {
  const { options, text } = inputs;
  const files = outputs(options.out);
  const few = fewOf(measuring);
  const history = openHistory(files, options, gauge);
  const progress = startProgress("distilling", options.iterations);
  for (const line of explainFigures(gauge, options.captions)) console.log(line);
  const look = async (method: Method, iteration: number) =>
    history.look(iteration, (await measure(measuring.classifier, few, method)).frechetDistance);
  let begun = false;
  const train = async (signal: AbortSignal) => {
    console.log("Ctrl-C stops and saves; --resume goes on.");
    if (!options.resume) await look(beforeTraining, 0);
    const generator = await distillTeacher({
      ...inputs,
      checkpoint: files.checkpoint,
      signal,
      onSnapshot: (average, iteration) => look(generatorMethod(average, text), iteration),
      async onMetrics(metrics) {
        begun = true;
        history.add(metrics);
        const { iteration, deltaSquared, fakeLoss } = metrics;
        const { distance } = history;
        progress.update(iteration, {
          [distanceName(gauge)]: distance,
          "score gap": deltaSquared,
          "fake loss": fakeLoss,
        });
        await history.save();
      },
    });
    return signal.aborted ? undefined : generator;
  };
  try {
    const generator = await interruptible("stopping after this iteration, then the run is saved", train);
    if (generator) return generator;
  } catch (error) {
    if (!(error instanceof SidError && error.code === "aborted")) throw error;
  } finally {
    progress.finish();
  }
  console.log(farewell(begun, options.resume));
  return undefined;
}

/** What Ctrl-C left: an iteration that was begun is finished and saved. */
function farewell(begun: boolean, resumed: boolean): string {
  if (!begun && !resumed) return "Stopped before the first iteration; nothing was saved.";
  const saved = begun ? "the run is saved" : "the checkpoint is as it was";
  return `Stopped; ${saved}. Go on with --resume and the same options.`;
}

/** The rows that need no teacher. */
async function measureGenerator(measuring: Measuring, method: Method) {
  const rows = async (group: Group) => ({
    real: await measureReal(measuring, group),
    generator: await measure(measuring.classifier, group, method),
  });
  return { trained: await rows(measuring.groups.trained), heldOut: await rows(measuring.groups.heldOut) };
}

function makeReport(
  { iterations, seed, kappa, backend, captions }: QuickStartOptions,
  own: Awaited<ReturnType<typeof measureGenerator>>,
  teacher: TeacherRows,
  whileTraining: Gauge,
  clock: Clock,
): Report {
  return {
    groups: {
      trained: { ...own.trained, ...teacher.trained },
      heldOut: { ...own.heldOut, ...teacher.heldOut },
    },
    seconds: Object.values(clock.laps).reduce((a, b) => a + b, 0),
    secondsByPhase: clock.laps,
    captionsPerGroup: captions,
    whileTraining,
    settings: { iterations, seed, kappa, backend },
  };
}
