import { concat, reshape, type Tensor } from "@tensorflow/tfjs-core";

/** Parts of the library, as the table of the documentation names them. */
export const groups = ["noise", "primitives", "operations", "layers", "networks", "training"] as const;
export type Group = (typeof groups)[number];

/** Something that every backend must compute alike. */
export interface ContractCase {
  readonly group: Group;
  readonly name: string;
  /** Draws its inputs itself. Everything it makes but what it returns is freed by whoever calls it. */
  readonly run: () => Tensor[];
}

/** Names cases of one group. */
export function casesOf(group: Group, cases: Readonly<Record<string, () => Tensor | Tensor[]>>): ContractCase[] {
  return Object.entries(cases).map(([name, run]) => ({ group, name, run: () => [run()].flat() }));
}

/** All their elements in one tensor, so that one norm scales the error: a gradient that vanishes has none of its own. */
export function joined(tensors: readonly Tensor[]): Tensor {
  return concat(tensors.map((x) => reshape(x, [-1])));
}
