import { engine } from "@tensorflow/tfjs-core";

/**
 * Bytes of all live buffers of the engine, from now on. (`memory().numBytes` counts a buffer once for each tensor
 * that shares it, here it counts once.) Scratch space inside a kernel does not count.
 */
export function watchBytes(): { readonly peak: () => number; readonly restart: () => void } {
  const { tensorInfo } = engine().state;
  let bytes = 0;
  let peak = 0;
  const count = (change: number) => {
    bytes += change;
    peak = Math.max(peak, bytes);
  };
  const add = tensorInfo.set.bind(tensorInfo);
  const remove = tensorInfo.delete.bind(tensorInfo);
  tensorInfo.set = (id, info) => {
    count(info.bytes);
    return add(id, info);
  };
  tensorInfo.delete = (id) => {
    count(-(tensorInfo.get(id)?.bytes ?? 0));
    return remove(id);
  };
  return {
    peak: () => peak,
    restart: () => {
      peak = bytes;
    },
  };
}
