import { customGrad, type Tensor, tidy, type Variable, zerosLike } from "@tensorflow/tfjs-core";
import type { GraphRunner, Tape, WholeGraph } from "../../../core/graph-runner";
import type { Handle, NodeBackend } from "../operations";
import { bundle, unbundled } from "../views";
import { build, type Disk, type Graph, runNames } from "./build";

/** What is known of a kind of network. */
interface Entry {
  /** Undefined where TensorFlow cannot have it as a graph. */
  readonly graph: Graph | undefined;
  /** The weights of each network of that kind. */
  users: (readonly Variable[])[];
}

/**
 * Elements that a forward pass keeps so that they are not computed again, beside what the backward pass cannot do
 * without: a gigabyte. For the networks of bench/networks.ts that is all; attention's weights for big pictures are more.
 */
const mostKept = 2 ** 28;

/**
 * Runs networks as graphs of TensorFlow: the first call with some shapes records what the kernels do, and from then on
 * one call computes the network and one its gradients. That is faster since no JavaScript runs between two operations,
 * TensorFlow's optimiser fuses some, and the backward pass takes what it would compute again.
 */
export function graphRunner(backend: NodeBackend, disk: Disk, room = mostKept): GraphRunner {
  const entries = new Map<string, Entry>();
  let refused = false;
  const idsOf = (tensors: readonly Tensor[]) => backend.getInputTensorIds(tensors);
  const onRefusal = (error: unknown) => {
    const reason = String(error instanceof Error ? error.message : error).split("\n")[0];
    if (!refused) console.warn(`useBackend: TensorFlow refuses a network as a graph; it runs uncompiled: ${reason}`);
    refused = true;
  };
  const release = () => {
    for (const [signature, entry] of entries) {
      entry.users = entry.users.filter((weights) => !weights.some(({ isDisposed }) => isDisposed));
      if (entry.users.length > 0) continue;
      entries.delete(signature);
      if (entry.graph) backend.binding.deleteSavedModel(entry.graph.model);
    }
  };
  const graphOf = (whole: WholeGraph, wanted: readonly boolean[], tape: Tape): Graph | undefined => {
    const { key, f, inputs, weights, sparing = false } = whole;
    const shapes = [inputs, weights].map((tensors) => tensors.map(({ shape }) => shape.join()));
    const signature = JSON.stringify([key, shapes, wanted.map(Number), sparing]);
    let entry = entries.get(signature);
    if (!entry) {
      // What shares memory now would be one input of the graph for ever.
      const memories = new Set([...inputs, ...weights].map(({ dataId }) => dataId));
      if (memories.size < inputs.length + weights.length) return undefined;
      // Also what others disposed of, variable by variable.
      release();
      const all = [...inputs, ...weights];
      const network = { f: () => f(...inputs), all, at: all.filter((_, i) => wanted[i]) };
      const settings = { room: sparing ? 0 : room, onRefusal };
      entry = { graph: tape.besideTape(() => build(backend, disk, network, tape.runTape, settings)), users: [] };
      entries.set(signature, entry);
    }
    if (!entry.users.some((known) => known.every((v, i) => v === weights[i]))) entry.users.push(weights);
    return entry.graph;
  };

  return {
    release,
    run(whole, tape) {
      const all = [...whole.inputs, ...whole.weights];
      if (all.some(({ dtype }) => dtype !== "float32")) return undefined;
      const wanted = all.map(tape.mayNeedGradient);
      const graph = graphOf(whole, wanted, tape);
      if (!graph) return undefined;
      const forward = () => runNames(backend, graph.model, idsOf(all), graph.forward) as [Handle, ...Handle[]];
      const at = all.filter((_, i) => wanted[i]);
      if (at.length === 0) return backend.createOutputTensor(forward()[0]);

      return customGrad((...args: unknown[]) => {
        const save = args.pop() as (tensors: Tensor[]) => void;
        const [value, ...kept] = forward();
        save([...bundle(backend, kept), ...graph.again.map((i) => all[i] as Tensor)]);
        const gradFunc = (dy: Tensor, saved: Tensor[]) =>
          tidy(() => {
            const found = runNames(backend, graph.model, unbundled(backend, [...saved, dy]), graph.backward);
            return at.map((x, i) =>
              graph.reached[i] ? backend.createOutputTensor(found.shift() as Handle) : zerosLike(x),
            );
          });
        return { value: backend.createOutputTensor(value), gradFunc };
      })(...at);
    },
  };
}
