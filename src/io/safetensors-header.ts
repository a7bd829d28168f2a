import { describe, isObject } from "../core/checks";
import { SidError } from "../core/errors";
import type { HostDtype, OtherDtype } from "../core/host-tensor";
import { identify } from "./first-bytes";

/** Bytes per element of what this library reads and writes, in the official writer's order. */
export const elementBytes: Readonly<Record<HostDtype, number>> = {
  ...{ U64: 8, I64: 8, F64: 8, F32: 4, U32: 4, I32: 4 },
  ...{ BF16: 2, F16: 2, U16: 2, I16: 2, I8: 1, U8: 1, BOOL: 1 },
};

/** Bits per element of all that the format knows. */
const elementBits: Readonly<Record<HostDtype | OtherDtype, number>> = {
  ...{ U64: 64, I64: 64, F64: 64, C64: 64, F32: 32, U32: 32, I32: 32 },
  ...{ BF16: 16, F16: 16, U16: 16, I16: 16, I8: 8, U8: 8, BOOL: 8 },
  ...{ F8_E4M3: 8, F8_E5M2: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8, F6_E2M3: 6, F6_E3M2: 6, F4: 4 },
};

/** The format's own limit on the header, in bytes. */
export const maxHeaderBytes = 100_000_000;

/** Where one tensor lies: bytes `[begin, end)` after the header. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: HostDtype | OtherDtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** What a header says. */
export interface SafetensorsHeader {
  /** In the order of their bytes. */
  readonly entries: readonly TensorEntry[];
  readonly metadata: Record<string, string>;
}

/** The length of the header, from the file's first 8 bytes, checked against the limit and the file's size. */
export function headerLength(where: string, prefix: Uint8Array, fileBytes: number): number {
  if (prefix.length < 8) throw corrupt(where, `wanted at least 8 bytes, got ${prefix.length}`);
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes))
    throw corrupt(where, `the header's length must be at most ${maxHeaderBytes} bytes, got ${length}`);
  if (Number(length) > fileBytes - 8)
    throw corrupt(
      where,
      `the header needs ${length} bytes, the file has ${fileBytes - 8} after its length: it is cut off or no safetensors file`,
    );
  return Number(length);
}

/** The error of a file that cannot be read, or in its place one that says what kind of file this is instead. */
export function naming(where: string, error: unknown, head: Uint8Array, fileBytes: number): unknown {
  const found = identify(head, fileBytes, "safetensors");
  return found === undefined ? error : corrupt(where, `wanted a safetensors file, the file is ${found}`, error);
}

/** Reads a header and checks that its tensors cover exactly `dataBytes` bytes, without gaps or overlaps. */
export function parseHeader(where: string, header: Uint8Array, dataBytes: number): SafetensorsHeader {
  const { __metadata__: given, ...tensors } = parseText(where, header);
  // null is none, as in the official reader.
  const metadata = given ?? {};
  if (!isObject(metadata)) throw corrupt(where, `__metadata__ must be an object, got ${describe(metadata)}`);
  for (const [key, value] of Object.entries(metadata))
    if (typeof value !== "string")
      throw corrupt(where, `__metadata__ ${describe(key)} must be a string, got ${describe(value)}`);

  const entries = Object.entries(tensors)
    .map(([name, info]) => parseEntry(where, name, info))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of entries) {
    if (end > dataBytes)
      throw corrupt(
        where,
        `tensor ${describe(name)} ends at byte ${end}, the file's data at ${dataBytes}: the file is cut off. Fetch it again`,
      );
    if (begin !== at)
      throw corrupt(
        where,
        `tensor ${describe(name)} ${begin < at ? "overlaps the one before it" : "leaves a hole before it"}: wanted it at byte ${at}, got ${begin}`,
      );
    at = end;
  }
  if (at !== dataBytes) throw corrupt(where, `the tensors end at byte ${at}, the file's data at ${dataBytes}`);
  return { entries, metadata: metadata as Record<string, string> };
}

/** Elements of a shape; NaN beyond what a number counts exactly. */
export function countElements(shape: readonly number[]): number {
  if (shape.includes(0)) return 0;
  const count = shape.reduce((a, b) => a * b, 1);
  return Number.isSafeInteger(count) ? count : Number.NaN;
}

/** Whether a value names an element type that this library holds. */
export function isDtype(dtype: unknown): dtype is HostDtype {
  return typeof dtype === "string" && Object.hasOwn(elementBytes, dtype);
}

/** The type of a tensor that is about to be read; throws for those that are not. */
export function checkReadable(where: string, name: string, dtype: HostDtype | OtherDtype): HostDtype {
  if (isDtype(dtype)) return dtype;
  throw new SidError(
    "unsupported",
    `${where}: tensor ${describe(name)} is ${dtype}; only ${Object.keys(elementBytes).join(", ")} are read. Convert it in PyTorch.`,
  );
}

function isKnown(dtype: unknown): dtype is HostDtype | OtherDtype {
  return typeof dtype === "string" && Object.hasOwn(elementBits, dtype);
}

/** Whether UTF-8 can carry a name. */
export function isText(name: string): boolean {
  return !/\p{Surrogate}/u.test(name);
}

/** A `corrupt-file` error. */
export function corrupt(where: string, message: string, cause?: unknown): SidError {
  return new SidError("corrupt-file", `${where}: ${message}.`, { cause });
}

function parseEntry(where: string, name: string, info: unknown): TensorEntry {
  const at = `tensor ${describe(name)}`;
  if (!isText(name)) throw corrupt(where, `${at}: the name is not valid Unicode`);
  if (!isObject(info)) throw corrupt(where, `${at} must be an object, got ${describe(info)}`);
  const { dtype, shape, data_offsets: offsets } = info;
  if (!isKnown(dtype)) throw corrupt(where, `${at} has no valid dtype, got ${describe(dtype)}`);
  if (!isIntegers(shape)) throw corrupt(where, `${at}: the shape must be whole numbers, got ${show(shape)}`);
  if (!isIntegers(offsets) || offsets.length !== 2)
    throw corrupt(where, `${at}: data_offsets must be two whole numbers, got ${show(offsets)}`);
  const [begin = 0, end = 0] = offsets;
  const wanted = (countElements(shape) * elementBits[dtype]) / 8;
  if (end - begin !== wanted)
    throw corrupt(where, `${at}: ${dtype} ${show(shape)} wants ${wanted} bytes, its data_offsets span ${end - begin}`);
  return { name, dtype, shape, begin, end };
}

/** The header's text as an object. */
function parseText(where: string, header: Uint8Array): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(header);
  } catch (cause) {
    throw corrupt(where, "the header is not valid UTF-8", cause);
  }
  const json = parseJson(where, "the header", text);
  if (!isObject(json) || !text.startsWith("{"))
    throw corrupt(where, `the header must begin with an object, got ${describe(json)}`);
  return json;
}

/** JSON.parse that throws SidErrors, also where an object holds a key twice. */
export function parseJson(where: string, what: string, text: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw corrupt(where, `${what} is not valid JSON`, cause);
  }
  const twice = duplicateKey(text);
  if (twice !== undefined) throw corrupt(where, `${what} holds ${describe(twice)} twice`);
  return json;
}

/** The first key that an object of this valid JSON text holds twice; JSON.parse would keep the last silently. */
function duplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  let last = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "{") open.push(new Set());
    else if (c === "}") open.pop();
    else if (c === '"') {
      const start = i;
      for (i++; text[i] !== '"'; i++) if (text[i] === "\\") i++;
      last = text.slice(start, i + 1);
    } else if (c === ":") {
      const key: string = JSON.parse(last);
      if (open.at(-1)?.has(key)) return key;
      open.at(-1)?.add(key);
    }
  }
  return undefined;
}

function isIntegers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

function show(value: unknown): string {
  return Array.isArray(value) && value.length <= 8 && value.every((n) => typeof n === "number")
    ? `[${value.join(", ")}]`
    : describe(value);
}
