import { addN, concat, stack, tensor1d, tidy, unstack } from "@tensorflow/tfjs-core";
import { SidError } from "../core/errors";

/**
 * Computes a little with the current backend: lists of tensors, which is what fails first where a backend starts on
 * a platform that its package does not know.
 *
 * @throws SidError `unsupported` where an operation fails, or gives other numbers.
 */
export async function tryOut(): Promise<void> {
  let values: Iterable<number>;
  try {
    values = await compute();
  } catch (cause) {
    throw new SidError("unsupported", `useBackend: it starts and does not compute: ${(cause as Error).message}.`, {
      cause,
    });
  }
  if ([...values].join() !== "4,6,3,4")
    throw new SidError("unsupported", `useBackend: it starts and computes [${[...values]}] for [4,6,3,4].`);
}

async function compute(): Promise<Iterable<number>> {
  const result = tidy(() => {
    const terms = [tensor1d([1, 2]), tensor1d([3, 4])];
    return concat([addN(terms), ...unstack(stack(terms)).slice(1)]);
  });
  try {
    return await result.data();
  } finally {
    result.dispose();
  }
}
