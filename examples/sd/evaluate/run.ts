import { join } from "node:path";
import { useBackend } from "sid-lsg/backends";
import { writeFileAtomic } from "sid-lsg/io";
import { makeFolder } from "../../common/folders";
import { lockFolder } from "../../common/lock";
import { shown } from "../../common/paths";
import { interruptible } from "../../common/program";
import { say } from "../../common/terminal";
import { collect, jobOf } from "./collect";
import { figuresOf } from "./figures";
import { mergeShards } from "./merge";
import { disposeJudges, type Judges, loadJudges } from "./networks";
import type { EvaluateSettings } from "./options";
import { openReference } from "./reference";
import { evaluationOf, reportOf } from "./report";
import { growSet, openSet, type PictureSet } from "./set";
import { sized } from "./sized";
import { folderSource, generatorSource, type PictureSource } from "./sources";

const resultFile = "evaluation.json";

/** Evaluates pictures that are drawn, that are there, or that shards were of; prints the figures and writes them. */
export async function evaluate(settings: EvaluateSettings): Promise<void> {
  const source = await sourceOf(settings);
  let judges: Judges | undefined;
  try {
    if (source) checkShard(source, settings);
    if (settings.network !== undefined || settings.clip !== undefined) {
      await useBackend(settings.backend, settings.arithmetic);
      judges = await loadJudges(settings);
    }
    makeFolder(settings.out);
    const release = lockFolder("out", settings.out);
    try {
      const work = { settings, source, judges };
      await interruptible("stopping after these pictures", (signal) => evaluateIn(work, signal));
    } finally {
      release();
    }
  } finally {
    if (judges) disposeJudges(judges);
    source?.close();
  }
}

interface Work {
  readonly settings: EvaluateSettings;
  readonly source: PictureSource | undefined;
  readonly judges: Judges | undefined;
}

async function evaluateIn(work: Work, signal: AbortSignal): Promise<void> {
  const { settings } = work;
  const { out, sample, nearest } = settings;
  // Sets and references that do not fit are refused before a picture is drawn.
  const begun = await begin(work);
  begun.close();
  const reference = await referenceOf(work, begun, signal);
  try {
    if (signal.aborted) return say(`Stopped. Go on with --resume and the same options.`);
    if (work.source && work.judges) await draw(work, signal);
    const set = openSet(out);
    try {
      const { done, count, shard } = set;
      if (done < count)
        return say(
          `Stopped; ${done} of ${count} pictures are evaluated in ${shown(out)}. Go on with --resume and the same options.`,
        );
      if (shard.of > 1)
        return say(
          `Shard ${shard.index}/${shard.of}, ${count} pictures, is in ${shown(out)}; when all are there, --merge them.`,
        );
      const evaluation = evaluationOf(set.job, reference, await figuresOf(set, reference, { sample, nearest }));
      await writeFileAtomic(join(out, resultFile), `${JSON.stringify(evaluation, null, 2)}\n`);
      console.log(reportOf(evaluation));
      say(`This is in ${shown(join(out, resultFile))}.`);
    } finally {
      set.close();
    }
  } finally {
    reference?.close();
  }
}

/** The set, with what is there of it. */
function begin({ settings, source, judges }: Work): Promise<PictureSet> {
  const { out, merge, shard, resume } = settings;
  if (merge) return mergeShards(merge, out, resume);
  return growSet(out, jobOf(source as PictureSource, judges as Judges), shard, resume);
}

async function draw({ settings, source, judges }: Work, signal: AbortSignal): Promise<void> {
  const { out, shard, batch } = settings;
  const [pictures, networks] = [source as PictureSource, judges as Judges];
  const set = await growSet(out, jobOf(pictures, networks), shard, true);
  try {
    const title = settings.source.kind === "images" ? "pictures" : "drawing";
    await collect(set, pictures, networks, { batch, title, signal });
  } finally {
    set.close();
  }
}

async function referenceOf({ settings, judges }: Work, { job }: PictureSet, signal: AbortSignal) {
  const { reference: path, out, batch } = settings;
  if (path === undefined) return undefined;
  const { features: wanted, pictures } = job;
  const size = pictures["size"] === undefined ? undefined : Number(pictures["size"]);
  if (wanted === undefined) throw new Error("--reference: the shards hold no features to compare.");
  return openReference({ path, wanted, judges, folder: join(out, "reference"), size, batch, signal });
}

async function sourceOf({ source, seedOffset, first, captionKey, size, clip }: EvaluateSettings) {
  if (source.kind === "generator") return sized(await generatorSource(source.settings, seedOffset), size);
  if (source.kind === "images")
    return sized(
      await folderSource(source.folder, { option: "images", first, captionKey, captions: clip !== undefined }),
      size,
    );
  return undefined;
}

function checkShard({ total }: PictureSource, { shard }: EvaluateSettings): void {
  if (total < 2) throw new Error(`There is ${total} picture to evaluate; wanted at least 2.`);
  if (shard.of > total)
    throw new Error(
      `--shard ${shard.index}/${shard.of}: there are ${total} pictures, too few for ${shard.of} shards; take at most ${total}.`,
    );
}
