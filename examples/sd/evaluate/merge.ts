import { existsSync } from "node:fs";
import { shown } from "../../common/paths";
import {
  differences,
  type GrowingSet,
  growSet,
  isSet,
  openSet,
  type PictureSet,
  shardCount,
  type VectorName,
} from "./set";

const names: readonly VectorName[] = ["features", "logits", "images", "texts"];
/** Pictures of each shard that are in memory at once. */
const block = 256;

/** Joins finished shards in the folder `out`, in the order of the whole set: what is there is what one run had left. */
export async function mergeShards(folders: readonly string[], out: string, resume: boolean): Promise<GrowingSet> {
  const shards: PictureSet[] = [];
  try {
    for (const folder of folders) {
      if (!existsSync(folder)) throw new Error(`--merge: ${shown(folder)} is not there.`);
      if (!isSet(folder)) throw new Error(`--merge: ${shown(folder)} holds no evaluation.`);
      shards.push(openSet(folder));
    }
    const sorted = checked(shards);
    const [{ job }] = sorted as [PictureSet];
    const set = await growSet(out, job, { index: 1, of: 1 }, resume);
    const of = sorted.length;
    for (let turn = Math.floor(set.done / of); turn * of < set.count; turn += block) join(set, sorted, turn);
    await set.save();
    return set;
  } finally {
    for (const shard of shards) shard.close();
  }
}

/** The shards in order; throws unless they are all there, finished, and of one job. */
function checked(shards: readonly PictureSet[]): PictureSet[] {
  const [first] = shards;
  if (first === undefined) throw new Error("--merge: wanted the folders of all shards, got none.");
  const { of } = first.shard;
  const at = (i: number) => shards.find(({ shard }) => shard.index === i);
  for (const set of shards) {
    const other = differences({ ...first.job, of }, { ...set.job, of: set.shard.of });
    const name = shown(set.folder);
    if (other.length > 0)
      throw new Error(
        `--merge: ${name} is a shard of another evaluation than ${shown(first.folder)}: ${other.join(", ")}.`,
      );
    if (set.done < set.count)
      throw new Error(`--merge: ${name} has ${set.done} of its ${set.count} pictures; finish it with --resume first.`);
    if (at(set.shard.index) !== set)
      throw new Error(`--merge: ${name} is shard ${set.shard.index}/${of}, which is there already.`);
  }
  const order = Array.from({ length: of }, (_, i) => i + 1);
  const missing = order.filter((i) => at(i) === undefined);
  if (missing.length > 0)
    throw new Error(`--merge: shards ${missing.map((i) => `${i}/${of}`).join(", ")} are missing.`);
  return order.map((i) => at(i) as PictureSet);
}

/** Pictures `turn` up to `turn + block` of each shard, one shard after another; what the set has already is left out. */
function join(set: GrowingSet, shards: readonly PictureSet[], turn: number): void {
  const of = shards.length;
  const from = Math.max(turn * of, set.done);
  const count = Math.min((turn + block) * of, set.count) - from;
  const vectors = names.flatMap((name) => {
    const parts = shards.map((shard) => {
      const end = Math.min(turn + block, shardCount(set.job.total, shard.shard));
      return shard.rows(name)?.read(turn, Math.max(turn, end));
    });
    const dimension = shards[0]?.rows(name)?.dimension;
    if (dimension === undefined) return [];
    const rows = new Float32Array(count * dimension);
    for (let i = 0; i < count; i++) {
      const [shard, row] = [(from + i) % of, Math.floor((from + i) / of) - turn];
      rows.set(parts[shard]?.subarray(row * dimension, (row + 1) * dimension) as Float32Array, i * dimension);
    }
    return [[name, rows] as const];
  });
  set.add(count, Object.fromEntries(vectors));
}
