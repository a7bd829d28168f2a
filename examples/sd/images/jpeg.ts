import jpeg from "jpeg-js";
import type { Picture } from "../grid";
import { smooth, toRgb } from "./jpeg-colours";
import { orientationOf, upright } from "./orientation";

/** A picture whose structure was looked at. */
export interface OpenedPicture {
  /** Its pixels, upright; throws where they are damaged. */
  decode(): Picture;
}

/** Larger pictures are refused: such a header may be a mistake, and the pixels fill the memory. */
const mostMegapixels = 100;

export function checkSize(width: number, height: number): void {
  if (width < 1 || height < 1) throw new Error(`is damaged: its size is ${width} × ${height}`);
  if (width * height > mostMegapixels * 1e6)
    throw new Error(`has ${width} × ${height} pixels, more than ${mostMegapixels} million; make it smaller`);
}

/** One of a JPEG's planes: its name, and how many samples it has in each direction where the finest has most. */
interface Component {
  readonly name: number;
  readonly across: number;
  readonly down: number;
}

/** What a JPEG's segments say before its pixels begin. */
interface Header {
  readonly components: readonly Component[];
  readonly orientation: number;
  /** Adobe's code of how colours were changed, 0 for not at all, and the byte where it stands. */
  readonly adobe: { readonly code: number; readonly at: number } | undefined;
  readonly jfif: boolean;
}

const [startOfScan, app0, app1, app14] = [0xda, 0xe0, 0xe1, 0xee];
/** Huffman-coded frames of lossy JPEG: baseline, extended, progressive. */
const readKinds = [0xc0, 0xc1, 0xc2];
const arithmeticKinds = [0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf];

/** Opens a JPEG: grey or colour, baseline or progressive, whole. */
export function openJpeg(bytes: Uint8Array): OpenedPicture {
  const file = Buffer.from(bytes);
  const { components, orientation, adobe, jfif } = readHeader(file);
  if (components.length === 0) throw new Error("is damaged: the JPEG has no size before its pixels");
  // As libjpeg takes it: what Adobe says, else JFIF is luma and chroma, else components may be named R, G, B.
  const named = String.fromCharCode(...components.map(({ name }) => name)) === "RGB";
  const plain = components.length === 1 || (adobe === undefined ? !jfif && named : adobe.code === 0);
  // The decoder would make red, green and blue of it, cut off where they should be rounded.
  if (adobe) file[adobe.at] = 0;
  return {
    decode() {
      const picture = jpeg.decode(file, {
        ...{ useTArray: true, formatAsRGBA: false, colorTransform: false },
        ...{ maxResolutionInMP: mostMegapixels, maxMemoryUsageInMB: 2048 },
      });
      components.forEach((component, i) => {
        smooth(picture, i, component, components);
      });
      if (!plain) toRgb(picture.data);
      return upright({ width: picture.width, height: picture.height, data: picture.data }, orientation);
    },
  };
}

function readHeader(file: Buffer): Header {
  let header: Header = { components: [], orientation: 1, adobe: undefined, jfif: false };
  for (let at = 2; ; ) {
    while (file[at] === 0xff && file[at + 1] === 0xff) at++;
    if (at + 4 > file.length) throw new Error("is cut off: the JPEG ends before its pixels");
    if (file[at] !== 0xff) throw new Error("is damaged: the JPEG's segments do not follow one another");
    const kind = file[at + 1] as number;
    const next = at + 2 + file.readUInt16BE(at + 2);
    if (next > file.length) throw new Error("is cut off: the JPEG ends before its pixels");
    if (kind === startOfScan) {
      if (file.lastIndexOf(Buffer.from([0xff, 0xd9])) < next)
        throw new Error("is cut off: the JPEG has no end after its pixels");
      return header;
    }
    header = { ...header, ...factOf(kind, file.subarray(at + 4, next), at + 4) };
    at = next;
  }
}

function factOf(kind: number, data: Buffer, at: number): Partial<Header> {
  const begins = (text: string) => data.toString("latin1", 0, text.length) === text;
  if (kind === app0 && begins("JFIF\0")) return { jfif: true };
  if (kind === app1 && begins("Exif\0\0")) return { orientation: orientationOf(data.subarray(6)) };
  if (kind === app14 && begins("Adobe") && data.length >= 12)
    return { adobe: { code: data[11] as number, at: at + 11 } };
  // 0xc4, 0xc8 and 0xcc are tables.
  if (kind < 0xc0 || kind > 0xcf || [0xc4, 0xc8, 0xcc].includes(kind)) return {};
  if (arithmeticKinds.includes(kind)) throw new Error("is a JPEG with arithmetic coding; save it as an ordinary JPEG");
  if (!readKinds.includes(kind)) throw new Error("is a lossless or hierarchical JPEG; save it as an ordinary JPEG");
  const count = data[5] as number;
  if (data.length < 6 || data.length < 6 + 3 * count) throw new Error("is damaged: the JPEG's header is too short");
  if (data[0] !== 8) throw new Error(`is a JPEG of ${data[0]} bits per colour; save it with 8`);
  checkSize(data.readUInt16BE(3), data.readUInt16BE(1));
  if (count === 4) throw new Error("is a CMYK JPEG, whose colours are for print; save it as RGB");
  if (count !== 1 && count !== 3) throw new Error(`is a JPEG of ${count} colours; wanted grey or RGB`);
  const components = Array.from({ length: count }, (_, i) => {
    const [name = 0, sampling = 0] = data.subarray(6 + 3 * i);
    return { name, across: sampling >> 4, down: sampling & 15 };
  });
  return { components };
}
