import { dispose, mul, type Tensor, type Tensor1D, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { SidError } from "../../core/errors";
import type { Reducer } from "../../distributed/types";
import { type Pack, packs } from "../packing";

/** Elements of one message of gradients, about: 64 MiB. */
const mostElements = 2 ** 24;

/**
 * The means over ranks of tensors that all of them have, in the same shapes; takes the tensors over. Each is read and
 * written once, in a few large pieces; the next piece is read from the device while one is summed.
 */
export async function meanOverRanks(
  reducer: Reducer,
  tensors: readonly Tensor[],
  limit = mostElements,
): Promise<Tensor[]> {
  const means: Tensor[] = [];
  const groups = packs(
    tensors.map(({ shape }) => shape),
    limit,
  );
  // Divided before the sum: it makes a copy that nobody else holds, also where a backend keeps its tensors on the host.
  const read = async (group: Pack): Promise<Float32Array> => {
    const flat = tidy(() => mul(group.pack(tensors), 1 / reducer.size));
    return (await flat.data().finally(() => flat.dispose())) as Float32Array;
  };
  let ahead: Promise<Float32Array> | undefined;
  try {
    for (const [i, group] of groups.entries()) {
      const data = await (ahead ?? read(group));
      const next = groups[i + 1];
      ahead = next && read(next);
      // What goes wrong with it is told when it is its turn.
      ahead?.catch(() => {});
      await reducer.allReduce(data);
      const own = tensors.slice(group.from, group.to);
      means.push(...tidy(() => group.unpack(tensor1d(data), tensors)));
      dispose(own);
    }
    return means;
  } catch (error) {
    await ahead?.catch(() => {});
    dispose(means);
    throw error;
  } finally {
    dispose([...tensors]);
  }
}

/** The sum over ranks for a method's equation, which cannot wait for a promise; undefined where there is one rank. */
export function summed({
  distributed,
}: {
  readonly distributed?: Reducer | undefined;
}): ((values: Tensor1D) => Tensor1D) | undefined {
  if (distributed === undefined || distributed.size === 1) return undefined;
  return (values) => {
    const sums = Float32Array.from(readNow(values));
    distributed.allReduceSync(sums);
    return tensor1d(sums);
  };
}

function readNow(values: Tensor1D): ArrayLike<number> {
  try {
    return values.dataSync();
  } catch (cause) {
    if (!(cause instanceof SidError && cause.code === "unsupported")) throw cause;
    throw new SidError(
      "unsupported",
      'sumOverRanks: the method takes means over the batch while it computes, and this backend cannot wait for them; with several ranks take another backend, or a method without such means (fDistill with bins: 0 and normalize: false, sida with adversarialMean: "sample").',
      { cause },
    );
  }
}
