import { checkInteger, checkMethods, checkText, describe } from "../core/checks";
import { SidError } from "../core/errors";

/** Bytes that lie somewhere and can be read by offset: a file, a `Blob`, an address. */
export interface ByteSource {
  /** For messages. */
  readonly name: string;
  /** How many bytes there are. */
  readonly size: number;
  /** Reads the bytes `[begin, end)`, all of them or throws; they are the caller's. */
  read(begin: number, end: number): Promise<Uint8Array>;
  /** Frees what the source holds open. */
  close(): Promise<void>;
}

/**
 * A `Blob` or a `File`, as a browser's file picker gives it, read by offset.
 *
 * @param blob - the bytes; nothing is read until it is asked for.
 * @param name - for messages; by default the file's own.
 * @throws SidError `invalid-argument` for anything else; reading throws `io` where the browser cannot.
 *
 * @example
 * ```ts
 * import { blobSource, encodeSafetensors, openSafetensors } from "sid-lsg/io";
 *
 * const bias = { dtype: "F16", shape: [2], data: new Float32Array([0.5, -1]) } as const;
 * const blob = new Blob([new Uint8Array(encodeSafetensors(new Map([["bias", bias]])))]);
 * const file = await openSafetensors(blobSource(blob));
 * console.log((await file.read("bias")).data); // Float32Array [0.5, -1]
 * ```
 */
export function blobSource(blob: Blob, name?: string): ByteSource {
  if (typeof Blob !== "function" || !(blob instanceof Blob))
    throw new SidError("invalid-argument", `blobSource: wanted a Blob, got ${describe(blob)}.`);
  if (name !== undefined) checkText("blobSource", "name", name);
  const { size } = blob;
  const label = JSON.stringify(name ?? (blob as Partial<File>).name ?? "a Blob");
  const where = `blobSource ${label}`;
  return {
    name: label,
    size,
    async read(begin, end) {
      checkSpan(where, size, begin, end);
      const bytes = await blob
        .slice(begin, end)
        .arrayBuffer()
        .catch((cause) => {
          throw new SidError("io", `${where}: ${messageOf(cause)}.`, { cause });
        });
      if (bytes.byteLength !== end - begin)
        throw new SidError("io", `${where}: wanted ${end - begin} bytes at byte ${begin}, got ${bytes.byteLength}.`);
      return new Uint8Array(bytes);
    },
    async close() {},
  };
}

/** Throws unless `source` could be a {@link ByteSource}; returns it. */
export function checkByteSource(where: string, source: ByteSource): ByteSource {
  checkMethods(where, "source", source, "a source of bytes", ["read", "close"]);
  checkText(where, "the source's name", source.name);
  checkInteger(where, "the source's size", source.size, 0);
  return source;
}

/** The bytes `[begin, end)`, in memory of their own and as many as were asked for: a source may be anybody's. */
export async function take(
  where: string,
  source: ByteSource,
  begin: number,
  end: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await source.read(begin, end);
  if (!(bytes instanceof Uint8Array) || bytes.length !== end - begin)
    throw new SidError("io", `${where}: wanted ${end - begin} bytes, the source gave ${describe(bytes?.length)}.`);
  const whole = bytes.buffer instanceof ArrayBuffer && bytes.length === bytes.buffer.byteLength;
  return whole ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}

/** Throws unless `[begin, end)` lies within `size` bytes. */
export function checkSpan(where: string, size: number, begin: number, end: number): void {
  checkInteger(where, "begin", begin, 0, size);
  checkInteger(where, "end", end, begin, size);
}

/** Zeros; more than the machine has is a SidError. */
export function allocate(where: string, length: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new SidError("out-of-memory", `${where}: there is no memory for ${length} bytes in one piece.`, { cause });
  }
}

/** What was thrown, in words. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
