import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { decode } from "fast-png";
import { describe, expect, onTestFinished, vi } from "vitest";
import { duration } from "../../../examples/common/progress";
import { createCanvas, drawImage, drawText, encodePng, textWidth } from "../../../examples/quickstart/canvas";
import {
  allPairs,
  caption,
  captionWords,
  heldOutPairs,
  knownWords,
  pairOf,
  trainedPairs,
} from "../../../examples/quickstart/captions";
import { drawCurves } from "../../../examples/quickstart/curves";
import { colourImage, everyImage, loadDigits } from "../../../examples/quickstart/digits";
import { glyphColumns } from "../../../examples/quickstart/font";
import { openHistory, type SavedHistory } from "../../../examples/quickstart/history";
import { distanceName, explainFigures } from "../../../examples/quickstart/meaning";
import { defaults, parseOptions } from "../../../examples/quickstart/options";
import { drawGrid } from "../../../examples/quickstart/picture";
import { pixelDeviation, pixelMean } from "../../../examples/quickstart/pixels";
import type { Report, Rows } from "../../../examples/quickstart/report";
import { formatReport } from "../../../examples/quickstart/table";
import { randomStream } from "../../../src/core";

describe("captions", () => {
  test.prop({ pair: fc.constantFrom(...allPairs), seed: fc.nat() })(
    "say their pair in known words",
    ({ pair, seed }) => {
      const text = caption(pair, randomStream(seed));
      const words = text.split(" ");
      expect(pairOf(text)).toEqual(pair);
      expect(words.length).toBeLessThanOrEqual(6);
      expect(words.filter((word) => !captionWords.includes(word))).toEqual([]);
      expect(text).not.toMatch(/\ba [aeiou]|\ban [^aeiou]/);
    },
  );

  test("vary in words and in form", () => {
    const stream = randomStream(0);
    const seen = new Set(Array.from({ length: 300 }, () => caption({ digit: 7, colour: "red" }, stream)));
    expect(seen).toContain("a red seven");
    expect(seen).toContain("the digit 7 in crimson");
    expect(seen.size).toBeGreaterThan(25);
  });

  test("hold one pair of each digit out of training", () => {
    expect(trainedPairs.length + heldOutPairs.length).toBe(allPairs.length);
    expect(heldOutPairs.map(({ digit }) => digit)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const key = (pair: object) => JSON.stringify(pair);
    const trained = new Set(trainedPairs.map(key));
    expect(heldOutPairs.filter((pair) => trained.has(key(pair)))).toEqual([]);
    expect(new Set(heldOutPairs.map(({ colour }) => colour)).size).toBe(8);
  });
});

describe("digits", () => {
  const digits = loadDigits();

  test("are the 1,797 images of the file", () => {
    expect(digits.byDigit.map((images) => images.length)).toEqual([178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    expect(digits.byDigit.flat().every((ink) => ink.length === 64 && ink.every((x) => x >= 0 && x <= 1))).toBe(true);
    // The first line of the file is this 0.
    expect(Array.from(digits.byDigit[0]?.[0]?.slice(0, 8) ?? [], (x) => x * 16)).toEqual([0, 0, 5, 13, 9, 1, 0, 0]);
  });

  test("are standardised over all colours", () => {
    let [count, sum, squares] = [0, 0, 0];
    for (const image of everyImage(digits))
      for (const x of image) {
        count++;
        sum += x;
        squares += x * x;
      }
    expect(Math.abs(sum / count)).toBeLessThan(1e-3);
    expect(Math.abs(Math.sqrt(squares / count) - 1)).toBeLessThan(1e-3);
  });

  test("are the ink in the colour, on black", () => {
    const image = colourImage(
      Float32Array.from({ length: 64 }, (_, i) => (i === 0 ? 1 : 0)),
      { digit: 1, colour: "orange" },
    );
    const pixels = Array.from(image.slice(0, 6), (x) => x * pixelDeviation + pixelMean);
    for (const [i, wanted] of [1, 0.5, 0, 0, 0, 0].entries()) expect(pixels[i]).toBeCloseTo(wanted, 6);
  });
});

describe("pictures", () => {
  test("put pixels, colours and dots of text where they belong", () => {
    const canvas = createCanvas(40, 20, [1, 2, 3]);
    const white = Float32Array.from({ length: 192 }, () => (1 - pixelMean) / pixelDeviation);
    drawImage(canvas, white, 2, 1, 2);
    drawText(canvas, "1", 30, 4, 1, [9, 8, 7]);
    const { width, height, channels, data } = decode(encodePng(canvas));
    const at = (x: number, y: number) => Array.from(data.slice((y * width + x) * 3, (y * width + x) * 3 + 3));
    expect([width, height, channels]).toEqual([40, 20, 3]);
    expect([at(1, 1), at(2, 1), at(17, 16), at(18, 16)]).toEqual([
      [1, 2, 3],
      [255, 255, 255],
      [255, 255, 255],
      [1, 2, 3],
    ]);
    // The third column of a 1 is its stem.
    expect([at(32, 4), at(32, 10), at(30, 4)]).toEqual([
      [9, 8, 7],
      [9, 8, 7],
      [1, 2, 3],
    ]);
  });

  test("have a glyph for every character of the labels", () => {
    for (const character of [...captionWords.join(""), ..."-,.*()"])
      expect(
        glyphColumns(character).some((column) => column > 0),
        character,
      ).toBe(true);
    expect(textWidth("ab", 2)).toBe(22);
  });

  test("lay prompts out from top to bottom and blocks from left to right", () => {
    const dark = new Float32Array(192).fill(-10);
    const light = new Float32Array(192).fill(10);
    const { width, height, data } = drawGrid(
      ["a", "b"],
      [
        {
          title: "x",
          images: [
            [dark, light],
            [dark, dark],
          ],
        },
        { title: "y", images: [[dark], [light]] },
      ],
    );
    const lit: [number, number][] = [];
    for (let i = 0; i < width * height; i++) if (data[3 * i] === 255) lit.push([i % width, Math.floor(i / width)]);
    expect(lit.length).toBe(2 * 40 * 40);
    const firstRow = lit.filter(([, y]) => y < (lit[0]?.[1] ?? 0) + 40);
    const secondRow = lit.filter(([, y]) => y >= (lit[0]?.[1] ?? 0) + 40);
    expect(firstRow.length).toBe(1600);
    expect(Math.min(...secondRow.map(([x]) => x))).toBeGreaterThan(Math.max(...firstRow.map(([x]) => x)));
  });

  test("curves are an SVG with one panel per curve, even without points", () => {
    const svg = drawCurves([
      {
        title: "distance",
        note: "down is better",
        mark: { label: "perfect", value: 0.5 },
        points: [
          [1, 100],
          [2, 10],
          [3, 1],
        ],
        logarithmic: true,
      },
      { title: "empty", points: [] },
    ]);
    expect(svg).toMatch(/^<svg[^>]*width="720"/);
    expect(svg).toContain(">distance<");
    expect(svg).toContain(">down is better<");
    // The mark lies below the last point, where the axis ends.
    expect(svg).toMatch(/y1="(\S+)" y2="\1" stroke="#15803d"/);
    expect(svg).toContain(">perfect<");
    expect(svg).not.toContain("NaN");
    // Equal ratios are equal heights on a logarithmic axis.
    const [, points = ""] = svg.match(/polyline points="([^"]*)"/) ?? [];
    const [a = 0, b = 0, c = 0] = points.split(" ").map((point) => Number(point.split(",")[1]));
    expect(b - a).toBeCloseTo(c - b, 1);
    expect(b).toBeGreaterThan(a);
  });
});

describe("the history of a run", () => {
  const entry = (iteration: number) => ({
    iteration,
    nimg: 32 * iteration,
    fakeLoss: 1,
    generatorLoss: -1,
    deltaSquared: iteration - 1,
    fakeGradientNorm: 1,
    generatorGradientNorm: 1,
    droppedSamples: 0,
    cleanedElements: 0,
    emaBeta: 0.5,
    seconds: 1,
  });

  const files = () => {
    const folder = mkdtempSync(join(tmpdir(), "sid-lsg-history-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    return { history: join(folder, "history.json"), curves: join(folder, "curves.svg") };
  };
  const run = { seed: 1, kappa: 1.15 };
  const gauge = { captions: 128, realImages: 42 };
  const read = (path: string): SavedHistory => JSON.parse(readFileSync(path, "utf8"));

  test("goes on where the resumed run does, and starts afresh otherwise", async () => {
    const paths = files();
    const first = openHistory(paths, { ...run, resume: true }, gauge);
    expect(first.distance).toBeUndefined();
    first.look(0, 400);
    for (const i of [1, 2, 3]) first.add(entry(i));
    first.look(3, 60);
    await first.save();
    // The checkpoint of iteration 2 was the last: iteration 3 comes again.
    const resumed = openHistory(paths, { ...run, resume: true }, gauge);
    expect(resumed.distance).toBe(60);
    resumed.add({ ...entry(3), fakeLoss: 7 });
    resumed.look(3, 50);
    await resumed.save();
    const { metrics, distances } = read(paths.history);
    expect(metrics.map(({ iteration, fakeLoss }) => [iteration, fakeLoss])).toEqual([
      [1, 1],
      [2, 1],
      [3, 7],
    ]);
    expect(distances).toEqual([
      { iteration: 0, distance: 400 },
      { iteration: 3, distance: 50 },
    ]);
    const curves = readFileSync(paths.curves, "utf8");
    expect(curves).not.toMatch(/NaN|Infinity/);
    expect(curves).toContain("on 128 captions");
    expect(curves).toContain("as many real images");
    expect(curves.match(/no measure of progress/g)).toHaveLength(3);
    const afresh = openHistory(paths, { ...run, resume: false }, gauge);
    afresh.add(entry(1));
    await afresh.save();
    expect(read(paths.history)).toEqual({ run, metrics: [entry(1)], distances: [] });
  });

  test.each([
    ["cut off", (text: string) => text.slice(0, -20)],
    ["without its figures", () => "{}"],
    ["with entries of nothing", (text: string) => text.replace(/"metrics":\[.*?\]/, '"metrics":[null]')],
    ["of another seed", (text: string) => text.replace('"seed":1', '"seed":2')],
    ["of another guidance", (text: string) => text.replace('"kappa":1.15', '"kappa":1.5')],
  ])("that is %s is ignored with a warning", async (_, spoil) => {
    const paths = files();
    const first = openHistory(paths, { ...run, resume: false }, gauge);
    first.add(entry(1));
    await first.save();
    writeFileSync(paths.history, spoil(readFileSync(paths.history, "utf8")));
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const resumed = openHistory(paths, { ...run, resume: true }, gauge);
    expect(warn.mock.calls.join()).toContain(`Ignored ${paths.history}`);
    warn.mockRestore();
    resumed.add(entry(2));
    await resumed.save();
    expect(read(paths.history).metrics).toEqual([entry(2)]);
  });
});

describe("the command line", () => {
  test("has defaults and takes every option", () => {
    expect(parseOptions([])).toEqual({ ...defaults, out: resolve(defaults.out), resume: false });
    const all = "--resume --iterations 7 --seed 3 --kappa 1.5 --backend cpu --captions 200 --out x".split(" ");
    expect(parseOptions(all)).toEqual({
      resume: true,
      iterations: 7,
      seed: 3,
      kappa: 1.5,
      backend: "cpu",
      captions: 200,
      out: resolve("x"),
    });
    expect(parseOptions(["--prompt", "a red seven"])).toMatchObject({ prompt: "a red seven" });
    expect(parseOptions(["--help"])).toBeUndefined();
  });

  test.each([
    [["--iterations", "0"], /--iterations must be a number of at least 1, got "0"/],
    [["--iterations", "2.5"], /--iterations must be a whole number/],
    [["--seed", ""], /--seed must be a number/],
    [["--kappa", "much"], /--kappa must be a number of at least 0, got "much"/],
    [["--kappa=-1"], /--kappa must be/],
    [["--captions", "99"], /--captions must be a number of at least 100/],
    [["--backend", "gpu"], /--backend must be auto, cpu, .* or node-gpu, got "gpu"/],
    [["--out", " "], /--out must name a file or folder/],
    [["--prompt", "a red one", "--resume"], /do not go together/],
    [["--steps", "3"], /--steps/],
    [["extra"], /extra/],
  ])("refuses %j", (args, message) => {
    expect(() => parseOptions(args)).toThrowError(message);
  });

  test("refuses words that the generator does not know, and names those that it knows", () => {
    expect(knownWords("A red Seven!", captionWords)).toEqual(["a", "red", "seven"]);
    expect(() => knownWords("a pink seven", captionWords)).toThrowError(/does not know "pink"\. It knows: .*crimson/);
    expect(() => knownWords("  ", captionWords)).toThrowError(/empty/);
  });

  test("prints the report as a table", () => {
    const row = { digitAccuracy: 0.9876, colourAccuracy: 1, frechetDistance: 12.345, networkPasses: 50 };
    const rows: Rows = {
      real: row,
      teacher50: row,
      teacher50Guided: row,
      teacher1: row,
      generator: { ...row, networkPasses: 1 },
    };
    const report: Report = {
      groups: { trained: rows, heldOut: rows },
      seconds: 1,
      secondsByPhase: {},
      captionsPerGroup: 512,
      whileTraining: { captions: 128, realImages: 42 },
      settings: {},
    };
    const lines = formatReport(report).split("\n");
    expect(lines.length).toBe(15);
    expect(lines[6]).toMatch(/^ {2}generator, 1 step +0\.988 +1\.000 +12\.3 +1$/);
    expect(new Set(lines.filter((line) => line.startsWith("  ")).map((line) => line.length)).size).toBe(1);
    expect(duration(65.4)).toBe("1:05");
    expect(lines[13]).toMatch(/of 512 images.* within one block only\.$/);
    expect(lines[14]).toMatch(/while training were of 128 images/);
    const same = formatReport({ ...report, captionsPerGroup: 128 });
    expect(same).not.toContain("while training");
  });

  test("says which figures may be compared with what", () => {
    const gauge = { captions: 128, realImages: 41.23 };
    expect(distanceName(gauge)).toBe("distance(128)");
    const text = explainFigures(gauge, 512).join("\n");
    expect(text).toMatch(/^distance\(128\): .* on 128 captions.*should fall/);
    expect(text).toContain("real images are at 41.2");
    expect(text).toMatch(/takes 512 captions.*compare it\s+with its own rows only/);
    expect(text).toMatch(/‖δ‖².*not progress/);
    expect(explainFigures(gauge, 128).join("\n")).not.toContain("table");
  });
});
