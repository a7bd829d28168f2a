/**
 * An engine of data-parallel training: one program a rank, all of them in step. Whoever brings another one than MPI
 * writes these methods.
 *
 * All ranks call the same methods, in the same order, with data of the same length; each call is over on a rank when its
 * result is there. Calls never overlap: the next begins after the one before it was awaited. A method that cannot finish
 * because another rank died or does not come throws SidError `rank-lost` in finite time; nothing may be called after it
 * but `abort`.
 *
 * @example
 * ```ts
 * import type { Reducer } from "sid-lsg/distributed";
 *
 * // A world of one rank: every sum is there already.
 * const alone: Reducer = {
 *   name: "one rank",
 *   rank: 0,
 *   size: 1,
 *   allReduce: async () => {},
 *   allReduceSync: () => {},
 *   allGather: async (data) => data.slice(),
 *   broadcast: async () => {},
 *   barrier: async () => {},
 *   abort: () => process.exit(1),
 *   close: async () => {},
 * };
 * console.log(alone.size); // 1
 * ```
 */
export interface Reducer {
  /** What it is, for messages: `Open MPI 5.0.11`. */
  readonly name: string;
  /** This program's number, from 0. */
  readonly rank: number;
  /** Number of ranks. */
  readonly size: number;
  /**
   * The sum over ranks, in place. Every rank gets the same bits. Meanwhile this program can do other things.
   *
   * @param data - float32; nobody touches it until the promise is settled.
   */
  allReduce(data: Float32Array): Promise<void>;
  /**
   * The same, and this program waits: for a sum that a loss needs while it is computed.
   *
   * @param data - float32.
   */
  allReduceSync(data: Float32Array): void;
  /**
   * What every rank gives, one after the other by rank.
   *
   * @param data - of one length on all ranks.
   * @returns `size` times as many bytes.
   */
  allGather(data: Uint8Array): Promise<Uint8Array>;
  /**
   * Takes over what one rank has, in place.
   *
   * @param data - of one length on all ranks; nobody touches it until the promise is settled.
   * @param root - the rank whose data it is. 0 if not given.
   */
  broadcast(data: Uint8Array, root?: number): Promise<void>;
  /** Returns on no rank before it was called on all. */
  barrier(): Promise<void>;
  /** Ends the programs of all ranks, at once and with an error's exit status, whatever they are doing. */
  abort(): void;
  /** Leaves the engine, once all is done: the last call, on every rank. */
  close(): Promise<void>;
}
