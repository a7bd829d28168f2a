import { randomStream } from "sid-lsg";
import { casesOf } from "./contract-case";

/** The seeded stream's tensors, which must hold the same bits everywhere. */
export const noise = casesOf("noise", {
  "seeded normal numbers": () => {
    const stream = randomStream(1234);
    return [stream.normal([3]), stream.normal([2, 8, 8, 4]), stream.normal([1, 5001])];
  },
});
