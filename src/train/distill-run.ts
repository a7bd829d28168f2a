import { SidError } from "../core/errors";
import type { DistillMetrics } from "./distill-options";

/** What came of a run: what {@link DistillRun} resolves to. */
export interface DistillSummary {
  /**
   * What ended the run: all its `iterations` are done, the `signal` stopped it, or a loop over it was left (`break`),
   * which saves nothing.
   */
  readonly ended: "iterations" | "signal" | "break";
  /** Iterations done, those before a resume included. */
  readonly iteration: number;
  /** Images seen by each step so far. */
  readonly nimg: number;
  /** The iteration that a checkpoint brought; 0 for a run that began afresh. */
  readonly resumedFrom: number;
  /** Wall-clock seconds from the start to the end of this run: checks, checkpoints, snapshots and the loop's body too. */
  readonly seconds: number;
  /** Samples that left a batch because they were not finite, in all iterations of this run. */
  readonly droppedSamples: number;
  /** Elements of gradients that were NaN or infinite, in all iterations of this run. */
  readonly cleanedElements: number;
  /** The figures of the last iteration; undefined where there was none to do. */
  readonly metrics: DistillMetrics | undefined;
}

/**
 * A run of {@link distill}, to await or to iterate. **It does nothing until one of the two begins.**
 *
 * - `await run` (or `run.then`, `catch`, `finally`) does all iterations and resolves to the summary.
 * - `for await (const metrics of run)` does one iteration per turn of the loop and yields its figures. `break` ends
 *   the run and frees everything.
 *
 * A run happens once. It can be awaited as often as one likes, also after a loop over it: the summary, or the error,
 * is the same each time. Awaited inside a loop over it, it does the rest, and the loop ends. A second loop, or one over
 * a run that is or was awaited, is refused with `invalid-argument`, since there would be nothing left to yield.
 *
 * Like any promise it is awaited where an `async` function returns it, and then begins.
 */
export interface DistillRun extends Promise<DistillSummary>, AsyncIterable<DistillMetrics> {
  /** The iterations one by one, once. */
  [Symbol.asyncIterator](): AsyncGenerator<DistillMetrics, void, undefined>;
}

/** Makes one object to await or to iterate of a generator that has not begun, and of what it has done so far. */
export function runOf(steps: AsyncGenerator<DistillMetrics, void, undefined>, soFar: () => DistillSummary): DistillRun {
  let taken: "iterated" | "awaited" | undefined;
  let failure: { readonly error: unknown } | undefined;
  let end: Promise<DistillSummary> | undefined;
  async function* followed(): AsyncGenerator<DistillMetrics, void, undefined> {
    try {
      yield* steps;
    } catch (error) {
      failure = { error };
      throw error;
    }
  }
  const own = followed();
  const finish = async () => {
    taken ??= "awaited";
    while (!(await own.next()).done);
    if (failure) throw failure.error;
    return soFar();
  };
  const whole = () => {
    end ??= finish();
    return end;
  };
  return {
    [Symbol.toStringTag]: "DistillRun",
    [Symbol.asyncIterator]() {
      if (taken !== undefined)
        throw new SidError(
          "invalid-argument",
          `distill: a run is iterated once, and this one was ${taken} before; call distill anew, or take its option onIteration.`,
        );
      taken = "iterated";
      return own;
    },
    // biome-ignore lint/suspicious/noThenProperty: a run is there to be awaited
    then: (onDone, onError) => whole().then(onDone, onError),
    catch: (onError) => whole().catch(onError),
    finally: (onEnd) => whole().finally(onEnd),
  };
}
