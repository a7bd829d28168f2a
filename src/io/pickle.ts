import { describe } from "../core/checks";
import { SidError } from "../core/errors";
import { corrupt } from "./safetensors-header";

/** What a pickle may name, and what becomes of it. */
export interface PickleNames {
  /** What a name such as `collections.OrderedDict` stands for; throws for those that are refused. */
  global(name: string): unknown;
  /** The outcome of a call of what {@link global} gave. `spend` is told how many values it copies: they count as containers. */
  call(callee: unknown, args: readonly unknown[], spend: (values: number) => void): unknown;
  /** What a persistent id stands for: in PyTorch's files, a storage. */
  persistent(id: unknown): unknown;
}

/** Thrown where the bytes end before the pickle does: there may be more of them. */
export class EndOfPickle extends Error {}

/**
 * A file of more values that take memory of their own (lists, tuples, dictionaries, bytes, tensors, what is kept for later)
 * is none of weights: two hundred thousand tensors would need as many.
 */
const mostContainers = 2 ** 22;
/** The same of opcodes. */
const mostOpcodes = 2 ** 24;
/** Characters of a dictionary's longest key. Engines compare those of more than 16383 one by one. */
const longestKey = 4096;
/** Digits of the longest integer; PyTorch's own have 10 bytes at most. */
const longestInteger = 255;
/** Bytes of the longest text of the old kinds, which names are. */
const longestLine = 2 ** 20;

const utf8 = /* @__PURE__ */ new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Reads one pickle, of any protocol, as plain data: numbers (bigint beyond 2^53), text, `Uint8Array`, arrays for lists and
 * tuples, `Map` for dictionaries (numbers among its keys as text), a `Set` without its values, null for None. Nothing is
 * executed: what the pickle names or calls goes to `names`, which knows a handful and refuses all others. Time and
 * memory stay within a small multiple of the pickle's length, whatever refers to what.
 *
 * Our own few opcodes in place of a package: the ones that exist call what a pickle says with any arguments, do not see
 * an empty stack, and take no integer of the 10 bytes with which PyTorch's older files begin.
 *
 * Source: CPython's Lib/pickletools.py.
 *
 * @returns the value and where its pickle ends.
 * @throws SidError `corrupt-file` for what no pickler writes, {@link EndOfPickle}, and what `names` throws.
 */
export function readPickle(where: string, bytes: Uint8Array, begin: number, names: PickleNames) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const memo = new Map<number, unknown>();
  const outer: unknown[][] = [];
  let stack: unknown[] = [];
  let at = begin;
  let containers = 0;

  const skip = (length: number): number => {
    if (!(length <= bytes.length - at)) throw new EndOfPickle(`${where}: the pickle is cut off.`);
    at += length;
    return at - length;
  };
  const damaged = (message: string) => corrupt(where, `the pickle is damaged at byte ${at}: ${message}`);
  const pop = (): unknown => {
    if (stack.length === 0) throw damaged("it takes a value that is not there");
    return stack.pop();
  };
  const top = (): unknown => {
    if (stack.length === 0) throw damaged("it looks at a value that is not there");
    return stack[stack.length - 1];
  };
  /** What was put down since the last mark. */
  const marked = (): unknown[] => {
    const values = stack;
    const before = outer.pop();
    if (!before) throw damaged("it goes back to a mark that is not there");
    stack = before;
    return values;
  };
  const spend = (count: number): void => {
    containers += count;
    if (containers > mostContainers) throw corrupt(where, `the pickle makes more than ${mostContainers} containers`);
  };
  const contain = <T>(container: T): T => {
    spend(1);
    return container;
  };
  const keep = (index: number): void => {
    spend(1);
    memo.set(index, top());
  };
  const popped = (count: number): unknown[] => {
    const values = Array.from({ length: count }, pop).reverse();
    return contain(values);
  };
  const byte = () => bytes[skip(1)] as number;
  const uint16 = () => view.getUint16(skip(2), true);
  const uint32 = () => view.getUint32(skip(4), true);
  const uint64 = () => Number(view.getBigUint64(skip(8), true));
  const raw = (length: number) => {
    const from = skip(length);
    return bytes.subarray(from, from + length);
  };
  const kept = (length: number) => {
    spend(8);
    return raw(length).slice();
  };
  const latin1 = (characters: Uint8Array): string => {
    if (characters.length > longestLine) throw damaged(`a text of ${characters.length} bytes`);
    return Array.from(characters, (byte) => String.fromCharCode(byte)).join("");
  };
  const line = (): string => {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) throw new EndOfPickle(`${where}: the pickle is cut off.`);
    const text = latin1(raw(end - at));
    skip(1);
    return text;
  };
  const decimal = (text: string): unknown => {
    const [digits] = /^[+-]?\d+(?=L?$)/.exec(text) ?? [];
    if (digits === undefined || digits.length > longestInteger) throw damaged(`${describe(text)} is no integer`);
    return small(BigInt(digits));
  };
  const long = (length: number): unknown => {
    if (length > longestInteger) throw damaged(`an integer of ${length} bytes`);
    const digits = raw(length);
    const value = digits.reduceRight((sum, digit) => sum * 256n + BigInt(digit), 0n);
    return small(BigInt.asIntN(8 * length, value));
  };
  const recall = (index: number): unknown => {
    if (!memo.has(index)) throw damaged(`it recalls the value ${index}, which it has not kept`);
    return memo.get(index);
  };
  const append = (values: readonly unknown[]): void => {
    const list = top();
    if (!Array.isArray(list)) throw damaged(`it appends to ${describe(list)}`);
    for (const value of values) list.push(value);
  };
  const fill = (map: unknown, pairs: readonly unknown[]) => {
    if (!(map instanceof Map) || pairs.length % 2 !== 0)
      throw damaged(`it puts ${pairs.length} halves of pairs into ${describe(map)}`);
    for (let i = 0; i < pairs.length; i += 2) putPair(where, map, pairs[i], pairs[i + 1]);
    return map;
  };
  const call = (callee: unknown, args: unknown): unknown => {
    if (!Array.isArray(args)) throw damaged(`it calls with ${describe(args)}`);
    return contain(names.call(callee, args, spend));
  };
  const called = (args: unknown) => call(pop(), args);
  const text = (value: unknown): string => {
    if (typeof value !== "string") throw damaged(`a name is text, got ${describe(value)}`);
    return value;
  };
  const quoted = (): string => {
    const [, , inner] = /^(['"])([^\\]*)\1$/.exec(line()) ?? [];
    if (inner === undefined) throw damaged("a text without its quotes, or with escapes");
    return inner;
  };
  const escaped = () =>
    line().replace(/\\u([\da-fA-F]{4})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16)));
  const named = () => {
    const module = line();
    return names.global(`${module}.${line()}`);
  };
  const extension = (code: number) => names.global(`copyreg extension ${code}`);

  /** The opcodes that put down a value. */
  const values: Readonly<Record<string, () => unknown>> = {
    ...{ 2: top, g: () => recall(Number(decimal(line()))), h: () => recall(byte()), j: () => recall(uint32()) },
    ...{ N: () => null, "\x88": () => true, "\x89": () => false },
    ...{ K: byte, M: uint16, J: () => view.getInt32(skip(4), true), G: () => view.getFloat64(skip(8)) },
    ...{ "\x8a": () => long(byte()), "\x8b": () => long(uint32()), L: () => decimal(line()), F: () => Number(line()) },
    I: () => {
      const digits = line();
      return digits === "00" ? false : digits === "01" ? true : decimal(digits);
    },
    ...{ S: quoted, V: escaped, T: () => latin1(raw(uint32())), U: () => latin1(raw(byte())) },
    X: () => utf8.decode(raw(uint32())),
    ...{ "\x8c": () => utf8.decode(raw(byte())), "\x8d": () => utf8.decode(raw(uint64())) },
    ...{ B: () => kept(uint32()), C: () => kept(byte()), "\x8e": () => kept(uint64()), "\x96": () => kept(uint64()) },
    ...{ ")": () => contain([]), "]": () => contain([]), t: () => contain(marked()), l: () => contain(marked()) },
    ...{ "\x85": () => popped(1), "\x86": () => popped(2), "\x87": () => popped(3) },
    "}": () => contain(new Map()),
    d: () => fill(contain(new Map()), marked()),
    "\x8f": () => contain(new Set()),
    "\x91": () => {
      marked();
      return contain(new Set());
    },
    c: named,
    "\x93": () => {
      const [module, name] = popped(2);
      return names.global(`${text(module)}.${text(name)}`);
    },
    i: () => call(named(), marked()),
    o: () => {
      const [callee, ...args] = marked();
      return call(callee, args);
    },
    ...{ R: () => called(pop()), "\x81": () => called(pop()), "\x92": () => called(popped(2)[0]) },
    ...{ P: () => contain(names.persistent(line())), Q: () => contain(names.persistent(pop())) },
    ...{ "\x82": () => extension(byte()), "\x83": () => extension(uint16()), "\x84": () => extension(uint32()) },
  };
  /** The others. */
  const acts: Readonly<Record<string, () => void>> = {
    "\x80": () => {
      const protocol = byte();
      if (protocol > 5)
        throw new SidError("unsupported", `${where}: a pickle of protocol ${protocol}; 0 to 5 are read.`);
    },
    "\x95": () => skip(8),
    "(": () => {
      outer.push(contain(stack));
      stack = [];
    },
    ...{ 0: () => (stack.length > 0 ? stack.pop() : marked()), 1: marked },
    ...{ p: () => keep(Number(decimal(line()))), q: () => keep(byte()) },
    ...{ r: () => keep(uint32()), "\x94": () => keep(memo.size) },
    a: () => append([pop()]),
    e: () => append(marked()),
    s: () => {
      const pair = popped(2);
      fill(top(), pair);
    },
    u: () => {
      const pairs = marked();
      fill(top(), pairs);
    },
    // No tensor is taken from a set.
    "\x90": () => {
      marked();
      const set = top();
      if (!(set instanceof Set)) throw damaged(`it adds to ${describe(set)}`);
    },
    // Attributes, such as the versions that PyTorch keeps beside a dictionary: no tensor is among them.
    b: () => {
      pop();
      if (!(top() instanceof Map)) throw damaged(`it gives attributes to ${describe(top())}`);
    },
  };
  for (let opcodes = 0; ; opcodes++) {
    if (opcodes > mostOpcodes) throw corrupt(where, `the pickle has more than ${mostOpcodes} opcodes`);
    const opcode = String.fromCharCode(byte());
    if (opcode === ".") return { value: pop(), end: at };
    const make = values[opcode];
    const act = acts[opcode];
    if (make) {
      // It may go back to a mark, and to another stack.
      const value = make();
      stack.push(value);
    } else if (act) act();
    else throw damaged(`there is no opcode ${opcode.charCodeAt(0)}`);
  }
}

/**
 * Puts a pair into a dictionary. Numbers become text: an engine's tables mix texts with a secret of their own, but numbers
 * can be chosen so that all fall into one place, where each is compared with all before.
 */
export function putPair(where: string, map: Map<unknown, unknown>, key: unknown, value: unknown): void {
  if (typeof key === "string" && key.length > longestKey)
    throw corrupt(
      where,
      `the pickle has a key of ${key.length} characters in a dictionary; at most ${longestKey} are read`,
    );
  const name = typeof key === "number" || typeof key === "bigint" ? String(key) : key;
  if (map.has(name)) throw corrupt(where, `the pickle puts the key ${describe(name)} into a dictionary twice`);
  map.set(name, value);
}

/** An integer as a number where that is exact. */
function small(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
