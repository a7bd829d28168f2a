import type { Reducer } from "../../distributed/types";

/** A reducer that tells how long it was at work, waiting for the other ranks included. */
export interface TimedReducer extends Reducer {
  /** Seconds in its methods so far. */
  seconds(): number;
}

/** Counts the seconds in a reducer's methods. */
export function timed(reducer: Reducer): TimedReducer {
  let milliseconds = 0;
  const counted = async <T>(work: () => Promise<T>): Promise<T> => {
    const begun = performance.now();
    try {
      return await work();
    } finally {
      milliseconds += performance.now() - begun;
    }
  };
  return {
    name: reducer.name,
    rank: reducer.rank,
    size: reducer.size,
    allReduce: (data) => counted(() => reducer.allReduce(data)),
    allReduceSync(data) {
      const begun = performance.now();
      reducer.allReduceSync(data);
      milliseconds += performance.now() - begun;
    },
    allGather: (data) => counted(() => reducer.allGather(data)),
    broadcast: (data, root) => counted(() => reducer.broadcast(data, root)),
    barrier: () => counted(() => reducer.barrier()),
    abort: () => reducer.abort(),
    close: () => reducer.close(),
    seconds: () => milliseconds / 1000,
  };
}
