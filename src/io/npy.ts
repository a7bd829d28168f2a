import { checkObject, describe } from "../core/checks";
import { SidError } from "../core/errors";
import type { HostDtype, HostTensor } from "../core/host-tensor";
import { headBytes, identify } from "./first-bytes";
import { checkTensors, decodeElements, encodeElements } from "./safetensors";
import { corrupt, countElements, elementBytes } from "./safetensors-header";
import { contiguous, swapped } from "./strided";

/** NumPy's kinds and sizes of the types that are read. */
const types: Readonly<Record<string, HostDtype>> = {
  ...{ f2: "F16", f4: "F32", f8: "F64", i1: "I8", i2: "I16", i4: "I32", i8: "I64" },
  ...{ u1: "U8", u2: "U16", u4: "U32", u8: "U64", b1: "BOOL" },
};

/** What the types are that are not read, and what to do in Python. */
const refused: readonly (readonly [kinds: RegExp, what: string])[] = [
  [/^O/, "objects, which NumPy stores as a pickle that may run any code: save plain numbers, array.astype(float)"],
  [/^[SaU]/, "text: save plain numbers"],
  [/^c/, "complex numbers: save array.real and array.imag"],
  [/^[mM]/, "dates: save array.astype(int)"],
  [/^V/, "a structure, or a type that NumPy lacks, such as bfloat16: save array.astype(np.float32)"],
  [/^f/, "wide floating-point numbers: save array.astype(float)"],
];

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** NumPy itself refuses headers of more than 10,000 characters unless told otherwise. */
const mostHeaderBytes = 2 ** 14;
/** Dimensions of any array of NumPy. */
const mostDimensions = 64;

/**
 * Reads the bytes of a `.npy` file, NumPy's own format of one array: versions 1 to 3, of either order of bytes and of
 * dimensions. Arrays of objects, which hold a pickle, are refused, and so are text, dates, structures and complex numbers.
 *
 * Source: numpy/numpy numpy/lib/_format_impl.py.
 *
 * @param bytes - the whole file.
 * @returns the array, in row-major order, with memory of its own; `dtype` by safetensors' names, F16 widened to float32.
 * @throws SidError `corrupt-file` for a file that is cut off, has bytes left over, or is none of NumPy; `unsupported`
 *   naming the type that is not read.
 *
 * @example
 * ```ts
 * import { decodeNpy, encodeNpy } from "sid-lsg/io";
 *
 * const bytes = encodeNpy({ dtype: "F64", shape: [2], data: new Float64Array([0.5, -1]) });
 * console.log(decodeNpy(bytes).data); // Float64Array [0.5, -1]
 * ```
 */
export function decodeNpy(bytes: Uint8Array): HostTensor {
  if (!(bytes instanceof Uint8Array))
    throw new SidError("invalid-argument", `decodeNpy: bytes must be a Uint8Array, got ${describe(bytes)}.`);
  return parseNpy("decodeNpy", bytes);
}

/** {@link decodeNpy} on behalf of the function that messages name. */
export function parseNpy(where: string, bytes: Uint8Array): HostTensor {
  const { header, start } = headerOf(where, bytes);
  const { descr, fortran, shape } = parseHeader(where, header);
  const [, order = "", kind = ""] = /^([<>=|]?)(\w+)(?:\[\w+\])?$/.exec(descr) ?? [];
  const dtype = Object.hasOwn(types, kind) ? types[kind] : undefined;
  if (dtype === undefined) {
    const [, what = `a type that NumPy itself calls ${describe(descr)}`] =
      refused.find(([kinds]) => kinds.test(kind)) ?? [];
    throw new SidError("unsupported", `${where}: an array of type ${describe(descr)} is not read: ${what}.`);
  }
  const size = elementBytes[dtype];
  const wanted = countElements(shape) * size;
  const got = bytes.length - start;
  if (got !== wanted)
    throw corrupt(
      where,
      `${describe(descr)} [${shape.join(", ")}] wants ${wanted} bytes, the file has ${got}` +
        (got > wanted ? ": several arrays one after another are not read" : ": it is cut off. Fetch it again"),
    );
  const strides = stridesOf(shape, fortran);
  const elements = contiguous(where, new Uint8Array(bytes.subarray(start)), size, { shape, strides, offset: 0 });
  return { dtype, shape, data: decodeElements(dtype, order === ">" ? swapped(elements, size) : elements) };
}

/**
 * Writes an array as the bytes of a `.npy` file, version 1, little-endian, in C order, as `numpy.save` does.
 *
 * @param array - its `data` must be of the array type that its dtype reads as. F16 is rounded to the nearest value.
 * @returns the whole file.
 * @throws SidError `invalid-argument` or `shape-mismatch` for what is no array; `unsupported` for BF16, which NumPy lacks.
 *
 * @example
 * ```ts
 * import { encodeNpy } from "sid-lsg/io";
 *
 * console.log(encodeNpy({ dtype: "F32", shape: [], data: new Float32Array([1]) }).length); // 132
 * ```
 */
export function encodeNpy(array: HostTensor): Uint8Array {
  return npyBytes("encodeNpy", "array", array);
}

/** {@link encodeNpy} on behalf of the function that messages name. */
export function npyBytes(where: string, name: string, array: HostTensor): Uint8Array {
  checkTensors(where, new Map([[name, checkObject(where, name, array)]]));
  const { dtype, shape, data } = array;
  const [kind] = Object.entries(types).find(([, type]) => type === dtype) ?? [];
  if (kind === undefined)
    throw new SidError("unsupported", `${where}: ${name} is ${dtype}, which NumPy lacks: write it as F32.`);
  const descr = `${kind.endsWith("1") ? "|" : "<"}${kind}`;
  const dimensions = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${dimensions}, }`;
  // The elements begin at a multiple of 64 bytes; the header ends with the line.
  const length = Math.ceil((10 + header.length + 1) / 64) * 64 - 10;
  const head = new Uint8Array(10 + length).fill(0x20);
  head.set([...magic, 1, 0]);
  new DataView(head.buffer).setUint16(8, length, true);
  head.set(new TextEncoder().encode(header), 10);
  head[head.length - 1] = 0x0a;
  const elements = encodeElements(dtype, data);
  const bytes = new Uint8Array(head.length + elements.length);
  bytes.set(head);
  bytes.set(elements, head.length);
  return bytes;
}

/** Whether a file begins as an array of NumPy does. */
export function isNpy(head: Uint8Array): boolean {
  return magic.every((byte, i) => head[i] === byte);
}

function headerOf(where: string, bytes: Uint8Array) {
  if (!isNpy(bytes)) {
    const found =
      bytes[0] === 0x50 && bytes[1] === 0x4b
        ? "a zip archive, as .npz files of several arrays are: read it with readNpz"
        : (identify(bytes.subarray(0, headBytes), bytes.length, "npy") ?? "none");
    throw corrupt(where, `wanted an array of NumPy (.npy), the file is ${found}`);
  }
  const [major, minor] = [bytes[6] ?? 0, bytes[7]];
  if (major < 1 || major > 3 || minor !== 0)
    throw new SidError(
      "unsupported",
      `${where}: version ${major}.${minor} of NumPy's format; 1.0, 2.0 and 3.0 are read.`,
    );
  const begin = major === 1 ? 10 : 12;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = bytes.length < begin ? Infinity : major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > bytes.length - begin) throw corrupt(where, "its header is cut off. Fetch it again");
  if (length > mostHeaderBytes)
    throw corrupt(where, `its header has ${length} bytes, at most ${mostHeaderBytes} are read`);
  const header = new TextDecoder(major === 3 ? "utf-8" : "latin1").decode(bytes.subarray(begin, begin + length));
  return { header, start: begin + length };
}

/** A header's three values: a dictionary as Python writes it, read by its few forms and never evaluated. */
function parseHeader(where: string, header: string) {
  const bad = (what: string) => corrupt(where, `its header ${what}: ${describe(header.trim())}`);
  const [, inside] = /^\s*\{([\s\S]*)\}\s*$/.exec(header) ?? [];
  if (inside === undefined) throw bad("is no dictionary");
  const entry = /\s*(['"])(\w+)\1\s*:\s*('[^'\\]*'|"[^"\\]*"|True|False|\([\dL,\s]*\)|\[[\s\S]*\])\s*(?:,|$)/y;
  const values = new Map<string, string>();
  while (entry.lastIndex < inside.trimEnd().length) {
    const [, , key = "", value = ""] = entry.exec(inside) ?? [];
    if (key === "" || values.has(key) || values.size === 3) throw bad("is damaged");
    values.set(key, value);
  }
  const [descr = "", order = "", dimensions = ""] = ["descr", "fortran_order", "shape"].map((key) => values.get(key));
  if (descr.startsWith("["))
    throw new SidError(
      "unsupported",
      `${where}: an array of structures, ${describe(descr)}, is not read: save each field alone.`,
    );
  if (!/^['"]/.test(descr) || !/^(True|False)$/.test(order) || !dimensions.startsWith("(") || values.size !== 3)
    throw bad("lacks descr, fortran_order or shape");
  const numbers = dimensions.slice(1, -1).trim();
  const list = numbers === "" ? [] : numbers.replace(/,$/, "").split(",");
  const shape = list.map((text) => (/^\s*\d+L?\s*$/.test(text) ? Number.parseInt(text, 10) : Number.NaN));
  if (shape.length > mostDimensions || !shape.every(Number.isSafeInteger) || Number.isNaN(countElements(shape)))
    throw bad("has no shape that an array can have");
  return { descr: descr.slice(1, -1), fortran: order === "True", shape };
}

function stridesOf(shape: readonly number[], fortran: boolean): number[] {
  const strides = shape.map(() => 1);
  const order = fortran ? shape.keys() : [...shape.keys()].reverse();
  let next = 1;
  for (const d of order) {
    strides[d] = next;
    next *= shape[d] as number;
  }
  return strides;
}
