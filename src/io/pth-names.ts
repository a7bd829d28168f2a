import { describe } from "../core/checks";
import { SidError } from "../core/errors";
import type { HostDtype, OtherDtype } from "../core/host-tensor";
import { type PickleNames, putPair } from "./pickle";
import { corrupt, countElements } from "./safetensors-header";

/** The elements that some tensors share, as a pickle of PyTorch refers to them. */
export interface PthStorage {
  /** Which record of the file they are. */
  readonly key: string;
  /** The type of all its elements; absent for mere bytes. */
  readonly dtype: HostDtype | OtherDtype | undefined;
  /** Elements of that type, or bytes. */
  readonly count: number;
  /** The part of the record that this is, in elements; absent for the whole. */
  readonly view?: { readonly begin: number; readonly count: number } | undefined;
}

/** A tensor as a view of a storage: element `[i, j, …]` is number `offset + i·stride[0] + j·stride[1] + …`. */
export class PthTensor {
  constructor(
    readonly storage: PthStorage,
    readonly dtype: HostDtype | OtherDtype,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** The types of storages, but for the ending `Storage`. */
const storageTypes: Readonly<Record<string, HostDtype | OtherDtype>> = {
  ...{ Float: "F32", Half: "F16", BFloat16: "BF16", Double: "F64", ComplexFloat: "C64" },
  ...{ Long: "I64", Int: "I32", Short: "I16", Char: "I8", Byte: "U8", Bool: "BOOL" },
};

/** PyTorch's names of types. */
const dtypes: Readonly<Record<string, HostDtype | OtherDtype>> = {
  ...{ float32: "F32", float16: "F16", bfloat16: "BF16", float64: "F64", complex64: "C64" },
  ...{ int64: "I64", int32: "I32", int16: "I16", int8: "I8" },
  ...{ uint64: "U64", uint32: "U32", uint16: "U16", uint8: "U8", bool: "BOOL" },
  ...{ float8_e4m3fn: "F8_E4M3", float8_e4m3fnuz: "F8_E4M3FNUZ", float8_e5m2: "F8_E5M2" },
  ...{ float8_e5m2fnuz: "F8_E5M2FNUZ", float8_e8m0fnu: "F8_E8M0" },
};

/** Bytes per element of what a storage may hold. */
export const pthElementBytes: Readonly<Partial<Record<HostDtype | OtherDtype, number>>> = {
  ...{ F32: 4, F16: 2, BF16: 2, F64: 8, C64: 8, I64: 8, I32: 4, I16: 2, I8: 1 },
  ...{ U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1 },
  ...{ F8_E4M3: 1, F8_E4M3FNUZ: 1, F8_E5M2: 1, F8_E5M2FNUZ: 1, F8_E8M0: 1 },
};

/** More dimensions than any tensor of PyTorch has. */
const mostDimensions = 64;

/** A function that a pickle may call; `spend` is told how many values it copies. */
type Call = (args: readonly unknown[], spend: (values: number) => void) => unknown;

/** What a name of the list below stands for until it is called. */
class Global {
  constructor(
    readonly name: string,
    readonly call: Call,
  ) {}
}

/** The few names that a file of tensors needs; all others are refused as soon as they are met. */
export function pthNames(where: string): PickleNames {
  const bad = (what: string, got: unknown) => corrupt(where, `the pickle has ${what}, got ${describe(got)}`);
  const integer = (what: string, value: unknown): number => {
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
      throw bad(`${what} that is no whole number`, value);
    return value;
  };
  const integers = (what: string, values: unknown): readonly number[] => {
    if (!Array.isArray(values) || values.length > mostDimensions) throw bad(`${what} that is no list`, values);
    return values.map((value) => integer(what, value));
  };
  const tensor = (args: readonly unknown[], spend: (values: number) => void, type?: HostDtype | OtherDtype) => {
    const [storage, at, sizes, steps] = args;
    if (!isStorage(storage)) throw bad("a tensor without a storage", storage);
    const [offset, shape, strides] = [
      integer("an offset", at),
      integers("a shape", sizes),
      integers("a stride", steps),
    ];
    spend(shape.length);
    const dtype = type ?? storage.dtype;
    if (dtype === undefined) throw bad("a tensor without a type", dtype);
    const perElement = storage.dtype === undefined ? (pthElementBytes[dtype] ?? 1) : 1;
    const count = (storage.view?.count ?? storage.count) / perElement;
    const end = shape.includes(0) ? 0 : shape.reduce((sum, n, i) => sum + (n - 1) * (strides[i] ?? NaN), offset + 1);
    if (shape.length !== strides.length || !(end <= count) || Number.isNaN(countElements(shape)))
      throw corrupt(
        where,
        `a tensor of shape [${shape.join(", ")}], strides [${strides.join(", ")}] and offset ${offset} does not lie in its storage of ${count} elements`,
      );
    return new PthTensor(storage, dtype, offset, shape, strides);
  };
  const calls: Readonly<Record<string, Call>> = {
    "collections.OrderedDict": ([pairs = []], spend) => {
      if (!Array.isArray(pairs)) throw bad("a dictionary of no pairs", pairs);
      // The same list may be copied again and again.
      spend(pairs.length);
      const dictionary = new Map<unknown, unknown>();
      for (const pair of pairs) {
        if (!Array.isArray(pair)) throw bad("a dictionary of no pairs", pair);
        putPair(where, dictionary, pair[0], pair[1]);
      }
      return dictionary;
    },
    "torch._utils._rebuild_tensor": (args, spend) => tensor(args, spend),
    "torch._utils._rebuild_tensor_v2": (args, spend) => tensor(args, spend),
    "torch._utils._rebuild_tensor_v3": (args, spend) => {
      const dtype = args[6];
      if (!(dtype instanceof Global) || dtypes[dtype.name.slice("torch.".length)] === undefined)
        throw bad("a tensor without a type", dtype);
      return tensor(args, spend, dtypes[dtype.name.slice("torch.".length)]);
    },
    "torch._utils._rebuild_parameter": ([value]) => {
      if (!(value instanceof PthTensor)) throw bad("a parameter that is no tensor", value);
      return value;
    },
    "torch.Size": ([sizes]) => sizes,
    "torch.device": ([name]) => name,
  };
  const notCalled = (name: string) => (): never => {
    throw corrupt(where, `the pickle calls ${JSON.stringify(name)}`);
  };
  return {
    global(name) {
      const call = Object.hasOwn(calls, name) ? calls[name] : undefined;
      const [, type = "", isStorage] = /^torch\.(?:storage\.)?(\w+?)(Storage)?$/.exec(name) ?? [];
      const known = isStorage
        ? type === "Untyped" || Object.hasOwn(storageTypes, type)
        : Object.hasOwn(dtypes, type) && name === `torch.${type}`;
      if (call || known) return new Global(name, call ?? notCalled(name));
      throw new SidError(
        "unsupported",
        `${where}: the pickle names ${describe(name)}, which is not run: only tensors, parameters, dictionaries and plain ` +
          "values are read. If you trust where the file is from, save its tensors alone: in PyTorch, " +
          "torch.save(model.state_dict(), path).",
      );
    },
    call(callee, args, spend) {
      if (!(callee instanceof Global)) throw bad("a call of what is no function", callee);
      return callee.call(args, spend);
    },
    persistent(id) {
      const [kind, type, name, , size, viewed] = Array.isArray(id) ? id : [];
      const [, word = ""] = type instanceof Global ? (/(\w+)Storage$/.exec(type.name) ?? []) : [];
      if (kind !== "storage" || word === "" || typeof name !== "string") throw bad("a persistent id of no storage", id);
      const count = integer("a size of a storage", size);
      const whole = { key: name, dtype: storageTypes[word], count };
      if (viewed === undefined || viewed === null) return whole;
      // Files of before PyTorch 1.6: this storage is a part of the one that the record holds.
      const [viewName, offset, length] = Array.isArray(viewed) ? viewed : [];
      const view = { begin: integer("an offset of a view", offset), count: integer("a size of a view", length) };
      if (typeof viewName !== "string" || !(view.begin + view.count <= count))
        throw bad("a view outside its storage", viewed);
      return { ...whole, view };
    },
  };
}

function isStorage(value: unknown): value is PthStorage {
  return typeof value === "object" && value !== null && "key" in value && "count" in value;
}
