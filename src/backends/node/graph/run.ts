import { customGrad, onesLike, type Tensor, tidy, zerosLike } from "@tensorflow/tfjs-core";
import { SidError } from "../../../core/errors";
import type { GraphRunner, Tape } from "../../../core/graph-runner";
import type { Handle, NodeBackend } from "../operations";
import { bundle, unbundled } from "../views";
import { operation, savedModel } from "./graph-def";
import { acrossBorder, type Recording, record } from "./record";

/** What of Node's modules the graphs need. */
export interface Disk {
  readonly fs: Pick<typeof import("node:fs"), "mkdtempSync" | "writeFileSync" | "rmSync">;
  readonly tmpdir: string;
}

/** Names of values, joined as a session takes them. */
interface Names {
  readonly given: string;
  readonly wanted: string;
}

/** A network in TensorFlow's hands. */
interface Graph {
  readonly model: number;
  /** From all inputs the result, then what the backward pass takes from the forward pass. */
  readonly forward: Names;
  /** From what was kept, those inputs that are needed again, and the cotangent, the gradients. */
  readonly backward: Names;
  /** Which of the inputs are needed again. */
  readonly again: readonly number[];
  /** Whether the result depends on each input at which a gradient is wanted. */
  readonly reached: readonly boolean[];
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
  const graphs = new Map<string, Graph | undefined>();
  const idsOf = (tensors: readonly Tensor[]) => backend.getInputTensorIds(tensors);
  const run = ({ model }: Graph, given: readonly number[], names: Names): Handle[] =>
    backend.binding.runSavedModel(model, given, names.given, names.wanted);

  return (key, f, inputs, weights, tape) => {
    const all = [...inputs, ...weights];
    if (all.some(({ dtype }) => dtype !== "float32")) return undefined;
    const wanted = all.map(tape.mayNeedGradient);
    const signature = JSON.stringify([key, inputs.map(({ shape }) => shape), wanted]);
    const at = all.filter((_, i) => wanted[i]);
    if (!graphs.has(signature))
      tape.besideTape(() =>
        tidy(
          () =>
            void graphs.set(
              signature,
              build(backend, disk, room, tape, () => f(...inputs), all, at),
            ),
        ),
      );
    const graph = graphs.get(signature);
    if (!graph) return undefined;
    if (at.length === 0) return backend.createOutputTensor(run(graph, idsOf(all), graph.forward)[0] as Handle);

    return customGrad((...args: unknown[]) => {
      const save = args.pop() as (tensors: Tensor[]) => void;
      const [value, ...kept] = run(graph, idsOf(all), graph.forward);
      save([...bundle(backend, kept), ...graph.again.map((i) => all[i] as Tensor)]);
      const gradFunc = (dy: Tensor, saved: Tensor[]) =>
        tidy(() => {
          const found = run(graph, unbundled(backend, [...saved, dy]), graph.backward);
          return at.map((x, i) =>
            graph.reached[i] ? backend.createOutputTensor(found.shift() as Handle) : zerosLike(x),
          );
        });
      return { value: backend.createOutputTensor(value as Handle), gradFunc };
    })(...at);
  };
}

/** Names as a session takes them. */
const joined = (names: readonly string[]) => names.map((name) => (name.includes(":") ? name : `${name}:0`)).join();

/** Records a network, and its backward pass where it is wanted at some inputs, and hands it to TensorFlow. */
function build(
  backend: NodeBackend,
  disk: Disk,
  room: number,
  { runTape }: Tape,
  f: () => Tensor,
  all: readonly Tensor[],
  at: readonly Tensor[],
): Graph | undefined {
  const dy = at.length > 0 ? [onesLike(f())] : [];
  const recording = record(
    backend,
    [...all, ...dy],
    (drawBorder) => {
      if (at.length === 0) return [f()];
      const forward = () => {
        const y = f();
        drawBorder();
        return y;
      };
      const { value, grads } = runTape(forward, at, dy[0]);
      return [value, ...grads];
    },
    room,
  );
  const [result, ...gradients] = recording?.results ?? [];
  if (!recording || !result) return undefined;
  const [names, cotangent] = [all.map((_, i) => `p${i}`), `p${all.length}`];
  const needed = at.length > 0 ? acrossBorder(recording).filter((name) => name !== cotangent) : [];
  const again = names.filter((name) => needed.includes(name));
  const kept = needed.filter((name) => !again.includes(name));
  const nodes = new Map(recording.nodes);
  // TensorFlow's optimiser may fuse an operation with the one after it even if its value is asked for; not if that
  // goes to two.
  kept.forEach(
    (name, i) => void nodes.set(`k${i}`, operation("Identity", [], [name], [recording.dtypes.get(name) ?? 1])),
  );
  return {
    model: load(backend, disk, nodes),
    forward: { given: joined(names), wanted: joined([result, ...kept.map((_, i) => `k${i}`)]) },
    backward: {
      given: joined([...kept, ...again, cotangent]),
      wanted: joined(gradients.filter((name) => name !== undefined)),
    },
    again: again.map((name) => names.indexOf(name)),
    reached: gradients.map((name) => name !== undefined),
  };
}

/** TensorFlow takes a graph from a folder, which is gone afterwards. */
function load({ binding }: NodeBackend, { fs, tmpdir }: Disk, nodes: Recording["nodes"]): number {
  let folder: string | undefined;
  try {
    folder = fs.mkdtempSync(`${tmpdir}/sid-lsg-`);
    fs.writeFileSync(`${folder}/saved_model.pb`, savedModel(nodes));
    return binding.loadSavedModel(folder, "serve");
  } catch (cause) {
    throw new SidError("io", `useBackend: cannot hand a network to TensorFlow through ${tmpdir}.`, { cause });
  } finally {
    if (folder) fs.rmSync(folder, { recursive: true, force: true });
  }
}
