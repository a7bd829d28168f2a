import type { Picture } from "../grid";

/** EXIF's tag of how the camera was held. */
const orientationTag = 0x0112;

/** The orientation of EXIF data (a TIFF header and its first directory), 1 to 8; 1, upright, where it says none. */
export function orientationOf(exif: Uint8Array): number {
  const bytes = Buffer.from(exif);
  const order = bytes.toString("latin1", 0, 2);
  if (bytes.length < 8 || (order !== "II" && order !== "MM")) return 1;
  const short = (at: number) => {
    if (at + 2 > bytes.length) return 0;
    return order === "II" ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
  };
  const first = order === "II" ? bytes.readUInt32LE(4) : bytes.readUInt32BE(4);
  const entries = short(first);
  for (let i = 0; i < entries; i++) {
    const at = first + 2 + 12 * i;
    if (short(at) !== orientationTag) continue;
    const value = short(at + 8);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** A picture as it was seen: mirrored and turned as its EXIF orientation says. */
export function upright(picture: Picture, orientation: number): Picture {
  if (orientation === 1) return picture;
  const { width, height, data } = picture;
  const swapped = orientation >= 5;
  const [mirroredX, mirroredY] = [
    [2, 3, 7, 8],
    [3, 4, 6, 7],
  ].map((list) => list.includes(orientation));
  const [across, down] = swapped ? [height, width] : [width, height];
  const turned = new Uint8Array(data.length);
  for (let y = 0, to = 0; y < down; y++)
    for (let x = 0; x < across; x++, to += 3) {
      const [u, v] = swapped ? [y, x] : [x, y];
      const from = ((mirroredY ? height - 1 - v : v) * width + (mirroredX ? width - 1 - u : u)) * 3;
      turned[to] = data[from] as number;
      turned[to + 1] = data[from + 1] as number;
      turned[to + 2] = data[from + 2] as number;
    }
  return { width: across, height: down, data: turned };
}
