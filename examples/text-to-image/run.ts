import { SidError, sidLsg } from "sid-lsg";
import { arithmetic, useBackend } from "sid-lsg/backends";
import type { Reducer } from "sid-lsg/distributed";
import { writeFileAtomic } from "sid-lsg/io";
import { type GeneratorModel, readWeights } from "sid-lsg/models";
import type { Divergence } from "sid-lsg/train";
import { checkpointsOf } from "../common/checkpoints";
import { divergenceTable, divergenceText } from "../common/divergence";
import { makeFolder } from "../common/folders";
import { lockFolder } from "../common/lock";
import { projectPath, shown } from "../common/paths";
import { interruptible } from "../common/program";
import { startProgress } from "../common/progress";
import { isFirst, onRanks, threadsFor } from "../common/ranks";
import { type Clock, startClock } from "./clock";
import { openContactSheet } from "./contact-sheet";
import { type DistillationInputs, distillTeacher, guidances } from "./distillation";
import { nameOf, openHistory } from "./history";
import { explainFigures } from "./meaning";
import { type Measuring, measure, measureReal } from "./measure";
import { measureTeacher, type TeacherRows } from "./measure-teacher";
import { generatorMethod, type Method, teacherMethods } from "./methods";
import { makeText, makeUnet } from "./model-folder";
import type { JobOptions } from "./options";
import { outputs } from "./paths";
import { prepareMeasuring } from "./prepare-measuring";
import { readTeacher } from "./read-teacher";
import type { Report, Row } from "./report";
import { drawSamples } from "./samples";
import { formatReport } from "./table";
import { type GroupName, groupNames, type World } from "./world";
import { writeFolder } from "./write-folder";

/**
 * The main job: distils the teacher in this process while another measures the teacher on another
 * core, then measures the generator, draws, and writes everything. Ctrl-C saves and stops. Of several ranks all distil,
 * and the first does the rest.
 */
export async function runDistillation(world: World, options: JobOptions): Promise<void> {
  await onRanks(options.ranks, (ranks) => {
    return isFirst(ranks) ? lead(world, options, ranks) : follow(world, options, ranks as Reducer);
  });
}

/** What a rank does that is not the first: its share of the distillation. */
async function follow(world: World, options: JobOptions, ranks: Reducer): Promise<void> {
  const teacher = await readTeacher(world, options.teacher);
  await prepareBackend(options);
  const inputs = { world, teacher, teacherUnet: makeUnet(teacher, "teacher"), text: makeText(teacher, "text"), ranks };
  await interruptible("stopping after this iteration", (signal) =>
    distillTeacher(recipeOf(inputs, options, { signal, onMetrics() {}, async onSnapshot() {} })),
  ).catch(unlessAborted);
  await ranks.close();
}

/** The whole job. */
async function lead(world: World, options: JobOptions, ranks: Reducer | undefined): Promise<void> {
  const clock = startClock();
  const files = outputs(options.out);
  if (options.resume && checkpointsOf(files.checkpoint).length === 0)
    throw new Error(`There is nothing to resume: ${shown(files.checkpoint)} is missing.`);
  const teacher = await readTeacher(world, options.teacher);
  makeFolder(options.out);
  lockFolder("out", options.out);
  await prepareBackend(options);
  const networks = { unet: makeUnet(teacher, "teacher"), text: makeText(teacher, "text"), pictures: teacher.pictures };
  const methods = teacherMethods(networks, options.kappa);
  const measuring = await prepareMeasuring(world, options.captions);
  const teacherJob = measureTeacher(world, options);
  try {
    const real = await forGroups((name) => measureReal(measuring, measuring.groups[name]));
    clock.lap("preparation");
    const inputs = { world, teacher, teacherUnet: networks.unet, text: networks.text, ranks };
    const generator = await distill(inputs, options, methods.teacher1, measuring, real.trained);
    await ranks?.close();
    clock.lap("distillation");
    if (!generator) return;
    await writeFolder(files.generator, {
      ...teacher,
      unet: { ...teacher.unet, weights: await readWeights(generator) },
    });

    console.log("Measuring …");
    const method = generatorMethod({ ...networks, generator });
    const own = await forGroups((name) => measure(measuring, measuring.groups[name], method));
    const samples = await drawSamples(world, measuring.real.draw, {
      teacher50Guided: methods.teacher50Guided.draw,
      teacher1: methods.teacher1.draw,
      generator: method.draw,
    });
    await writeFileAtomic(files.samples, samples);
    const teacherRows = await teacherJob.finish(measuring, methods);
    clock.lap("measurement");
    const report = makeReport(options, { real, own, teacherRows }, clock);
    await writeFileAtomic(files.report, `${JSON.stringify(report, null, 2)}\n`);
    console.log(`\n${formatReport(report)}\n`);
    console.log(`${report.seconds.toFixed(0)} seconds. Look at ${shown(files.samples)} and ${shown(files.curves)}.`);
    const elsewhere = options.out === projectPath(world.out) ? "" : ` --out "${shown(options.out)}"`;
    console.log(`Draw a caption of your own: ${world.command} -- --prompt "${world.prompts[0]}"${elsewhere}`);
  } finally {
    teacherJob.stop();
  }
}

async function prepareBackend({ backend, arithmetic, ranks }: JobOptions): Promise<void> {
  await useBackend(backend, { compile: true, ...arithmetic, ...(await threadsFor(ranks, backend)) });
}

interface Inputs extends Pick<DistillationInputs, "teacher" | "teacherUnet" | "text"> {
  readonly world: World;
  readonly ranks: Reducer | undefined;
}

/** The distillation, the same on all ranks. */
function recipeOf(
  { ranks, ...inputs }: Inputs,
  { out, iterations, seed, resume, allowOtherArithmetic, guidance, kappa, alpha, ranks: settings }: JobOptions,
  watching: Pick<DistillationInputs, "signal" | "onMetrics" | "onSnapshot">,
): DistillationInputs {
  return {
    ...inputs,
    ...watching,
    ...{ iterations, seed, resume, allowOtherArithmetic },
    method: sidLsg({ guidance: guidances[guidance](kappa), alpha }),
    checkpoint: outputs(out).checkpoint,
    ...(ranks && {
      distributed: ranks,
      checkRanks: settings?.checkRanks,
      shardOptimizer: settings?.shardOptimizer,
    }),
  };
}

/** Distils with a progress line, looks at the generator now and then; undefined when Ctrl-C stopped it. */
async function distill(
  inputs: Inputs,
  options: JobOptions,
  beforeTraining: Method,
  measuring: Measuring,
  real: Row,
): Promise<GeneratorModel | undefined> {
  const { world, text, teacher } = inputs;
  const { iterations, resume } = options;
  const files = outputs(options.out);
  const group = measuring.groups.trained;
  const history = openHistory(files, options, real.frechetDistance);
  const sheet = openContactSheet(files.contactSheet, world, { run: nameOf(options), resume });
  const progress = startProgress("distilling", iterations);
  for (const line of explainFigures(options.captions, real.frechetDistance.value)) console.log(line);
  const look = async (method: Method, iteration: number) => {
    history.look({ ...(await measure(measuring, group, method)), iteration });
    await sheet.look(iteration, method.draw);
  };
  let reached = 0;
  let last: Divergence | undefined;
  const train = async (signal: AbortSignal) => {
    console.log("Ctrl-C stops and saves; --resume goes on.");
    if (!resume) await look(beforeTraining, 0);
    const recipe = recipeOf(inputs, options, {
      signal,
      onSnapshot: (generator, iteration) =>
        look(generatorMethod({ generator, text, pictures: teacher.pictures }), iteration),
      async onMetrics(metrics) {
        history.add(metrics);
        const { iteration, divergence, fakeLoss } = metrics;
        [reached, last] = [iteration, divergence];
        progress.update(iteration, {
          distance: history.last?.frechetDistance.value,
          words: history.last?.allRight.value,
          KL: divergence && divergenceText(divergence),
          "fake loss": fakeLoss,
        });
        await history.save();
      },
    });
    const generator = await distillTeacher(recipe);
    // Another rank may have been asked to stop.
    return signal.aborted || (reached > 0 && reached < iterations) ? undefined : generator;
  };
  try {
    const generator = await interruptible("stopping after this iteration, then the run is saved", train);
    if (generator) return generator;
  } catch (error) {
    unlessAborted(error);
  } finally {
    progress.finish();
    if (last) console.log(divergenceTable(last).join("\n"));
  }
  console.log(farewell(reached > 0, resume));
  return undefined;
}

/** Nothing where the signal stopped it. */
function unlessAborted(error: unknown): void {
  if (!(error instanceof SidError && error.code === "aborted")) throw error;
}

/** What Ctrl-C left: an iteration that was begun is finished and saved. */
function farewell(begun: boolean, resumed: boolean): string {
  if (!begun && !resumed) return "Stopped before the first iteration; nothing was saved.";
  const saved = begun ? "the run is saved" : "the checkpoint is as it was";
  return `Stopped; ${saved}. Go on with --resume and the same options.`;
}

async function forGroups<T>(make: (name: GroupName) => Promise<T>): Promise<Record<GroupName, T>> {
  const made: [GroupName, T][] = [];
  for (const name of groupNames) made.push([name, await make(name)]);
  return Object.fromEntries(made) as Record<GroupName, T>;
}

interface AllRows {
  readonly real: Record<GroupName, Row>;
  readonly own: Record<GroupName, Row>;
  readonly teacherRows: TeacherRows;
}

function makeReport(options: JobOptions, { real, own, teacherRows }: AllRows, clock: Clock): Report {
  const { iterations, seed, kappa, alpha, guidance, backend, captions, teacher } = options;
  const rows = (name: GroupName) => ({ real: real[name], ...teacherRows[name], generator: own[name] });
  return {
    groups: { trained: rows("trained"), heldOut: rows("heldOut") },
    seconds: Object.values(clock.laps).reduce((a, b) => a + b, 0),
    secondsByPhase: clock.laps,
    settings: {
      ...{ iterations, seed, kappa, alpha, guidance, backend, captions },
      ...(arithmetic() && { arithmetic: arithmetic() as string }),
      teacher: shown(teacher),
    },
  };
}
