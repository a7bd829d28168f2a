import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openPicture } from "../../../examples/sd/images/picture";
import { squareOf } from "../../../examples/sd/images/resize";

interface Golden {
  readonly pictures: Readonly<Record<string, { file: string; width: number; height: number; pixels: string }>>;
  readonly refused: Readonly<Record<string, string>>;
  readonly squares: readonly { width: number; height: number; size: number; picture: string; pixels: string }[];
}

const golden: Golden = JSON.parse(readFileSync("test/golden/images.json", "utf8"));
const bytes = (text: string) => new Uint8Array(Buffer.from(text, "base64"));
const file = (name: string) => Buffer.from((golden.pictures[name] as { file: string }).file, "base64");

/** The largest difference of a byte and the mean one. */
function apart(a: Uint8Array, b: Uint8Array) {
  expect(a.length).toBe(b.length);
  const differences = Array.from(a, (value, i) => Math.abs(value - (b[i] as number)));
  return { most: Math.max(...differences), mean: differences.reduce((x, y) => x + y, 0) / a.length };
}

describe("pixels are Pillow's", () => {
  test.each(Object.entries(golden.pictures))("%s", (name, { file, width, height, pixels }) => {
    const picture = openPicture(bytes(file)).decode();
    expect([picture.width, picture.height]).toEqual([width, height]);
    const { most, mean } = apart(picture.data, bytes(pixels));
    // Another inverse cosine transform rounds a sample otherwise now and then, by 1; blue is 1.8 of it.
    expect(most).toBeLessThanOrEqual(name.startsWith("png") ? 0 : 3);
    expect(mean).toBeLessThan(name.startsWith("png") ? 0.001 : 0.2);
  });
});

describe("squares are Pillow's and torchvision's, byte for byte", () => {
  test.each(golden.squares)("$width × $height to $size", ({ width, height, size, picture, pixels }) => {
    const square = squareOf({ width, height, data: bytes(picture) }, size);
    expect([square.width, square.height]).toEqual([size, size]);
    expect(apart(square.data, bytes(pixels)).most).toBe(0);
  });
});

/** The file with these bytes at the place where others begin. */
function changed(name: string, find: readonly number[], put: readonly number[]): Buffer {
  const all = file(name);
  const at = all.indexOf(Buffer.from(find));
  expect(at).toBeGreaterThan(0);
  all.set(put, at);
  return all;
}

describe("refused, with what it is", () => {
  const [png, jpeg] = ["png, rgb", "jpeg, progressive"];
  const text = (content: string) => Buffer.from(content, "latin1");
  const refused: Readonly<Record<string, readonly [Uint8Array, RegExp]>> = {
    "a CMYK JPEG": [bytes(golden.refused["CMYK"] as string), /^is a CMYK JPEG, .*; save it as RGB$/],
    "an animated PNG": [
      bytes(golden.refused["animation"] as string),
      /^is an animation of 2 pictures; save one of them$/,
    ],
    "a GIF": [bytes(golden.refused["GIF"] as string), /^is a GIF; convert it to PNG or JPEG$/],
    "a WebP": [bytes(golden.refused["WebP"] as string), /^is a WebP; /],
    "a BMP": [bytes(golden.refused["BMP"] as string), /^is a BMP; /],
    "a TIFF": [bytes(golden.refused["TIFF"] as string), /^is a TIFF; /],
    "an AVIF": [text("\0\0\0\x20ftypavif\0\0\0\0"), /^is an AVIF; /],
    "a HEIC": [text("\0\0\0\x20ftypheic\0\0\0\0"), /^is a HEIC; /],
    nothing: [Buffer.alloc(0), /^is empty$/],
    "a Git-LFS pointer": [
      text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"),
      /^is no picture but a Git-LFS pointer; .*git lfs pull$/,
    ],
    "an HTML page": [text("<!DOCTYPE html><title>404</title>"), /^is no picture but an HTML page; download the file/],
    text: [text("a red fox"), /^is no PNG or JPEG$/],
    "a PNG cut in its pixels": [file(png).subarray(0, -40), /^is cut off: the PNG ends in its chunk "IDAT"$/],
    "a PNG without its end": [file(png).subarray(0, -12), /^is cut off: the PNG ends before its last chunk$/],
    "a PNG without a header": [
      changed(png, [...text("IHDR")], [...text("IHDX")]),
      /^is damaged: the PNG does not begin with its header$/,
    ],
    "a PNG of no width": [
      changed(png, [...text("IHDR")], [...text("IHDR"), 0, 0, 0, 0]),
      /^is damaged: its size is 0 × 13$/,
    ],
    "a PNG that says it is huge": [
      changed(png, [...text("IHDR")], [...text("IHDR"), 0, 1, 0, 0, 0, 1, 0, 0]),
      /^has 65536 × 65536 pixels, more than 100 million; make it smaller$/,
    ],
    "a JPEG cut in its pixels": [file(jpeg).subarray(0, -40), /^is cut off: the JPEG has no end after its pixels$/],
    "a JPEG cut before its pixels": [file(jpeg).subarray(0, 80), /^is cut off: the JPEG ends before its pixels$/],
    "a JPEG with arithmetic coding": [
      changed(jpeg, [0xff, 0xc2], [0xff, 0xca]),
      /^is a JPEG with arithmetic coding; save/,
    ],
    "a lossless JPEG": [changed(jpeg, [0xff, 0xc2], [0xff, 0xc3]), /^is a lossless or hierarchical JPEG; save/],
    "a JPEG of 12 bits": [
      changed(jpeg, [0xff, 0xc2, 0, 17, 8], [0xff, 0xc2, 0, 17, 12]),
      /^is a JPEG of 12 bits per colour/,
    ],
    "a JPEG with a wrong length": [
      changed(jpeg, [0xff, 0xdb, 0], [0xff, 0xdb, 0, 3]),
      /^is damaged: the JPEG's segments/,
    ],
  };
  test.each(Object.entries(refused))("%s", (_, [content, message]) => {
    expect(() => openPicture(content)).toThrow(message);
  });

  test("a PNG and a JPEG with damaged pixels are refused when they are decoded", () => {
    const spoilt = file(png);
    spoilt[spoilt.length - 60] = (spoilt[spoilt.length - 60] as number) ^ 255;
    expect(() => openPicture(spoilt).decode()).toThrow();
    // An end within the pixels.
    const cut = file("jpeg, grey");
    cut.set([0xff, 0xd9], cut.length - 30);
    expect(() => openPicture(cut).decode()).toThrow(/marker/);
  });
});

test("whether a JPEG's colours were changed is what Adobe's segment says, else the names of its planes", () => {
  const kept = file("jpeg, rgb kept");
  const expected = openPicture(kept).decode().data;
  const at = kept.indexOf("Adobe");
  const bare = Buffer.concat([kept.subarray(0, at - 4), kept.subarray(at + 12)]);
  expect(apart(openPicture(bare).decode().data, expected).most).toBe(0);
  kept[at + 11] = 1;
  expect(apart(openPicture(kept).decode().data, expected).most).toBeGreaterThan(50);
});
