/**
 * Data-parallel training on many machines: the engine that sums over ranks, and who this rank is. Node only.
 *
 * @module sid-lsg/distributed
 */
export { type Launch, launchOf } from "./launch";
export { type MpiOptions, mpi } from "./mpi";
export type { Reducer } from "./types";
