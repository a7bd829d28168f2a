import { listen } from "../../common/program";
import { startProgress } from "../../common/progress";
import { type Judges, judge } from "./networks";
import type { GrowingSet, SetJob } from "./set";
import type { PictureSource } from "./sources";

/** Seconds of work that a killed process loses at most, beyond the batch that it was at. */
const secondsBetweenSaves = 10;

/** The job of a source's pictures before these networks. */
export function jobOf({ identity, total }: PictureSource, { features, clip }: Judges): SetJob {
  const without = <T extends { readonly model: unknown }>({ model: _, ...job }: T) => job;
  return {
    pictures: identity,
    total,
    ...(features && { features: without(features) }),
    ...(clip && { clip: without(clip) }),
  };
}

/** Lets the networks look at the pictures that the set lacks, until all are there or the signal comes. */
export async function collect(
  set: GrowingSet,
  source: PictureSource,
  judges: Judges,
  options: { readonly batch: number; readonly title: string; readonly signal: AbortSignal },
): Promise<void> {
  const { batch, title, signal } = options;
  if (set.done === set.count) return;
  const artist = await source.start();
  const progress = startProgress(title, set.count);
  try {
    let saved = performance.now();
    for (let at = set.done; at < set.count && !signal.aborted; ) {
      const size = Math.min(batch, set.count - at);
      const indices = Array.from({ length: size }, (_, k) => set.shard.index - 1 + (at + k) * set.shard.of);
      const pictures = await artist.pictures(indices);
      set.add(size, await judge(judges, pictures, indices.map(source.caption)));
      at += size;
      progress.update(at);
      if (performance.now() - saved > 1000 * secondsBetweenSaves) {
        await set.save();
        saved = performance.now();
      }
      await listen();
    }
  } finally {
    progress.finish();
    await set.save();
    artist.dispose();
  }
}
