import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { type Curve, drawCurves } from "../../../examples/text-to-image/curves";
import { linearScale, logarithmicScale } from "../../../examples/text-to-image/scale";

/** Reads strict XML of elements and text, and gives its texts. */
function textsOf(xml: string): string[] {
  const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"' };
  const token = /<(\/?)([a-zA-Z]+)((?:\s+[a-zA-Z0-9-]+="[^"<]*")*)\s*(\/?)>|([^<&]+)|&(amp|lt|gt|quot);/uy;
  const [open, texts]: [string[], string[]] = [[], []];
  let inText = "";
  while (token.lastIndex < xml.length) {
    const at = token.lastIndex;
    const match = token.exec(xml);
    if (!match) throw new Error(`not XML: ${JSON.stringify(xml.slice(at, at + 60))}`);
    const [, closing, name = "", attributes = "", empty, plain, entity] = match;
    if (/&(?!(amp|lt|gt|quot);)/.test(attributes)) throw new Error(`not XML: ${attributes}`);
    if (plain !== undefined || entity !== undefined) inText += plain ?? entities[entity ?? ""];
    else if (closing) {
      if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
      if (name === "text") texts.push(inText);
    } else if (!empty) {
      open.push(name);
      inText = "";
    }
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)}> stays open`);
  return texts;
}

const numbersOf = (svg: string, attribute: string) =>
  [...svg.matchAll(new RegExp(` ${attribute}="([^"]*)"`, "g"))].map(([, value]) => Number(value));
const polyline = (svg: string) =>
  (svg.match(/polyline points="([^"]*)"/)?.[1] ?? "").split(" ").map((point) => point.split(",").map(Number));

const distance: Curve = {
  title: "distance",
  note: "down is better",
  mark: { label: "perfect", value: 0.5 },
  points: [
    [0, 100],
    [20, 10],
    [40, 1],
  ],
  logarithmic: true,
};
const other = (title: string): Curve => ({
  title,
  points: [
    [1, -3],
    [40, 4.5],
  ],
});

describe("curves", () => {
  test("show the first one over the whole width, the others in two columns below", () => {
    const svg = drawCurves([distance, ...["b", "c", "d", "e"].map(other)]);
    textsOf(svg);
    const places = [...svg.matchAll(/^<g transform="translate\((\S+) (\S+)\)">/gm)].map(([, x, y]) => [
      Number(x),
      Number(y),
    ]);
    expect(places.map(([x = 0]) => x < 100)).toEqual([true, true, false, true, false]);
    const rows = places.map(([, y]) => y);
    expect([rows[1], rows[3]]).toEqual([rows[2], rows[4]]);
    expect(new Set(rows).size).toBe(3);
    const [first = 0, second = 0] = [...svg.matchAll(/<line x2="([^"]*)"/g)]
      .map(([, x]) => Number(x))
      .filter((x, i, all) => all.indexOf(x) === i);
    expect(first).toBeGreaterThan(2 * second);
    // At a phone's width of 360 letters have nine dots for a title and seven for the rest.
    const [width = 0] = numbersOf(svg, "width");
    expect((18 * 360) / width).toBeGreaterThan(9);
  });

  test("say what they are, and end with their last value", () => {
    const texts = textsOf(drawCurves([distance, other("gap")]));
    for (const text of ["distance", "down is better", "perfect", "gap", "1", "4.5", "iteration 40"])
      expect(texts).toContain(text);
  });

  test("have equal ratios at equal heights on a logarithmic axis, with the mark below the last point", () => {
    const svg = drawCurves([distance]);
    const [a = [], b = [], c = []] = polyline(svg);
    expect((b[1] ?? 0) - (a[1] ?? 0)).toBeCloseTo((c[1] ?? 0) - (b[1] ?? 0), 0);
    const [, mark = ""] = svg.match(/y1="(\S+)" y2="\1" stroke="#15803d"/) ?? [];
    expect(Number(mark)).toBeGreaterThan(c[1] ?? Number.NaN);
    expect([a[0], b[0]]).toEqual([0, (c[0] ?? 0) / 2]);
  });

  test("shade the interval of each point that has one", () => {
    const points = [
      [0, 1, 0.5],
      [1, 2],
      [2, 3, 1],
      [3, 2, Number.NaN],
    ] as const;
    const svg = drawCurves([{ title: "bound", points }]);
    textsOf(svg);
    const band = (svg.match(/polygon points="([^"]*)"/)?.[1] ?? "").split(" ").map((at) => at.split(",").map(Number));
    const line = polyline(svg);
    expect(band.map(([x]) => x)).toEqual([line[0]?.[0], line[2]?.[0], line[2]?.[0], line[0]?.[0]]);
    const half = (i: number, j: number) => ((band[j]?.[1] ?? 0) - (band[i]?.[1] ?? 0)) / 2;
    expect(half(1, 2)).toBeCloseTo(2 * half(0, 3), 0);
    expect(svg).not.toMatch(/NaN/);
  });

  test("of a share show the whole of it", () => {
    const share = drawCurves([
      {
        title: "right",
        points: [
          [0, 0.4],
          [20, 0.6],
        ],
        range: [0, 1],
      },
    ]);
    expect(textsOf(share)).toEqual(expect.arrayContaining(["0", "1"]));
  });

  test.each<[string, Curve["points"]]>([
    ["no point", []],
    ["one point", [[7, 3]]],
    ["one point at iteration 0", [[0, 3]]],
    [
      "one value at all times",
      [
        [1, 5],
        [2, 5],
      ],
    ],
    [
      "zero at all times",
      [
        [1, 0],
        [2, 0],
      ],
    ],
    [
      "losses that broke down",
      [
        [1, 1],
        [2, Number.NaN],
        [3, Number.POSITIVE_INFINITY],
      ],
    ],
    ["nothing but NaN", [[1, Number.NaN]]],
    [
      "huge values",
      [
        [1, 1e30],
        [2, -1e30],
      ],
    ],
    [
      "tiny values",
      [
        [1, 1e-30],
        [2, 2e-30],
      ],
    ],
  ])("are whole with %s", (_, points) => {
    for (const logarithmic of [false, true]) {
      const svg = drawCurves([
        { title: "x", points, logarithmic },
        { title: "y", points, mark: { label: "m", value: Number.NaN } },
      ]);
      textsOf(svg);
      expect(svg).not.toMatch(/NaN|Infinity|undefined|null/);
    }
  });

  test("of nothing are a picture too", () => {
    expect(() => textsOf(drawCurves([]))).not.toThrow();
  });

  test.prop({
    text: fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("</text><script>alert(1)</script>", 'a & b "c" <d>', "\u0000\ud800", "w".repeat(300)),
    ),
  })("write any title, note and label as text", ({ text }) => {
    const svg = drawCurves([{ ...distance, title: text, note: text, mark: { label: text, value: 2 } }]);
    const shown = textsOf(svg).join("");
    const printable = text.replace(/\p{C}|\s/gu, "");
    expect(svg).not.toContain("<script");
    expect(svg).not.toMatch(/(?!\n)\p{Cc}|\p{Cs}|\p{Noncharacter_Code_Point}/u);
    if (printable === text) expect(shown).toContain(text.slice(0, 30));
  });

  test("keep long headings within their column", () => {
    const long = "no measure of progress: may rise while pictures improve";
    const svg = drawCurves([other("a"), { ...other("b"), note: long }, { ...other("c"), title: "w".repeat(100) }]);
    const lines = textsOf(svg);
    expect(lines.join(" ")).toContain(long);
    // 323 units a column, letters of 15 units being half as wide.
    for (const line of lines) expect(line.length * 15 * 0.5).toBeLessThan(350);
  });
});

describe("a scale", () => {
  const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 8 });

  test.prop({ values })("has all values between its first and last round number", ({ values }) => {
    const { ticks, place } = linearScale(values, 4);
    expect(ticks.length).toBeGreaterThanOrEqual(2);
    expect(ticks.length).toBeLessThanOrEqual(8);
    for (const value of values) {
      expect(place(value)).toBeGreaterThanOrEqual(-1e-9);
      expect(place(value)).toBeLessThanOrEqual(1 + 1e-9);
    }
    expect(place(ticks[0] ?? Number.NaN)).toBeCloseTo(0);
    expect(place(ticks.at(-1) ?? Number.NaN)).toBeCloseTo(1);
  });

  test.prop({ values: fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 8 }) })(
    "of positive values likewise",
    ({ values }) => {
      const { ticks, place } = logarithmicScale(values);
      for (const value of values) {
        expect(place(value)).toBeGreaterThanOrEqual(-1e-9);
        expect(place(value)).toBeLessThanOrEqual(1 + 1e-9);
      }
      expect(place(ticks[0] ?? Number.NaN)).toBeCloseTo(0);
      expect(place(ticks.at(-1) ?? Number.NaN)).toBeCloseTo(1);
    },
  );

  test("writes round numbers", () => {
    expect(linearScale([0.1, 0.37], 4).ticks).toEqual([0.1, 0.2, 0.3, 0.4]);
    expect(linearScale([-3, 4.5], 4).ticks).toEqual([-4, -2, 0, 2, 4, 6]);
    expect(logarithmicScale([14, 62]).ticks).toEqual([10, 20, 50, 100]);
    expect(logarithmicScale([14, 830]).ticks).toEqual(
      [10, 20, 50, 100, 200, 500, 1000].length > 6 ? [10, 100, 1000] : [],
    );
  });
});
