import { getBackend, type Tensor, version_core } from "@tensorflow/tfjs-core";
import { arithmetic } from "../../core/arithmetic";
import { SidError } from "../../core/errors";
import { version } from "../../core/version";
import type { Reducer } from "../../distributed/types";
import { checksum } from "../checksum";
import type { Fingerprint } from "../fingerprint";
import { onAllRanks } from "./end-all";

/** What this program computes with: ranks that differ in it do not stay equal bit for bit. */
export function programOf(): Fingerprint {
  return { "sid-lsg": version, "tfjs-core": version_core, backend: getBackend(), arithmetic: arithmetic() ?? "one" };
}

/** Throws on all ranks, with the first difference by its name, unless all have the same settings. */
export async function checkSettings(reducer: Reducer, own: Fingerprint): Promise<void> {
  const all = (await gatherTexts(reducer, JSON.stringify(own))).map((text) => JSON.parse(text) as Fingerprint);
  const [first = {}] = all;
  for (const [rank, settings] of all.entries())
    for (const name of new Set([...Object.keys(first), ...Object.keys(settings)]))
      if (settings[name] !== first[name])
        throw onAllRanks(
          new SidError(
            "rank-mismatch",
            `distill: all ranks must run the same, but rank ${rank} differs from rank 0 in ${name}: there ${settings[name] ?? "none"}, at rank 0 ${first[name] ?? "none"}.`,
          ),
        );
}

/**
 * Throws on all ranks, with the first difference by rank and tensor, unless all hold the same bits and draw from the same
 * place of the random stream.
 */
export async function checkTensors(
  reducer: Reducer,
  tensors: readonly (readonly [name: string, tensor: Tensor])[],
  {
    iteration,
    position,
    running,
  }: { readonly iteration: number; readonly position: number; readonly running: boolean },
): Promise<void> {
  const own = [iteration, position];
  for (const [, tensor] of tensors) {
    const { buffer, byteOffset, byteLength } = (await tensor.data()) as Float32Array;
    own.push(Number.parseInt(checksum(new Uint8Array(buffer, byteOffset, byteLength)), 16));
  }
  const gathered = await reducer.allGather(new Uint8Array(Float64Array.from(own).buffer));
  const all = new Float64Array(gathered.slice().buffer);
  const names = ["the iteration", "the random stream's position", ...tensors.map(([name]) => name)];
  for (let rank = 1; rank < reducer.size; rank++) {
    const differing = names.filter((_, i) => all[rank * own.length + i] !== all[i]);
    if (differing.length > 0)
      throw onAllRanks(
        new SidError(
          "rank-mismatch",
          `distill: ${running ? `after iteration ${iteration}` : "at the start"} rank ${rank} does not hold what rank 0 holds: ${differing[0]} differs${differing.length > 1 ? `, and ${differing.length - 1} more of ${names.length}` : ""}. ${
            !running
              ? "All ranks must begin with the same weights: from one file, or drawn from one seed."
              : "Whatever acts on the networks or draws from the stream (hooks, sources of conditions or images, a custom method) must do the same on every rank; processors that round differently need a backend that does not."
          }`,
        ),
      );
  }
}

/** A text of each rank, by rank. */
async function gatherTexts(reducer: Reducer, own: string): Promise<string[]> {
  const bytes = new TextEncoder().encode(own);
  const lengths = new Float64Array(
    (await reducer.allGather(new Uint8Array(Float64Array.of(bytes.length).buffer))).slice().buffer,
  );
  const longest = Math.max(...lengths);
  const padded = new Uint8Array(longest);
  padded.set(bytes);
  const all = await reducer.allGather(padded);
  return [...lengths].map((length, rank) =>
    new TextDecoder().decode(all.subarray(rank * longest, rank * longest + length)),
  );
}
