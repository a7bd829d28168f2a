/**
 * Cuts the quick start's pictures out of the sheet of npm's emoji-datasource-google, which is too large to depend on:
 *
 *     npm pack emoji-datasource-google@16.0.0 && tar xzf emoji-datasource-google-16.0.0.tgz
 *     npm run cut-emoji -- package
 *
 * Writes emoji.png: a column per object, 18 pixels wide, its big picture above its small one, on black.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decode, encode } from "fast-png";
import { writeFileAtomic } from "sid-lsg/io";
import { userPath } from "../common/paths";
import { runProgram } from "../common/program";
import { type EmojiObject, objects, sizes } from "./captions";
import { pixelsOf } from "./pictures";
import { sheetFile } from "./sheet";

/** The emoji of each object, by its short name in emoji.json. */
const shortNames: Readonly<Partial<Record<EmojiObject, string>>> = {
  fox: "fox_face",
  panda: "panda_face",
  unicorn: "unicorn_face",
  fish: "tropical_fish",
  flower: "cherry_blossom",
  tree: "evergreen_tree",
  moon: "crescent_moon",
  boat: "sailboat",
  robot: "robot_face",
};
/** Pixels of an emoji on the sheet, and from one to the next. */
const [side, pitch] = [64, 66];

/** Rows of red, green, blue in `[0, 1]`, light on black. */
interface Light {
  readonly side: number;
  readonly data: Float32Array;
}

/** The square at (x, y): colours times opacity. */
function crop(sheet: ReturnType<typeof decode>, x: number, y: number): Light {
  const data = new Float32Array(side * side * 3);
  const depth = sheet.palette ? 1 : sheet.channels;
  for (let i = 0; i < side * side; i++) {
    const at = ((y + Math.floor(i / side)) * sheet.width + x + (i % side)) * depth;
    const pixel = sheet.palette ? sheet.palette[sheet.data[at] as number] : sheet.data.subarray(at, at + 4);
    const opacity = (pixel?.[3] ?? 255) / 255;
    for (let c = 0; c < 3; c++) data[3 * i + c] = ((pixel?.[c] ?? 0) / 255) * opacity;
  }
  return { side, data };
}

/** Lanczos's kernel with three lobes. */
function lanczos(x: number): number {
  if (x === 0) return 1;
  const y = Math.PI * x;
  return Math.abs(x) < 3 ? (3 * Math.sin(y) * Math.sin(y / 3)) / (y * y) : 0;
}

/** A smaller picture: Lanczos's filter, stretched to the pixels' size, along columns and then along rows. */
function shrink(light: Light, to: number): Light {
  const turned = (image: Float32Array) => {
    const ratio = side / to;
    const out = new Float32Array(to * side * 3); // [to, side, 3] of [side, side, 3], or [to, to] of [side, to], transposed
    const width = image.length / (side * 3);
    for (let row = 0; row < to; row++) {
      const centre = (row + 0.5) * ratio;
      const weights = Array.from({ length: side }, (_, i) => lanczos((i + 0.5 - centre) / ratio));
      const total = weights.reduce((a, b) => a + b);
      for (let column = 0; column < width; column++)
        for (let c = 0; c < 3; c++) {
          let sum = 0;
          for (let i = 0; i < side; i++)
            sum += ((weights[i] as number) / total) * (image[(i * width + column) * 3 + c] as number);
          out[(column * to + row) * 3 + c] = sum;
        }
    }
    return out.subarray(0, width * to * 3);
  };
  return { side: to, data: turned(turned(light.data)) };
}

await runProgram(async () => {
  const [given] = process.argv.slice(2);
  if (given === undefined) throw new Error("Say where the unpacked package is: npm run cut-emoji -- DIR.");
  const folder = userPath("DIR", given);
  const sheet = decode(readFileSync(join(folder, "img", "google", "sheets", "64.png")));
  const known: { short_names: string[]; sheet_x: number; sheet_y: number }[] = JSON.parse(
    readFileSync(join(folder, "emoji.json"), "utf8"),
  );
  const [big, small] = sizes.map((size) => pixelsOf[size]) as [number, number];
  const [width, height] = [objects.length * big, big + small];
  const data = new Uint8Array(width * height * 3);
  objects.forEach((object, column) => {
    const name = shortNames[object] ?? object;
    const found = known.find(({ short_names }) => short_names.includes(name));
    if (!found) throw new Error(`emoji.json: there is no "${name}".`);
    const light = crop(sheet, found.sheet_x * pitch + 1, found.sheet_y * pitch + 1);
    for (const [to, top] of [
      [big, 0],
      [small, big],
    ] as const) {
      const picture = shrink(light, to).data;
      for (let i = 0; i < to * to * 3; i++) {
        const [row, rest] = [Math.floor(i / (3 * to)), i % (3 * to)];
        data[((top + row) * width + column * big) * 3 + rest] = Math.round(
          255 * Math.min(1, Math.max(0, picture[i] as number)),
        );
      }
    }
  });
  await writeFileAtomic(sheetFile, encode({ width, height, data, channels: 3, depth: 8 }));
});
