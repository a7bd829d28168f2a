import { join } from "node:path";
import { useBackend } from "sid-lsg/backends";
import { writeFileAtomic } from "sid-lsg/io";
import { makeFolder } from "../../common/folders";
import { lockFolder } from "../../common/lock";
import { shown } from "../../common/paths";
import { interruptible } from "../../common/program";
import { isFirst, takeRank, threadsFor } from "../../common/ranks";
import { say } from "../../common/terminal";
import { collect, jobOf } from "./collect";
import { figuresOf } from "./figures";
import { mergeShards } from "./merge";
import { disposeJudges, type Judges, loadJudges } from "./networks";
import type { EvaluateSettings } from "./options";
import { openReference } from "./reference";
import { evaluationOf, reportOf } from "./report";
import { growSet, isFinished, openSet, type PictureSet, refusalOf, type Shard } from "./set";
import { drawShards, shardsIn } from "./shards";
import { sized } from "./sized";
import { folderSource, generatorSource, type PictureSource } from "./sources";

const resultFile = "evaluation.json";

/** Evaluates pictures that are drawn, that are there, or that shards were of; prints the figures and writes them. */
export async function evaluate(settings: EvaluateSettings): Promise<void> {
  const { ranks, out } = settings;
  takeRank(ranks);
  const source = await sourceOf(settings);
  let judges: Judges | undefined;
  try {
    if (source) checkShard(source, settings);
    if (settings.network !== undefined || settings.clip !== undefined) {
      const { backend, arithmetic } = settings;
      await useBackend(backend, { ...arithmetic, ...(await threadsFor(ranks, backend)) });
      judges = await loadJudges(settings);
    }
    makeFolder(out);
    const release = isFirst(ranks) ? lockFolder("out", out) : () => {};
    try {
      const work = { settings, source, judges };
      await interruptible("stopping after these pictures", async (signal) => {
        if (isFirst(ranks)) await evaluateIn(work, signal);
        else await draw(work, signal);
      });
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
      const evaluated = settings.ranks ? "" : `; ${done} of ${count} pictures are evaluated in ${shown(out)}`;
      if (done < count) return say(`Stopped${evaluated}. Go on with --resume and the same options.`);
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

/** Evaluates the pictures that are left; with other ranks this one's part of them, and rank 0 puts the parts together. */
async function draw({ settings, source, judges }: Work, signal: AbortSignal): Promise<void> {
  const { out, shard, batch, ranks, resume } = settings;
  const [pictures, networks] = [source as PictureSource, judges as Judges];
  const job = jobOf(pictures, networks);
  const title = settings.source.kind === "images" ? "pictures" : "drawing";
  const drawIn = async (folder: string, shard: Shard) => {
    const set = await growSet(folder, job, shard, true);
    try {
      await collect(set, pictures, networks, { batch, title, signal });
    } finally {
      set.close();
    }
  };
  if (!ranks) return drawIn(out, shard);
  // Rank 0 has refused a folder that does not fit aloud.
  if (isFinished(out, job, shard) || (!isFirst(ranks) && refusalOf(out, job, shard, resume))) return;
  const shards = shardsIn(out, ranks.size);
  if ((await drawShards({ job, shards, first: ranks.rank, drawIn }, signal)) && isFirst(ranks))
    (
      await mergeShards(
        shards.map(({ folder }) => folder),
        out,
        true,
      )
    ).close();
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

function checkShard({ total }: PictureSource, { shard, ranks }: EvaluateSettings): void {
  if (total < 2) throw new Error(`There is ${total} picture to evaluate; wanted at least 2.`);
  if (ranks && ranks.size > total)
    throw new Error(`--distributed: there are ${total} pictures, too few for ${ranks.size} ranks.`);
  if (shard.of > total)
    throw new Error(
      `--shard ${shard.index}/${shard.of}: there are ${total} pictures, too few for ${shard.of} shards; take at most ${total}.`,
    );
}
