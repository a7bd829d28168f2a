import type { HostTensor, WeightSource } from "../../core/host-tensor";
import { checkFiniteWeight } from "./check-weights";

/** The same weights; each is told of once it was read, and reading one that is not finite throws. */
export function watched(source: WeightSource, at: string, onRead: (tensor: HostTensor) => void): WeightSource {
  return {
    ...source,
    async read(name) {
      const tensor = await source.read(name);
      checkFiniteWeight(at, name, tensor);
      onRead(tensor);
      return tensor;
    },
  };
}

/** Bytes of a tensor on the backend, in float32. */
export function bytesOnBackend({ shape }: { readonly shape: readonly number[] }): number {
  return 4 * shape.reduce((a, b) => a * b, 1);
}
