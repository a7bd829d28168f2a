import { statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { checkpointsOf } from "../common/checkpoints";
import type { Networks } from "./networks";
import { outputs } from "./result";

/**
 * Throws unless the disk has room for the checkpoints that are kept, one more (the old ones stay until it is whole) and
 * the result: a U-Net and `others`, the bytes of text encoder and VAE.
 */
export async function checkSpace(
  out: string,
  networks: Networks,
  { beta1, keep, others }: { readonly beta1: number; readonly keep: number; readonly others: number },
): Promise<void> {
  const { generator, fakeScore, discriminator, average, teacher } = networks;
  const all = [generator, fakeScore, discriminator].filter((network) => network !== undefined);
  const trained = all.reduce((sum, network) => sum + bytesOf(network), 0);
  const checkpoint = trained * (beta1 === 0 ? 2 : 3) + (average ? bytesOf(average) : 0);
  const found = checkpointsOf(outputs(out).checkpoint).reduce((sum, file) => sum + statSync(file).size, 0);
  const { bavail, bsize } = await statfs(out);
  checkRoom(out, (keep + 1) * checkpoint - found + bytesOf(teacher) + others, bavail * bsize);
}

/** Throws where `free` bytes are less than those needed. */
export function checkRoom(folder: string, needed: number, free: number): void {
  if (free < needed)
    throw new Error(
      `--out ${folder}: the run writes ${inUnits(needed)} (checkpoints and result), the disk has room for ${inUnits(free)}.`,
    );
}

/** `1.25 GB`, `63.0 MB`. */
export function inUnits(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

function bytesOf({ variables }: { readonly variables: readonly { readonly size: number }[] }): number {
  return 4 * variables.reduce((sum, { size }) => sum + size, 0);
}
