import { onesLike, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { SidError } from "../../../core/errors";
import type { Tape } from "../../../core/graph-runner";
import type { Handle, NodeBackend } from "../operations";
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

/** How a network's two passes are taken from its graph. */
interface Plan {
  /** From all inputs the result, then what the backward pass takes from the forward pass. */
  readonly forward: Names;
  /** From what was kept, those inputs that are needed again, and the cotangent, the gradients. */
  readonly backward: Names;
  /** Which of the inputs are needed again. */
  readonly again: readonly number[];
  /** Whether the result depends on each input at which a gradient is wanted. */
  readonly reached: readonly boolean[];
}

/** A network in TensorFlow's hands. */
export interface Graph extends Plan {
  readonly model: number;
}

/** What is to become a graph. */
interface Network {
  readonly f: () => Tensor;
  /** Its inputs and weights. */
  readonly all: readonly Tensor[];
  /** Those at which gradients are wanted. */
  readonly at: readonly Tensor[];
}

interface Settings {
  /** See {@link record}. */
  readonly room: number;
  /** Hears why TensorFlow does not take a graph, or does not run it. */
  readonly onRefusal: (error: unknown) => void;
}

/**
 * Records a network, and its backward pass where that is wanted, and hands it to TensorFlow. Undefined if a graph could
 * not do the same, or TensorFlow refuses it.
 */
export function build(
  backend: NodeBackend,
  disk: Disk,
  network: Network,
  runTape: Tape["runTape"],
  settings: Settings,
): Graph | undefined {
  const { binding } = backend;
  let planned: ReturnType<typeof plan>;
  tidy(() => {
    planned = plan(backend, network, runTape, settings.room);
  });
  if (!planned) return undefined;
  const folder = written(disk, planned.nodes);
  let model: number | undefined;
  try {
    model = binding.loadSavedModel(folder, "serve");
    const graph = { ...planned, model };
    tryOut(backend, graph, backend.getInputTensorIds(network.all));
    return graph;
  } catch (error) {
    if (model !== undefined) binding.deleteSavedModel(model);
    settings.onRefusal(error);
    return undefined;
  } finally {
    disk.fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Computes some values of a graph. */
export function runNames({ binding }: NodeBackend, model: number, given: readonly number[], names: Names): Handle[] {
  return binding.runSavedModel(model, given, names.given, names.wanted);
}

/** Names as a session takes them. */
const joined = (names: readonly string[]) => names.map((name) => (name.includes(":") ? name : `${name}:0`)).join();

function plan(
  backend: NodeBackend,
  { f, all, at }: Network,
  runTape: Tape["runTape"],
  room: number,
): (Plan & Pick<Recording, "nodes">) | undefined {
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
    nodes,
    forward: { given: joined(names), wanted: joined([result, ...kept.map((_, i) => `k${i}`)]) },
    backward: {
      given: joined([...kept, ...again, cotangent]),
      wanted: joined(gradients.filter((name) => name !== undefined)),
    },
    again: again.map((name) => names.indexOf(name)),
    reached: gradients.map((name) => name !== undefined),
  };
}

/**
 * Runs both passes of a graph once, with the result in place of the cotangent: TensorFlow does most of its work on a
 * graph when that first runs, and what it cannot run must not come out in the middle of a tape.
 */
function tryOut(backend: NodeBackend, { model, forward, backward, again }: Graph, all: readonly number[]): void {
  const idsOf = (handles: readonly Handle[]) => handles.map(({ id }) => id);
  const made = idsOf(runNames(backend, model, all, forward));
  try {
    const [value, ...kept] = made as [number, ...number[]];
    const given = [...kept, ...again.map((i) => all[i] as number), value];
    if (backward.wanted) made.push(...idsOf(runNames(backend, model, given, backward)));
  } finally {
    for (const id of made) backend.binding.deleteTensor(id);
  }
}

/** The folder from which TensorFlow takes a graph. */
function written({ fs, tmpdir }: Disk, nodes: Recording["nodes"]): string {
  let folder: string | undefined;
  try {
    folder = fs.mkdtempSync(`${tmpdir}/sid-lsg-`);
    fs.writeFileSync(`${folder}/saved_model.pb`, savedModel(nodes));
    return folder;
  } catch (cause) {
    if (folder) fs.rmSync(folder, { recursive: true, force: true });
    throw new SidError("io", `useBackend: cannot hand a network to TensorFlow through ${tmpdir}.`, { cause });
  }
}
