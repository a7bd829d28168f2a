import { customGrad, onesLike, type Tensor, tidy, zerosLike } from "@tensorflow/tfjs-core";
import { SidError } from "../../../core/errors";
import type { GraphRunner, Tape } from "../../../core/graph-runner";
import type { NodeBackend } from "../operations";
import { savedModel } from "./graph-def";
import { acrossBorder, type Recording, record } from "./record";

/** What of Node's modules the graphs need. */
export interface Disk {
  readonly fs: Pick<typeof import("node:fs"), "mkdtempSync" | "writeFileSync" | "rmSync">;
  readonly tmpdir: string;
}

/** A network in TensorFlow's hands. */
interface Graph {
  readonly model: number;
  readonly result: string;
  /** Values that the backward pass takes from the forward pass: names of placeholders or of what is computed. */
  readonly kept: readonly string[];
  /** Names of the gradients; undefined where the result does not depend on an input. */
  readonly gradients: readonly (string | undefined)[];
}

/** The name of the cotangent's placeholder, after those of the inputs. */
const cotangent = (inputs: readonly Tensor[]) => `p${inputs.length}`;

/**
 * Runs networks as graphs of TensorFlow: the first call with some shapes records what the kernels do, and from then on
 * one call computes the network and one its gradients. Without JavaScript between two operations, and with what
 * TensorFlow's optimiser fuses, that is up to twice as fast.
 */
export function graphRunner(backend: NodeBackend, disk: Disk): GraphRunner {
  const graphs = new Map<string, Graph | undefined>();
  const ids = (tensors: readonly Tensor[]) => backend.getInputTensorIds(tensors);
  /** The values of some names, given those of others. */
  const run = ({ model }: Graph, given: ReadonlyMap<string, Tensor>, names: readonly string[]): Tensor[] =>
    backend.binding
      .runSavedModel(model, ids([...given.values()]), [...given.keys()].map(first).join(), names.map(first).join())
      .map((handle) => backend.createOutputTensor(handle));

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
              build(backend, disk, tape, () => f(...inputs), all, at),
            ),
        ),
      );
    const graph = graphs.get(signature);
    if (!graph) return undefined;
    const given = new Map(all.map((tensor, i) => [`p${i}`, tensor]));
    if (at.length === 0) return run(graph, given, [graph.result])[0];

    const computed = graph.kept.filter((name) => !given.has(name));
    const borrowed = graph.kept.filter((name) => given.has(name));
    return customGrad((...args: unknown[]) => {
      const save = args.pop() as (tensors: Tensor[]) => void;
      const [value, ...saved] = run(graph, given, [graph.result, ...computed]) as [Tensor, ...Tensor[]];
      save([...saved, ...borrowed.map((name) => given.get(name) as Tensor)]);
      const gradFunc = (dy: Tensor, saved: Tensor[]) =>
        tidy(() => {
          const kept = new Map([...computed, ...borrowed].map((name, i) => [name, saved[i] as Tensor]));
          const names = graph.gradients.filter((name) => name !== undefined);
          const found = run(graph, kept.set(cotangent(all), dy), names);
          return graph.gradients.map((name, i) => (name ? (found.shift() as Tensor) : zerosLike(at[i] as Tensor)));
        });
      return { value, gradFunc };
    })(...at);
  };
}

/** A value's name as a session takes it. */
const first = (name: string) => (name.includes(":") ? name : `${name}:0`);

/** Records a network, and its backward pass where it is wanted at some inputs, and hands it to TensorFlow. */
function build(
  backend: NodeBackend,
  disk: Disk,
  { runTape }: Tape,
  f: () => Tensor,
  all: readonly Tensor[],
  at: readonly Tensor[],
): Graph | undefined {
  const dy = at.length > 0 ? [onesLike(f())] : [];
  const recording = record(backend, [...all, ...dy], (drawBorder) => {
    if (at.length === 0) return [f()];
    const forward = () => {
      const y = f();
      drawBorder();
      return y;
    };
    const { value, grads } = runTape(forward, at, dy[0]);
    return [value, ...grads];
  });
  const [result, ...gradients] = recording?.results ?? [];
  if (!recording || !result) return undefined;
  const kept = at.length > 0 ? acrossBorder(recording).filter((name) => name !== cotangent(all)) : [];
  return { model: load(backend, disk, recording), result, kept, gradients };
}

/** TensorFlow takes a graph from a folder, which is gone afterwards. */
function load({ binding }: NodeBackend, { fs, tmpdir }: Disk, { nodes }: Recording): number {
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
