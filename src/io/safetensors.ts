import { checkObject, describe, isObject } from "../core/checks";
import { SidError, type SidErrorCode } from "../core/errors";
import type { HostDtype, HostTensor, WeightMap } from "../core/host-tensor";
import { headBytes } from "./first-bytes";
import { narrowBF16, narrowF16, widenBF16, widenF16 } from "./half";
import {
  checkReadable,
  countElements,
  elementBytes,
  headerLength,
  isDtype,
  isText,
  maxHeaderBytes,
  naming,
  parseHeader,
} from "./safetensors-header";

/** The array that holds each dtype in memory. */
const arrayTypes = {
  ...{ F32: Float32Array, F16: Float32Array, BF16: Float32Array, F64: Float64Array },
  ...{ I64: BigInt64Array, I32: Int32Array, I16: Int16Array, I8: Int8Array },
  ...{ U64: BigUint64Array, U32: Uint32Array, U16: Uint16Array, U8: Uint8Array, BOOL: Uint8Array },
} as const satisfies Record<HostDtype, unknown>;

/** What a safetensors file holds. */
export interface Safetensors {
  /** The tensors by name, in the order of their bytes. */
  readonly tensors: WeightMap;
  /** The header's `__metadata__`; empty where there is none. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads the bytes of a safetensors file: an 8-byte little-endian header length, a JSON header,
 * then the tensors' elements. F16 and BF16 are widened to float32, exactly.
 *
 * Nothing in the file is believed: lengths are checked against the bytes at hand before anything
 * is allocated, and the tensors must cover the data without gaps or overlaps.
 *
 * Source: the format's specification, huggingface/safetensors README.md and docs/source/metadata_parsing.mdx.
 *
 * @param bytes - the whole file.
 * @returns the tensors, which share no memory with `bytes`, and the metadata.
 * @throws SidError `corrupt-file` naming the tensor where the file contradicts itself or the format;
 *   `unsupported` for complex numbers and those of fewer than 8 bits or of F8.
 *
 * @example
 * ```ts
 * import { decodeSafetensors, encodeSafetensors } from "sid-lsg/io";
 *
 * const bias = { dtype: "F16", shape: [2], data: new Float32Array([0.5, -1]) } as const;
 * const bytes = encodeSafetensors(new Map([["bias", bias]]));
 * console.log(decodeSafetensors(bytes).tensors.get("bias")?.data); // Float32Array [0.5, -1]
 * ```
 */
export function decodeSafetensors(bytes: Uint8Array): Safetensors {
  const where = "decodeSafetensors";
  if (!(bytes instanceof Uint8Array))
    throw new SidError("invalid-argument", `${where}: bytes must be a Uint8Array, got ${describe(bytes)}.`);
  const { dataStart, header } = headerOf(where, bytes);
  const tensors = new Map<string, HostTensor>();
  for (const { name, shape, begin, end, ...entry } of header.entries) {
    const dtype = checkReadable(where, name, entry.dtype);
    const data = decodeElements(dtype, new Uint8Array(bytes.subarray(dataStart + begin, dataStart + end)));
    tensors.set(name, { dtype, shape, data });
  }
  return { tensors, metadata: header.metadata };
}

function headerOf(where: string, bytes: Uint8Array) {
  try {
    const dataStart = 8 + headerLength(where, bytes.subarray(0, 8), bytes.length);
    return { dataStart, header: parseHeader(where, bytes.subarray(8, dataStart), bytes.length - dataStart) };
  } catch (error) {
    throw naming(where, error, bytes.subarray(0, headBytes), bytes.length);
  }
}

/**
 * Writes tensors as the bytes of a safetensors file, in the official writer's order (by alignment,
 * then by name) and with its padding: the same tensors give the same bytes.
 *
 * F16 and BF16 are rounded to the nearest value, ties to even; what F16 cannot hold becomes an infinity.
 *
 * Source: the format's specification, huggingface/safetensors README.md.
 *
 * @param tensors - by name; each `data` must be of the array type that its dtype reads as.
 * @param metadata - free text for the header's `__metadata__`.
 * @returns the whole file.
 * @throws SidError `invalid-argument` or `shape-mismatch` naming the tensor that cannot be written.
 *
 * @example
 * ```ts
 * import { encodeSafetensors } from "sid-lsg/io";
 *
 * const scale = { dtype: "F32", shape: [], data: new Float32Array([1]) } as const;
 * console.log(encodeSafetensors(new Map([["scale", scale]]), { format: "pt" }).length); // 100
 * ```
 */
export function encodeSafetensors(tensors: WeightMap, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const parts = encodeParts("encodeSafetensors", tensors, metadata);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The file in pieces, header first: float32 and integer tensors are not copied. */
export function encodeParts(
  where: string,
  tensors: WeightMap,
  metadata: Readonly<Record<string, string>>,
): Uint8Array[] {
  checkTensors(where, tensors, metadata);
  const utf8 = new TextEncoder();
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : [];
  const order = Object.keys(elementBytes);
  const sorted = [...tensors]
    .map(([name, tensor]) => ({ name, key: utf8.encode(name), ...tensor }))
    .sort((a, b) => order.indexOf(a.dtype) - order.indexOf(b.dtype) || compareBytes(a.key, b.key));
  let at = 0;
  const parts = sorted.map(({ name, dtype, shape, data }) => {
    const part = encodeElements(dtype, data);
    header.push([name, { dtype, shape, data_offsets: [at, at + part.length] }]);
    at += part.length;
    return part;
  });
  // Built by hand: an object would move names such as "0" to the front and lose "__proto__".
  const json = utf8.encode(`{${header.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join()}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  if (padded > maxHeaderBytes)
    throw new SidError(
      "invalid-argument",
      `${where}: the header must be at most ${maxHeaderBytes} bytes, got ${padded}.`,
    );
  const head = new Uint8Array(8 + padded).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true);
  head.set(json, 8);
  return [head, ...parts];
}

/** The elements of one tensor from its own bytes, which it takes over. Every platform of tfjs is little-endian. */
export function decodeElements(dtype: HostDtype, { buffer }: Uint8Array<ArrayBuffer>): HostTensor["data"] {
  if (dtype === "F16") return widenF16(new Uint16Array(buffer));
  if (dtype === "BF16") return widenBF16(new Uint16Array(buffer));
  return new arrayTypes[dtype](buffer);
}

/** The bytes of one tensor's elements; those of float32 and integers are not copied. */
export function encodeElements(dtype: HostDtype, data: HostTensor["data"]): Uint8Array {
  const stored =
    dtype === "F16" && data instanceof Float32Array
      ? narrowF16(data)
      : dtype === "BF16" && data instanceof Float32Array
        ? narrowBF16(data)
        : data;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

/** Throws unless every tensor can be written as it says and all text is text. */
export function checkTensors(where: string, tensors: WeightMap, metadata: Readonly<Record<string, string>> = {}): void {
  const fail = (code: SidErrorCode, message: string): never => {
    throw new SidError(code, `${where}: ${message}.`);
  };
  if (!(tensors instanceof Map)) fail("invalid-argument", `tensors must be a Map, got ${describe(tensors)}`);
  checkObject(where, "metadata", metadata);
  for (const [key, value] of Object.entries(metadata))
    if (typeof value !== "string" || !isText(key) || !isText(value))
      fail("invalid-argument", `metadata ${describe(key)} must be text, got ${describe(value)}`);
  for (const [name, tensor] of tensors) {
    const at = `tensor ${describe(name)}`;
    if (typeof name !== "string" || !isText(name) || name === "__metadata__")
      fail("invalid-argument", `${at} needs another name`);
    if (!isObject(tensor) || !isDtype(tensor.dtype))
      fail("invalid-argument", `${at} must have a dtype of ${Object.keys(elementBytes).join(", ")}`);
    const { dtype, shape, data } = tensor;
    if (!(data instanceof arrayTypes[dtype]))
      fail("invalid-argument", `${at} is ${dtype}: data must be a ${arrayTypes[dtype].name}`);
    if (!Array.isArray(shape) || !shape.every((n) => Number.isSafeInteger(n) && n >= 0))
      fail("invalid-argument", `${at}: the shape must be an array of whole numbers, got ${describe(shape)}`);
    if (countElements(shape) !== data.length)
      fail(
        "shape-mismatch",
        `${at}: the shape [${shape.join(", ")}] wants ${countElements(shape)} elements, got ${data.length}`,
      );
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? a.length - b.length : (a[at] ?? 0) - (b[at] ?? -1);
}
