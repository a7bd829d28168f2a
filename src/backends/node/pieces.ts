import { type Handle, list, type Operations } from "./operations";

/** Elements of a piece: several such tensors fit in a processor's cache. */
const piece = 2 ** 17;

/** What `f` gives for one piece of flat inputs after the other; on a GPU, and if they are small, for all at once. */
export function eachPiece<T extends readonly Handle[]>(
  ops: Operations,
  inputs: readonly Handle[],
  f: (parts: readonly Handle[]) => T,
): T[] {
  const size = inputs[0]?.shape[0] as number;
  if (size < 2 * piece || ops.onGpu) return [f(inputs)];
  return Array.from({ length: Math.ceil(size / piece) }, (_, i) => {
    const [from, count] = [ops.integers([i * piece]), ops.integers([Math.min(piece, size - i * piece)])];
    return ops.scope(() => f(inputs.map((x) => ops.run("Slice", [x, from, count]))));
  });
}

/**
 * Runs `f`, which works element by element, in pieces: what it makes on the way then stays in the processor's cache.
 * Results have the shape of the first input.
 */
export function inPieces(
  ops: Operations,
  inputs: readonly Handle[],
  f: (parts: readonly Handle[]) => readonly Handle[],
): Handle[] {
  const { shape } = inputs[0] as Handle;
  const size = shape.reduce((a, b) => a * b, 1);
  if (size < 2 * piece || ops.onGpu) return [...f(inputs)];
  const parts = eachPiece(
    ops,
    inputs.map((x) => ops.reshape(x, [size])),
    f,
  );
  const joined = (which: number) => parts.map((part) => part[which] as Handle);
  return (parts[0] as readonly Handle[]).map((_, which) =>
    ops.reshape(ops.run("ConcatV2", [...joined(which), ops.integers(0)], list(parts.length)), shape),
  );
}
