import { type DecodedPng, decode } from "fast-png";
import type { Picture } from "../grid";
import { checkSize, type OpenedPicture } from "./jpeg";
import { orientationOf, upright } from "./orientation";

/** Chunks that the pixels depend on; others are not even looked at by the decoder. */
const needed = ["IHDR", "PLTE", "tRNS", "IDAT", "IEND"];

/** Opens a PNG: of any colour type and depth, still, whole. Transparent parts are shown on white. */
export function openPng(bytes: Uint8Array): OpenedPicture {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts = [file.subarray(0, 8)];
  let header: Buffer | undefined;
  let orientation = 1;
  for (let at = 8, type = ""; type !== "IEND"; ) {
    if (at + 12 > file.length) throw new Error("is cut off: the PNG ends before its last chunk");
    type = file.toString("latin1", at + 4, at + 8);
    const next = at + 12 + file.readUInt32BE(at);
    if (next > file.length) throw new Error(`is cut off: the PNG ends in its chunk ${JSON.stringify(type)}`);
    const data = file.subarray(at + 8, next - 4);
    if (type === "IHDR" && data.length === 13) header ??= data;
    if (header === undefined) throw new Error("is damaged: the PNG does not begin with its header");
    if (type === "acTL" && data.length >= 4 && data.readUInt32BE(0) > 1)
      throw new Error(`is an animation of ${data.readUInt32BE(0)} pictures; save one of them`);
    if (type === "eXIf") orientation = orientationOf(data);
    // Where the pixels have an alpha themselves, a tRNS is a mistake that other readers pass over.
    const odd = type === "tRNS" && [4, 6].includes(header[9] as number);
    if (needed.includes(type) && !odd) parts.push(file.subarray(at, next));
    at = next;
  }
  const [width, height] = [header?.readUInt32BE(0) ?? 0, header?.readUInt32BE(4) ?? 0];
  const [depth, interlace] = [header?.[8] ?? 8, header?.[12] ?? 0];
  checkSize(width, height);
  if (interlace !== 0 && depth < 8)
    throw new Error(`is an interlaced PNG of ${depth} bits per pixel; save it without interlacing`);
  return {
    decode: () => upright(opaque(decode(Buffer.concat(parts), { checkCrc: true }), header?.[9] === 3), orientation),
  };
}

/** The decoded pixels as red, green, blue of 8 bits, on white. */
function opaque(png: DecodedPng, indexed: boolean): Picture {
  const { width, height, data, depth, channels, palette = [], transparency } = png;
  const pixels = new Uint8Array(width * height * 3);
  const max = indexed ? 255 : 2 ** depth - 1;
  const rowLength = Math.ceil((width * channels * depth) / 8);
  /** Element `i` of a row, which below 8 bits shares a byte. */
  const element = (y: number, i: number): number => {
    if (depth >= 8) return data[y * width * channels + i] as number;
    const bit = i * depth;
    return ((data[y * rowLength + (bit >> 3)] as number) >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
  };
  const [colours, alphaAt] = channels <= 2 ? [1, 1] : [3, 3];
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const first = x * channels;
      const entry = indexed ? palette[element(y, first)] : undefined;
      if (indexed && entry === undefined) throw new Error("names a colour that its palette lacks");
      let alpha = entry ? (entry[3] ?? 255) : channels > alphaAt ? element(y, first + alphaAt) : max;
      if (!indexed && transparency?.length === colours) {
        // One colour stands for transparent.
        if (transparency.every((value, c) => value === element(y, first + c))) alpha = 0;
      }
      for (let c = 0; c < 3; c++) {
        const value = entry ? (entry[c] as number) : element(y, first + (colours === 1 ? 0 : c));
        pixels[to++] = Math.round((255 * (value * alpha + max * (max - alpha))) / (max * max));
      }
    }
  return { width, height, data: pixels };
}
