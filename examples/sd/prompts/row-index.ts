import { isUtf8 } from "node:buffer";
import { read } from "node:fs";
import { promisify } from "node:util";
import type { RowFormat } from "./formats";

/** Of so many prompts only the first one's place is kept. */
export const stride = 16;

/** No prompt is longer; a file of other things may be one line of gigabytes. */
export const longestRow = 1 << 20;

const readAt = promisify(read);

const chunkSize = 1 << 22;

/** Where a file's prompts lie. */
export interface RowIndex {
  /** Prompts in the file. */
  readonly length: number;
  /** Rows without a prompt. */
  readonly empty: number;
  /** Byte at which the row of every {@link stride}-th prompt begins, then where the file ends. */
  readonly starts: Float64Array;
}

/**
 * Reads a file once from front to back, checks every row and notes where prompts begin. `see` is shown all bytes in
 * order. Throws for bytes that are no UTF-8 and for what the format refuses, naming the line.
 */
export async function indexRows(
  fd: number,
  size: number,
  format: RowFormat,
  see: (bytes: Uint8Array, done: number) => void,
): Promise<RowIndex> {
  const buffer = Buffer.alloc(Math.min(chunkSize, size + 1));
  let starts = new Float64Array(1024);
  let [length, empty, base, held] = [0, 0, 0, 0];
  const refuse = async (at: number, reason: string, cause?: unknown) => {
    throw new Error(`line ${await lineAt(fd, at)}: ${reason}`, { cause });
  };
  for (let position = 0; ; ) {
    const { bytesRead } = await readAt(fd, buffer, held, buffer.length - held, position);
    see(buffer.subarray(held, held + bytesRead), position + bytesRead);
    position += bytesRead;
    const bytes = buffer.subarray(0, held + bytesRead);
    const ended = bytesRead === 0;
    let begin = base === 0 && position === bytesRead ? format.begin : 0;
    let end = begin;
    for (; begin < bytes.length; begin = end) {
      end = format.rowEnd(bytes, begin);
      if (end < 0 && !ended) break;
      if (end < 0) end = bytes.length;
      if (end - begin > longestRow) await refuse(base + begin, tooLong);
      const row = bytes.subarray(begin, end);
      if (row.includes(0)) await refuse(base + begin, zero);
      if (!isUtf8(row)) await refuse(base + begin, noUtf8);
      let prompt = "";
      try {
        prompt = format.prompt(row.toString("utf8"));
      } catch (cause) {
        await refuse(base + begin, (cause as Error).message, cause);
      }
      if (prompt === "") {
        if (end - begin > 1) empty++;
        continue;
      }
      if (length % stride === 0) {
        if (length / stride + 1 >= starts.length) starts = grown(starts);
        starts[length / stride] = base + begin;
      }
      length++;
    }
    if (ended) break;
    if (bytes.length - begin > longestRow) await refuse(base + begin, tooLong);
    buffer.copyWithin(0, begin, bytes.length);
    base += begin;
    held = bytes.length - begin;
  }
  const count = Math.ceil(length / stride);
  starts[count] = base + held;
  return { length, empty, starts: starts.slice(0, count + 1) };
}

const tooLong = `a row of more than ${longestRow} bytes, too long for a prompt; is a line end or a closing quote missing?`;
const zero = "a NUL byte, which text does not hold: a binary file, or text that was cut or damaged; look at it there";
const noUtf8 = "no UTF-8; convert the file from its encoding, such as: iconv -f WINDOWS-1252 -t UTF-8 FILE > OUT";

function grown(numbers: Float64Array): Float64Array<ArrayBuffer> {
  const more = new Float64Array(2 * numbers.length);
  more.set(numbers);
  return more;
}

/** The number of the line at a byte, for messages: counted when somebody asks. */
async function lineAt(fd: number, at: number): Promise<number> {
  const buffer = Buffer.alloc(chunkSize);
  let [line, before] = [1, 0];
  for (let position = 0; position < at; ) {
    const { bytesRead } = await readAt(fd, buffer, 0, Math.min(buffer.length, at - position), position);
    if (bytesRead === 0) break;
    for (const byte of buffer.subarray(0, bytesRead)) {
      if (byte === 13 || (byte === 10 && before !== 13)) line++;
      before = byte;
    }
    position += bytesRead;
  }
  return line;
}
