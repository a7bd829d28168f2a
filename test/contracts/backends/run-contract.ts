import { engine, memory, setBackend, type Tensor, tidy } from "@tensorflow/tfjs-core";
import type { ReplayReport } from "../../../scripts/replay/replay";
import type { BackendName } from "../../../src/backends";
import type { ContractCase, Group } from "./contract-case";
import { layers } from "./layers";
import { networks } from "./networks";
import { noise } from "./noise";
import { operations } from "./operations";
import { primitives } from "./primitives";
import { tolerances } from "./tolerances";
import { training } from "./training";

/** Everything that every backend must compute alike. */
export const contract: readonly ContractCase[] = [
  ...noise,
  ...primitives,
  ...operations,
  ...layers,
  ...networks,
  ...training,
];

/** What one case gave on one backend, as plain JSON. */
export interface ContractRow {
  readonly group: Group;
  readonly name: string;
  /** Largest relative L2 error of a result against `cpu`'s; null where there is none. */
  readonly error: number | null;
  /** Tensors, or their data, that stayed behind. */
  readonly leaked: number;
  readonly pass: boolean;
  /** What was thrown, or how results differ in shape. */
  readonly message?: string;
}

/** What a backend gave in one place: the file from which the documentation's table is made. */
export interface ContractReport {
  readonly place: "Node" | "Chromium";
  readonly backend: BackendName;
  readonly rows: readonly ContractRow[];
  /** How the recorded run of the official loop went. */
  readonly replay: { readonly pass: boolean; readonly worst: string; readonly share: number } | undefined;
}

/** A replay in short: which of its figures came closest to its limit, and how close. */
export function replayed({ figures, pass }: ReplayReport): ContractReport["replay"] {
  const shares = Object.entries(figures).map(([name, { value, limit }]) => ({ name, share: value / limit }));
  const { name, share } = shares.reduce((a, b) => (b.share <= a.share ? a : b));
  return { pass, worst: name, share };
}

interface Numbers {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly values: ArrayLike<number>;
}

/** What a case gives on a backend that was started, by TensorFlow.js's name of it, and how much stays behind. */
async function compute(backend: string, { run }: ContractCase): Promise<{ results: Numbers[]; leaked: number }> {
  await setBackend(backend);
  const count = () => memory().numTensors + engine().backend.numDataIds();
  const before = count();
  const tensors = tidy(() => run() as never) as Tensor[];
  const results: Numbers[] = [];
  for (const x of tensors) {
    results.push({ shape: x.shape, dtype: x.dtype, values: (await x.data()).slice() });
    x.dispose();
  }
  return { results, leaked: count() - before };
}

/**
 * Runs one case on `cpu` and on another backend, both started, and compares. Errors become rows, so that a table can
 * show them.
 */
export async function checkCase(one: ContractCase, backend: BackendName): Promise<ContractRow> {
  const { group, name } = one;
  const row = (rest: Omit<ContractRow, "group" | "name">) => ({ group, name, ...rest });
  const wanted = await compute("cpu", one);
  try {
    const { results, leaked } = await compute(tfjsNames[backend] ?? backend, one);
    const outline = (all: readonly Numbers[]) => JSON.stringify(all.map(({ shape, dtype }) => [shape, dtype]));
    if (outline(results) !== outline(wanted.results))
      return row({ error: null, leaked, pass: false, message: `${outline(results)} for ${outline(wanted.results)}` });
    const error = Math.max(...results.map((x, i) => difference(x.values, wanted.results[i]?.values ?? [])));
    const limit = group === "noise" ? 0 : tolerances[backend];
    return row({ error: Number.isNaN(error) ? null : error, leaked, pass: error <= limit && leaked === 0 });
  } catch (error) {
    return row({ error: null, leaked: 0, pass: false, message: String((error as Error)?.message ?? error) });
  }
}

/** Names that TensorFlow.js gives to backends of ours. */
const tfjsNames: Readonly<Record<string, string>> = { node: "tensorflow", "node-gpu": "tensorflow" };

/** `‖actual − wanted‖ / ‖wanted‖`; NaN where a number is. */
function difference(actual: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let [distance, norm] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    distance += ((actual[i] as number) - (wanted[i] as number)) ** 2;
    norm += (wanted[i] as number) ** 2;
  }
  return norm === 0 ? Math.sqrt(distance) : Math.sqrt(distance / norm);
}
