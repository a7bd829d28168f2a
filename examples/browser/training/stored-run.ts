/** The files of a run, and what they tell of it. */
import { openSafetensors, type WritableFolder } from "sid-lsg/io";
import { type RowOfPictures, rows } from "./protocol";
import { parseRecord, type RecordFault, type RunRecord } from "./record";
import { readFile, replaceFile } from "./storage";

export const checkpointFile = "checkpoint.safetensors";
export const generatorFile = "generator.safetensors";
export const picturesFile = "pictures.bin";
const recordFile = "record.json";

/** The record of the run that has a checkpoint there, or what is wrong with it; undefined where there is no checkpoint. */
export async function readRun(folder: WritableFolder): Promise<RunRecord | RecordFault | undefined> {
  const names = await folder.list();
  const checkpoint = [checkpointFile, `${checkpointFile}.1`].find((name) => names.includes(name));
  if (checkpoint === undefined) return undefined;
  const bytes = await readFile(folder, recordFile);
  const record = bytes ? parseRecord(new TextDecoder().decode(bytes)) : "damaged";
  if (typeof record === "string") return record;
  // The record follows its checkpoint, and may be missing the last one.
  return { ...record, saved: (await iterationOf(folder, checkpoint)) ?? record.saved };
}

/** The iteration of a checkpoint; undefined where its head cannot be read, of which training tells. */
async function iterationOf(folder: WritableFolder, name: string): Promise<number | undefined> {
  const source = await folder.open(name);
  if (!source) return undefined;
  try {
    const { metadata } = await openSafetensors(source);
    const { iteration } = JSON.parse(metadata["progress"] ?? "{}") as { readonly iteration?: unknown };
    return Number.isSafeInteger(iteration) ? (iteration as number) : undefined;
  } catch {
    return undefined;
  } finally {
    await source.close();
  }
}

export function writeRecord(folder: WritableFolder, record: RunRecord): Promise<void> {
  return replaceFile(folder, recordFile, new TextEncoder().encode(JSON.stringify(record)));
}

/** Writes what belongs to a checkpoint that has just been written. */
export async function writeBeside(
  folder: WritableFolder,
  record: RunRecord,
  shown: ReadonlyMap<RowOfPictures, Uint8ClampedArray>,
  generator: Uint8Array | undefined,
): Promise<void> {
  if (generator) await replaceFile(folder, generatorFile, generator);
  if (rows.every((row) => shown.has(row)))
    await replaceFile(folder, picturesFile, new Uint8Array(rows.flatMap((row) => [...(shown.get(row) ?? [])])));
  await writeRecord(folder, record);
}
