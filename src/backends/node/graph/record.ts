import type { Tensor } from "@tensorflow/tfjs-core";
import { type NodeBackend, releaseConstants } from "../operations";
import { forgetViews } from "../views";
import { constant, type NodeDef, operation, placeholder, type TensorType } from "./graph-def";

/** What TensorFlow was asked to compute, as a graph. */
export interface Recording {
  /** In the order of the calls; `p0`, `p1`, ... are the inputs. */
  readonly nodes: ReadonlyMap<string, NodeDef>;
  /** Of each value, TensorFlow's number of its type. */
  readonly dtypes: ReadonlyMap<string, number>;
  /** Number of nodes before the border that the body drew. */
  readonly border: number;
  /** Names of the body's results; undefined for what the graph does not compute. */
  readonly results: readonly (string | undefined)[];
}

/** Elements from which on operations run in the order in which they were recorded: memory then peaks as it did there. */
const large = 2 ** 18;

/** Operations that give another view of their first input's memory. */
const views = ["Reshape", "Bitcast"];

/**
 * Records what `body` has the backend compute, and computes it; what comes twice is one node. Undefined if a graph could
 * not do the same: a value was read, or a tensor came from elsewhere.
 *
 * @param inputs - float32 tensors, which become placeholders.
 * @param body - may draw one border: nothing after it makes something before it wait.
 * @param room - elements that may be taken from before the border, where `body` computes them again after it.
 */
export function record(
  backend: NodeBackend,
  inputs: readonly Tensor[],
  body: (drawBorder: () => void) => readonly (Tensor | null | undefined)[],
  room: number,
): Recording | undefined {
  const nodes = new Map<string, NodeDef>();
  const values = new Map<number, { readonly name: string } & TensorType>();
  let whole = true;
  /** By operation, settings and inputs, what is computed, and whether on this side of the border, or kept for it. */
  const computed = new Map<string, { readonly name: string; here: boolean }>();
  let left = room;
  let lastLarge: string | undefined;
  let border = 0;
  const add = (name: string, node: NodeDef): string => {
    nodes.set(name, node);
    return name;
  };
  const { binding } = backend;

  for (const { dataId } of inputs) forgetViews(backend, dataId);
  for (const [i, tensor] of inputs.entries()) {
    const type = { dtype: 1, shape: tensor.shape };
    const name = add(`p${i}`, placeholder(type));
    const [id] = backend.getInputTensorIds([tensor]) as [number];
    values.set(id, { name, ...type });
    // The memory may have another shape, in which other operations find it.
    const memory = backend.tensorMap.get(tensor.dataId);
    if (memory.id === id || values.has(memory.id)) continue;
    const sizes = { dtype: 3, shape: [memory.shape.length] };
    const shape = add(`s${i}`, constant(sizes, Int32Array.from(memory.shape)));
    add(`m${i}`, operation("Reshape", [], [name, shape], [1]));
    values.set(memory.id, { name: `m${i}`, dtype: 1, shape: memory.shape });
  }

  const executeOp: NodeBackend["binding"]["executeOp"] = (operationName, attributes, ids, outputs) => {
    const results = binding.executeOp(operationName, attributes, ids, outputs);
    const taken = ids.map((id) => values.get(id));
    if (taken.includes(undefined)) whole = false;
    if (!whole) return results;
    const known = taken as { readonly name: string; readonly dtype: number }[];
    const names = known.map(({ name }) => name);
    const size = Math.max(...results.map(({ shape }) => shape.reduce((a, b) => a * b, 1)));
    const isView = views.includes(operationName);
    const give = (name: string) => {
      for (const [i, { id, dtype, shape }] of results.entries())
        values.set(id, { name: i === 0 ? name : `${name}:${i}`, dtype, shape });
    };
    const key = JSON.stringify([operationName, attributes, names]);
    const same = computed.get(key);
    const toKeep = same?.here || isView ? 0 : size;
    if (same && toKeep <= left) {
      left -= toKeep;
      same.here = true;
      give(same.name);
      return results;
    }
    const isLarge = size >= large && !isView;
    const after = isLarge && lastLarge && !names.includes(lastLarge) ? [`^${lastLarge}`] : [];
    const dtypes = known.map(({ dtype }) => dtype);
    const name = add(`n${nodes.size}`, operation(operationName, attributes, [...names, ...after], dtypes));
    computed.set(key, { name, here: true });
    if (isLarge) lastLarge = name;
    give(name);
    return results;
  };
  const createTensor: NodeBackend["binding"]["createTensor"] = (shape, dtype, elements) => {
    const id = binding.createTensor(shape, dtype, elements);
    values.set(id, { name: add(`c${nodes.size}`, constant({ dtype, shape }, elements)), dtype, shape });
    return id;
  };
  const reads = (id: number) => {
    whole = false;
    return binding.tensorDataSync(id);
  };
  const recorder = Object.create(binding, {
    executeOp: { value: executeOp },
    createTensor: { value: createTensor },
    tensorDataSync: { value: reads },
  });
  backend.binding = recorder;
  try {
    const tensors = body(() => {
      border = nodes.size;
      lastLarge = undefined;
      for (const node of computed.values()) node.here = false;
    });
    const nameOf = (tensor: Tensor) => values.get(backend.getInputTensorIds([tensor])[0] as number)?.name;
    const results = tensors.map((tensor, i) => {
      const name = tensor ? nameOf(tensor) : undefined;
      // A name of its own: a session does not give back what it was given.
      return name && add(`r${i}`, operation("Identity", [], [name], [1]));
    });
    const dtypes = new Map([...values.values()].map(({ name, dtype }) => [name, dtype]));
    return whole ? { nodes, dtypes, border, results } : undefined;
  } finally {
    backend.binding = binding;
    releaseConstants(recorder);
  }
}

/**
 * What the nodes after the border take from before it, but for constants: names of values. In place of another view of
 * a value stands the value.
 */
export function acrossBorder({ nodes, border }: Recording): string[] {
  const names = [...nodes.keys()];
  const before = new Set(names.slice(0, border));
  const sourceOf = (value: string): string => {
    const { operation, inputs } = nodes.get(value) ?? {};
    return operation && views.includes(operation) && inputs?.[0] ? sourceOf(inputs[0]) : value;
  };
  const taken = names
    .slice(border)
    .flatMap((name) => nodes.get(name)?.inputs ?? [])
    .filter((value) => before.has(nodeOf(value)))
    .map(sourceOf);
  return [...new Set(taken)].filter((value) => nodes.get(nodeOf(value))?.operation !== "Const");
}

/** The node that gives a value. */
const nodeOf = (value: string) => value.split(":")[0] as string;
