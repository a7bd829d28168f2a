/** An evaluation that several processes share: its shards are in folders within its own. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { shareTasks } from "../../common/share";
import { say } from "../../common/terminal";
import { isFinished, type SetJob, type Shard } from "./set";

interface ShardPlace {
  readonly shard: Shard;
  readonly folder: string;
}

/** The evaluation's shards: `count` of them, or as many as it was begun with, whatever the number of processes was then. */
export function shardsIn(out: string, count: number): ShardPlace[] {
  const names = existsSync(out) ? readdirSync(out) : [];
  const [begun] = names.flatMap((name) => Number(/^shard-\d+-of-(\d+)$/.exec(name)?.[1] ?? 0) || []);
  const of = begun ?? count;
  return Array.from({ length: of }, (_, i) => {
    const shard = { index: i + 1, of };
    return { shard, folder: join(out, `shard-${shard.index}-of-${of}`) };
  });
}

/** Evaluates those that no process has finished, from number `first` on. Returns whether all are there. */
export function drawShards(
  {
    job,
    shards,
    first,
    drawIn,
  }: {
    readonly job: SetJob;
    readonly shards: readonly ShardPlace[];
    readonly first: number;
    readonly drawIn: (folder: string, shard: Shard) => Promise<void>;
  },
  signal: AbortSignal,
): Promise<boolean> {
  const at = first % shards.length;
  const tasks = [...shards.slice(at), ...shards.slice(0, at)].map(({ shard, folder }) => ({
    folder,
    isFinished: () => isFinished(folder, job, shard),
    carryOut: () => drawIn(folder, shard),
  }));
  return shareTasks(tasks, { signal, log: say });
}
