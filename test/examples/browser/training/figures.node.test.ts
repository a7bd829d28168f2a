import { describe, expect, it } from "vitest";
import { drawChart } from "../../../../examples/browser/training/chart";
import { drawCharts, figuresOf } from "../../../../examples/browser/training/figures";
import { about, startPace } from "../../../../examples/browser/training/pace";
import { newRecord } from "../../../../examples/browser/training/record";

describe("a chart", () => {
  const chart = { title: "T", note: "N", inWords: String, last: 4 };

  it("has its points at their shares of the place, and the last of them in words", () => {
    const html = drawChart({
      ...chart,
      points: [
        [0, 0],
        [2, 5],
        [4, 10],
      ],
      range: [0, 10],
    });
    expect(html).toContain('<polyline points="0.00,100.00 50.00,50.00 100.00,0.00"/>');
    expect(html).toContain('aria-label="T: 10 at iteration 4"');
    expect(html).not.toContain("<polygon");
  });

  it("shades intervals, draws a value to compare with, and leaves out what a logarithm has not", () => {
    const points = [
      [0, 10, 1],
      [1, 100, 5],
      [2, -3, 1],
      [3, Number.NaN, 1],
    ] as const;
    const html = drawChart({ ...chart, points, mark: { label: "real", value: 20 }, logarithmic: true });
    expect(html.match(/<polyline points="([^"]*)"/)?.[1]?.split(" ")).toHaveLength(2);
    expect(html.match(/<polygon points="([^"]*)"/)?.[1]?.split(" ")).toHaveLength(4);
    expect(html).toMatch(/class="mark".*>real</s);
  });

  it("says so where there is nothing yet", () => {
    expect(drawChart({ ...chart, points: [] })).toContain("No points yet");
  });
});

describe("the figures of a run", () => {
  const settings = { iterations: 10, seed: 0, captions: 100, saveEvery: 2, lookEvery: 3 };
  const lowerBound = { value: 1.5, standardError: 0.1 };
  const record = {
    ...newRecord(settings, "wasm", 89),
    entries: [1, 2].map((iteration) => ({
      iteration,
      fakeLoss: 3.1234,
      lowerBound,
    })),
    looks: [{ iteration: 0, distance: 3650.4, right: 0.238 }],
  };

  it("are told in words", () => {
    expect(figuresOf(record)).toEqual({
      ...{ distance: "3650 (real pictures: 89)", right: "24 %" },
      ...{ divergence: "≥ 1.50 ± 0.20 nats", loss: "3.12" },
    });
    expect(new Set(Object.values(figuresOf(undefined)))).toEqual(new Set(["–"]));
  });

  it("are four curves", () => expect(drawCharts(record, 2).match(/<figure>/g)).toHaveLength(4));
});

describe("the pace", () => {
  it("is told from the second iteration on, those before a resume left out", () => {
    const pace = startPace();
    pace.tick(101, 50_000);
    expect(pace.text(410)).toBe("");
    pace.tick(103, 53_000);
    expect(pace.text(410)).toBe("1.5 s an iteration, looks and saves included: 10 minutes for all 410, 8 minutes left");
    pace.tick(410, 53_000 + 307 * 1500);
    expect(pace.text(410)).not.toContain("left");
  });

  it("is in the unit that one would say", () => {
    expect([0.2, 40, 89, 90, 3600, 7500].map(about)).toEqual([
      "1 second",
      "40 seconds",
      "89 seconds",
      "2 minutes",
      "60 minutes",
      "2 h 5 min",
    ]);
  });
});
