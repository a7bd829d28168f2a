import type { DataId, Tensor, TensorInfo } from "@tensorflow/tfjs-core";
import type { Handle, NodeBackend } from "./operations";

/** By memory and shape, TensorFlow's tensors beside the first one. */
const views = new WeakMap<DataId, Map<string, number>>();

/** TensorFlow's tensors that one of TensorFlow.js holds beside its own. */
const companions = new WeakMap<DataId, readonly number[]>();

/** One tensor for several of TensorFlow's, which live as long: making and tracking one each costs more than it may. */
export function bundle(backend: NodeBackend, [first, ...others]: readonly [Handle, ...Handle[]]): Tensor {
  const tensor = backend.createOutputTensor(first);
  companions.set(
    tensor.dataId,
    others.map(({ id }) => id),
  );
  return tensor;
}

/** All that a tensor stands for. */
export function unbundled(backend: NodeBackend, tensor: Tensor): number[] {
  return [...backend.getInputTensorIds([tensor]), ...(companions.get(tensor.dataId) ?? [])];
}

/** Frees the other shapes of a memory; where they are needed again, they are made again. */
export function forgetViews({ binding }: NodeBackend, dataId: DataId): void {
  for (const id of views.get(dataId)?.values() ?? []) binding.deleteTensor(id);
  views.delete(dataId);
}

/**
 * Lets tensors of several shapes share one memory, as on the other backends: a reshape is then free until an operation
 * of TensorFlow, whose tensors have one shape, wants it, and its bytes count once.
 */
export function shareReshaped(backend: NodeBackend): void {
  const idsOf = backend.getInputTensorIds.bind(backend);
  const dispose = backend.disposeData.bind(backend);
  const view = ({ dataId, shape }: TensorInfo, id: number): number => {
    const known = views.get(dataId) ?? new Map<string, number>();
    views.set(dataId, known);
    const found = known.get(shape.join());
    if (found !== undefined) return found;
    const { binding } = backend;
    const wanted = binding.createTensor([shape.length], 3, Int32Array.from(shape));
    const made = binding.executeOp("Reshape", [], [id, wanted], 1)[0]?.id as number;
    binding.deleteTensor(wanted);
    known.set(shape.join(), made);
    return made;
  };
  Object.assign(backend, {
    getInputTensorIds: (tensors: readonly TensorInfo[]) =>
      idsOf(tensors).map((id, i) => {
        const tensor = tensors[i] as TensorInfo;
        const own = tensor.dataId && backend.tensorMap.get(tensor.dataId).shape;
        return !own || sameShape(own, tensor.shape) ? id : view(tensor, id);
      }),
    disposeData(dataId: DataId, force?: boolean): boolean {
      const gone = dispose(dataId, force);
      if (gone) {
        forgetViews(backend, dataId);
        for (const id of companions.get(dataId) ?? []) backend.binding.deleteTensor(id);
        companions.delete(dataId);
      }
      return gone;
    },
  } satisfies Partial<NodeBackend>);
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}
