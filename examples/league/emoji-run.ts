/** The league on a text-to-image teacher, measured as the study measures. */
import { useBackend } from "sid-lsg/backends";
import { interruptible } from "../common/program";
import { threadsFor } from "../common/ranks";
import { say } from "../common/terminal";
import { runJobs } from "../experiments/runs";
import type { PlaneMethodName } from "../plane/methods";
import { referenceNames } from "../study/configurations";
import { referenceJob } from "../study/jobs";
import { makeText, makeUnet } from "../text-to-image/model-folder";
import type { prepareMeasuring } from "../text-to-image/prepare-measuring";
import { readTeacher } from "../text-to-image/read-teacher";
import type { World } from "../text-to-image/world";
import { watchMemory } from "./cost";
import { type EmojiFigures, emojiJob, type LeaguePlace, searchGroup, startJob } from "./emoji-jobs";
import { fourPassStarts } from "./emoji-methods";
import type { LeagueOptions } from "./options";
import { leagueJobs, type Rates, runSearch, type Search } from "./search";

/** Captions that the search is measured on. */
const searchCaptions = 512;

/** A third of the recipe's step size, itself and three times it, and one more to each side. */
export function ratesAround(rate: number): Rates {
  const times = (factor: number) => Number((rate * factor).toPrecision(2));
  return { rates: [times(1 / 3), rate, times(3)], beyond: { smaller: [times(1 / 9)], larger: [times(9)] } };
}

/** Runs what is not finished. */
export async function runEmojiLeague(
  world: World,
  { out, seeds, names, passes, captions, backend, arithmetic, threads, ranks }: LeagueOptions,
  prepare: typeof prepareMeasuring,
): Promise<void> {
  const share = threads ? { threads } : await threadsFor(ranks, backend);
  await useBackend(backend, { compile: true, ...arithmetic, ...share });
  const measuring = await prepare(world, captions);
  const teacher = await readTeacher(world, world.teacherFolder);
  const place: LeaguePlace = {
    ...{ world, teacher, measuring, captions },
    ...{ teacherUnet: makeUnet(teacher, "teacher"), text: makeText(teacher, "text") },
    ...{ searched: searchGroup({ world, measuring }, Math.min(searchCaptions, captions)), memory: watchMemory() },
  };
  const search: Search<PlaneMethodName, EmojiFigures> = {
    ...{ out, names, rates: ratesAround(world.recipe.learningRate), passes: Math.ceil(passes / 3) },
    score: ({ trained }) => trained.frechetDistance,
    job: (run) => emojiJob(place, run),
  };
  const starts = Object.keys(fourPassStarts) as (keyof typeof fourPassStarts)[];
  const references = [
    ...referenceNames.map((name) => referenceJob(place, name)),
    ...starts.map((name) => startJob(place, name)),
  ];
  try {
    await interruptible("stopping after this iteration; the same command does this run anew", async (signal) => {
      if (!(await runSearch(search, { signal, log: say }))) return;
      console.log("The league:");
      const jobs = leagueJobs(search, { seeds, passes }, (seed) => (seed === 0 ? references : []));
      await runJobs<EmojiFigures>(out, jobs, { signal, log: say });
    });
  } finally {
    for (const network of [place.teacherUnet, place.text, measuring.judge]) network.dispose();
  }
}
