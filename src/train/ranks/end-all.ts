import { SidError } from "../../core/errors";
import type { Reducer } from "../../distributed/types";

/** Where a run stood when it failed. */
export interface Standing {
  /** Iterations done. */
  readonly iteration: number;
  /** The newest checkpoint that is known to be whole; undefined where there is none. */
  readonly checkpoint: { readonly path: string; readonly iteration: number } | undefined;
}

/**
 * Ends the run on all ranks because of an error on this one, which is told in one line first; returns the error to throw.
 * One that all ranks throw alike, and one that tells of a rank that is gone, ends each by itself.
 */
export function endAll(
  reducer: Reducer,
  error: unknown,
  { iteration, checkpoint }: Standing,
  tell: (line: string) => void,
): unknown {
  const code = error instanceof SidError ? error.code : undefined;
  if (code === "rank-mismatch" || code === "aborted") return error;
  const message = (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
  const saved = checkpoint
    ? `The last checkpoint is of iteration ${checkpoint.iteration}: ${JSON.stringify(checkpoint.path)}`
    : "There is no checkpoint yet";
  if (code === "rank-lost")
    return new SidError("rank-lost", `${message}; the run ends after iteration ${iteration}. ${saved}.`, {
      cause: error,
    });
  tell(
    `distill: rank ${reducer.rank} of ${reducer.size} ends the run on all ranks, after iteration ${iteration}: ${message}. ${saved}.`,
  );
  reducer.abort();
  return error;
}
