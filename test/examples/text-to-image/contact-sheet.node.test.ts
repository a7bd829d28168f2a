import { decode, encode } from "fast-png";
import { describe, expect, test } from "vitest";
import { captionWords } from "../../../examples/quickstart/captions";
import { decodeSheet, encodeSheet, type Look, withLook } from "../../../examples/text-to-image/contact-sheet";
import { theme } from "../../../examples/text-to-image/picture";

const pictures = { size: 8, patch_size: 1, image_mean: 0, image_std: 1 / 255 };
const prompts = ["a blue cat", "an orange automobile", "a tiny golden star"];

const look = (iteration: number, size = 8): Look => ({
  iteration,
  pictures: prompts.map((_, n) => ({
    width: size,
    height: size,
    data: Uint8Array.from({ length: size * size * 3 }, (_, i) => (i * 31 + n * 7 + iteration) % 256),
  })),
});

describe("a contact sheet", () => {
  test.each([8, 24])("of pictures of %d pixels is read as it was written", (size) => {
    const format = { ...pictures, size };
    const looks = [look(0, size), look(20, size)];
    const png = encodeSheet(format, prompts, looks, "one");
    expect(decodeSheet(png, format, prompts, "one")).toEqual(looks);
    expect(decodeSheet(png, format, prompts, "another")).toBeUndefined();
    expect(decodeSheet(png, format, [...prompts].reverse(), "one")).toBeUndefined();
    expect(decodeSheet(png, { ...format, size: 12 }, prompts, "one")).toBeUndefined();
  });

  /** The same picture with other dots and another text. */
  const painted = (png: Uint8Array, paint: (data: Uint8Array, width: number) => void, text = decode(png).text) => {
    const { width, height, data } = decode(png);
    const copy = Uint8Array.from(data);
    paint(copy, width);
    return encode({ width, height, data: copy, channels: 3, text });
  };
  /** Forty dots from the lower right corner is a picture. */
  const scribble = (data: Uint8Array, width: number) => data.set([1, 2, 3], data.length - 3 * (40 * width + 40));
  test.each<[string, (png: Uint8Array) => Uint8Array]>([
    ["cut off", (png) => png.slice(0, png.length / 2)],
    ["empty", () => new Uint8Array()],
    ["no PNG", () => Buffer.from("not a picture")],
    ["another picture", () => encode({ width: 1, height: 1, data: new Uint8Array(3), channels: 3 })],
    ["without its iterations", (png) => painted(png, () => {}, {})],
    ["drawn into", (png) => painted(png, (data) => data.fill(255, 0, 300))],
    ["scribbled on inside of a picture", (png) => painted(png, scribble)],
    ["with a byte changed", (png) => png.map((byte, i) => (i === png.length - 60 ? byte ^ 255 : byte))],
  ])("that is %s is none", (_, spoil) => {
    const whole = encodeSheet(pictures, prompts, [look(0), look(20)], "one");
    expect(decodeSheet(whole, pictures, prompts, "one")).toHaveLength(2);
    expect(decodeSheet(spoil(whole), pictures, prompts, "one")).toBeUndefined();
  });

  test("keeps every second row when there are too many, the first and the last always", () => {
    let looks: Look[] = [];
    for (let i = 0; i <= 200; i++) {
      looks = withLook(looks, { iteration: 20 * i, pictures: [] });
      expect(looks.length).toBeLessThanOrEqual(32);
      expect([looks[0]?.iteration, looks.at(-1)?.iteration]).toEqual([0, 20 * i]);
    }
    expect(looks.length).toBeGreaterThan(16);
  });

  test("has its captions whole and above their columns, however long", () => {
    const captions = ["picture of a little tangerine happy face", ...captionWords.filter((word) => word.length > 8)];
    const plain = { width: 24, height: 24, data: new Uint8Array(24 * 24 * 3).fill(1) };
    const looks = [0, 123_456].map((iteration) => ({ iteration, pictures: captions.map(() => plain) }));
    const { width, height, data } = decode(encodeSheet({ ...pictures, size: 24 }, captions, looks, "one"));
    const isDark = (i: number) => data[3 * i] === 1 || data[3 * i] === theme.background[0];
    const isPicture = (i: number) => data[3 * i] === 1;
    const all = Array.from({ length: width * height }, (_, i) => i);
    expect(all.filter(isPicture).length).toBe(2 * captions.length * 120 * 120);
    const first = all.find(isPicture) ?? 0;
    const [left, top] = [first % width, Math.floor(first / width)];
    const inside = all.filter((i) => !isDark(i) && i % width >= left - 8 && Math.floor(i / width) >= top - 4);
    expect(inside).toEqual([]);
    const edges = all.filter((i) => !isDark(i) && (i % width < 24 || i % width >= width - 24 || i / width < 24));
    expect(edges).toEqual([]);
  });
});
