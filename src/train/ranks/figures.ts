import type { Reducer } from "../../distributed/types";

/** What all ranks make of what each has read. */
export interface Shared {
  /** The numbers of each step as one rank with the whole batch has them. */
  readonly numbers: Float32Array[];
  /** Whether some rank is to stop. */
  readonly stop: boolean;
}

/** The five figures of a step before what each sample tells the gauge. */
const figures = 5;

/**
 * Makes the figures of all ranks of each one's, in one message: means of the losses and of `‖δ‖²`, the sum of the dropped
 * samples, and the gauge's samples in the order of the whole batch, by round and in each round by rank. Norm and number of
 * cleaned elements are of the gradients of all already.
 */
export async function shareFigures(
  reducer: Reducer,
  own: readonly Float32Array[],
  { rounds, stop }: { readonly rounds: number; readonly stop: boolean },
): Promise<Shared> {
  const { rank, size } = reducer;
  const lengths = own.map(({ length }) => figures + (length - figures) * size);
  const message = new Float32Array(1 + lengths.reduce((a, b) => a + b, 0));
  message[0] = stop ? 1 : 0;
  let at = 1;
  const places = lengths.map((length) => {
    at += length;
    return at - length;
  });
  own.forEach((numbers, i) => {
    const place = places[i] as number;
    const [loss, deltaSquared, dropped] = numbers as unknown as [number, number, number];
    message.set([loss / size, deltaSquared / size, dropped], place);
    const share = (numbers.length - figures) / rounds;
    for (let round = 0; round < rounds; round++)
      message.set(
        numbers.subarray(figures + round * share, figures + (round + 1) * share),
        place + figures + (round * size + rank) * share,
      );
  });
  await reducer.allReduce(message);
  const numbers = own.map((mine, i) => {
    const place = places[i] as number;
    const all = message.slice(place, place + (lengths[i] as number));
    all.set(mine.subarray(3, figures), 3);
    return all;
  });
  return { numbers, stop: (message[0] as number) > 0 };
}
