import type { DataId, Tensor, TensorInfo } from "@tensorflow/tfjs-core";
import { sharedState } from "../../core/shared-state";
import { type Handle, type NodeBackend, reshaped } from "./operations";

/** By memory and shape, TensorFlow's tensors beside the first one. */
const views = /* @__PURE__ */ sharedState("node views", () => new WeakMap<DataId, Map<string, number>>());

/** TensorFlow's tensors that one of TensorFlow.js holds beside its own. */
const companions = /* @__PURE__ */ sharedState("node companions", () => new WeakMap<DataId, readonly number[]>());

/** One tensor (or, for none, none) for several of TensorFlow's, which live as long: making one each costs too much. */
export function bundle(backend: NodeBackend, [first, ...others]: readonly Handle[]): Tensor[] {
  if (!first) return [];
  const tensor = backend.createOutputTensor(first);
  const ids = others.map(({ id }) => id);
  companions.set(tensor.dataId, ids);
  return [tensor];
}

/** All that tensors, of which the first may be a bundle, stand for. */
export function unbundled(backend: NodeBackend, tensors: readonly Tensor[]): number[] {
  const [first, ...others] = backend.getInputTensorIds(tensors) as [number, ...number[]];
  return [first, ...(companions.get(tensors[0]?.dataId as DataId) ?? []), ...others];
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
    const made = reshaped(backend.binding, id, shape);
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
