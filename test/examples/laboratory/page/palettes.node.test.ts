import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Palette, palettes } from "../../../../examples/laboratory/page/palettes";

type Rgb = readonly [number, number, number];

const linear = (colour: string) =>
  [1, 3, 5].map((at) => {
    const c = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
const luminance = ([r, g, b]: Rgb) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
const contrast = (a: string, b: string) => {
  const [dark, light] = [luminance(linear(a)), luminance(linear(b))].sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
};

/** What is seen without one kind of cones (Machado, Oliveira and Fernandes, 2009, severity 1). */
const sights: Readonly<Record<string, readonly Rgb[]>> = {
  all: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** CIE L*a*b* of a colour as it is seen, in daylight. */
function lab(colour: string, sight: readonly Rgb[]): Rgb {
  const seen = sight.map((row) =>
    Math.min(
      1,
      Math.max(
        0,
        row.reduce((sum, m, i) => sum + m * (linear(colour)[i] as number), 0),
      ),
    ),
  );
  const [r, g, b] = seen as unknown as Rgb;
  const f = (v: number) => (v > 0.008856 ? Math.cbrt(v) : 7.787 * v + 16 / 116);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

describe.each(["light", "dark"] as const)("the %s colours", (name) => {
  const { ground, ...hues }: Palette = palettes[name];
  const colours = Object.entries(hues);

  test("can be read as text", () => {
    for (const [hue, colour] of colours) expect(contrast(colour, ground), hue).toBeGreaterThan(4.5);
  });

  test.each(Object.keys(sights))("are told apart with the sight of %s", (sight) => {
    for (const [i, [a, one]] of colours.entries())
      for (const [b, other] of colours.slice(i + 1)) {
        const [p, q] = [lab(one, sights[sight] as readonly Rgb[]), lab(other, sights[sight] as readonly Rgb[])];
        expect(Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]), `${a} and ${b}`).toBeGreaterThan(12);
      }
  });

  test("are those of the style sheet", () => {
    const [light = "", dark = ""] = readFileSync("examples/laboratory/page/equation.css", "utf8").split(".dark");
    for (const [hue, colour] of colours) expect(name === "light" ? light : dark).toContain(`--hue-${hue}: ${colour};`);
  });
});
