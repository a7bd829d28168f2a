import { describe } from "../core/checks";
import { SidError } from "../core/errors";
import { PthTensor } from "./pth-names";
import { corrupt, isText } from "./safetensors-header";

/** Dictionaries in dictionaries: an optimiser's state has three. */
const deepest = 32;
/** Values that are looked at: those that a pickle holds once may stand in it many times. */
const mostValues = 2 ** 22;
/** Characters of the longest name of a tensor. */
const longestName = 1024;
/** Characters of all names, and what a tensor weighs in them beside its name: one may stand under many names. */
const [mostCharacters, perTensor] = [2 ** 25, 64];

/**
 * The tensors of what a file of PyTorch holds, by name. `key` names the dictionary that they are taken from, with dots
 * for those inside others. Without it, as long as a dictionary holds no tensor itself, the one in it that does is taken:
 * `state_dict` where there is one of that name, else the only one. Dictionaries and lists within give names with dots.
 */
export function stateDict(where: string, root: unknown, key?: string): ReadonlyMap<string, PthTensor> {
  const look = looker(where);
  const start = key === undefined ? chosen(where, root, look.count) : inside(where, root, key);
  const tensors = new Map<string, PthTensor>();
  let characters = 0;
  look.visit(start, (path, length, tensor) => {
    if (length > longestName)
      throw corrupt(where, `a tensor's name has ${length} characters; at most ${longestName} are read`);
    characters += length + perTensor;
    if (characters > mostCharacters)
      throw corrupt(where, `its ${tensors.size} first tensors have names of more than ${mostCharacters} characters`);
    const name = path.join(".") || "tensor";
    if (name === "__metadata__" || !isText(name)) throw corrupt(where, `a tensor cannot be called ${describe(name)}`);
    if (tensors.has(name)) throw corrupt(where, `two tensors would be called ${describe(name)}`);
    tensors.set(name, tensor);
  });
  if (tensors.size > 0) return tensors;
  throw new SidError("unsupported", `${where}: there is no tensor in it${holding(start)}.`);
}

/** Walks through dictionaries and lists, each value as often as it stands there, but without end never. */
function looker(where: string) {
  let seen = 0;
  const visit = (
    value: unknown,
    found: (path: readonly string[], length: number, tensor: PthTensor) => void,
    path: readonly string[] = [],
    length = 0,
  ): void => {
    const go = (name: string, child: unknown) => visit(child, found, [...path, name], length + name.length + 1);
    if (++seen > mostValues) throw corrupt(where, `it holds more than ${mostValues} values`);
    if (path.length > deepest) throw corrupt(where, `it holds values in values, more than ${deepest} deep`);
    if (value instanceof PthTensor) found(path, Math.max(0, length - 1), value);
    else if (value instanceof Map) for (const [name, child] of value) go(nameOf(name), child);
    else if (Array.isArray(value)) for (const [i, child] of value.entries()) go(String(i), child);
  };
  const count = (value: unknown): number => {
    let tensors = 0;
    visit(value, () => tensors++);
    return tensors;
  };
  return { visit, count };
}

function chosen(where: string, root: unknown, count: (value: unknown) => number): unknown {
  for (let value = root, depth = 0; ; depth++) {
    if (!(value instanceof Map) || depth > deepest || [...value.values()].some((child) => child instanceof PthTensor))
      return value;
    const sets = [...value].filter(([, child]) => count(child) > 0);
    const [only] = sets.length > 1 ? sets.filter(([name]) => name === "state_dict") : sets;
    if (only) value = only[1];
    else if (sets.length === 0) return value;
    else
      throw new SidError(
        "invalid-argument",
        `${where}: it holds ${sets.length} sets of tensors, ${list(sets.map(([name]) => name))}: say which, by the option key.`,
      );
  }
}

/** The value that a key with dots names; a name may have dots itself. */
function inside(where: string, root: unknown, key: string): unknown {
  const find = (value: unknown, rest: string): unknown => {
    if (!(value instanceof Map)) return undefined;
    for (const [name, child] of value) {
      if (nameOf(name) === rest) return child;
      const found = rest.startsWith(`${nameOf(name)}.`) ? find(child, rest.slice(nameOf(name).length + 1)) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const found = find(root, key);
  if (found === undefined || found === null)
    throw new SidError("invalid-argument", `${where}: there is no ${describe(key)} in it${holding(root)}.`);
  return found;
}

function holding(value: unknown): string {
  return value instanceof Map ? `; it holds ${list([...value.keys()])}` : `; it is ${describe(value)}`;
}

function list(names: readonly unknown[]): string {
  const shown = names.slice(0, 8).map((name) => describe(name));
  return names.length === 0
    ? "nothing"
    : [...shown, ...(names.length > 8 ? [`${names.length - 8} more`] : [])].join(", ");
}

function nameOf(name: unknown): string {
  return typeof name === "string" ? name : describe(name);
}
