import { type RandomStream, randomStream } from "../core/random";

/** A stream that no run draws from, for probes. */
export function probeStream(): RandomStream {
  return randomStream(2 ** 53 - 1);
}
