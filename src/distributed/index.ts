/**
 * Data-parallel training on many machines: the engine that sums over ranks, and who this rank is. Node only.
 *
 * @module sid-lsg/distributed
 */
export { type Launch, launchOf } from "./launch";
export { type MpiOptions, mpi } from "./mpi";
export { gpuOfRank, threadsOfRank } from "./placing";
export type { Reducer } from "./types";
