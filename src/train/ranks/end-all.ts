import { SidError } from "../../core/errors";
import type { Reducer } from "../../distributed/types";

/** Where a run stood when it failed. */
export interface Standing {
  /** Iterations done. */
  readonly iteration: number;
  /** The newest checkpoint that is known to be whole; undefined where there is none. */
  readonly checkpoint: { readonly path: string; readonly iteration: number } | undefined;
}

/** Is on errors that every rank throws. */
const alike = Symbol.for("sid-lsg/on all ranks");

/** Marks an error that every rank throws, of what all of them know. */
export function onAllRanks(error: SidError): SidError {
  return Object.defineProperty(error, alike, { value: true });
}

/**
 * Ends the run on all ranks because of an error on this one, which is told in one line first, for the engine may end this
 * program at once; returns the error to throw. One that all ranks throw alike ends each by itself.
 */
export function endAll(
  reducer: Reducer,
  error: unknown,
  { iteration, checkpoint }: Standing,
  tell: (line: string) => void,
): unknown {
  if (error instanceof Error && alike in error) return error;
  const message = (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
  const saved = checkpoint
    ? `The last checkpoint is of iteration ${checkpoint.iteration}: ${JSON.stringify(checkpoint.path)}`
    : "There is no checkpoint yet";
  const line = `distill: rank ${reducer.rank} of ${reducer.size} ends the run on all ranks, after iteration ${iteration}: ${message}. ${saved}.`;
  tell(line);
  // Nobody else will say where it came from: the program ends here.
  if (error instanceof Error && !(error instanceof SidError)) tell(String(error.stack));
  reducer.abort();
  return error instanceof SidError && error.code === "rank-lost"
    ? new SidError("rank-lost", line, { cause: error })
    : error;
}
