import { describe, expect, test } from "vitest";
import { compactMetrics, divergenceTable, divergenceText } from "../../../examples/common/divergence";
import type { Divergence } from "../../../src/train";

const estimate = (value: number, standardError: number) => ({ value, standardError });

/** 16 levels of half a nat from log-SNR −4 to 4; the last holds all but a little. */
const levels = Array.from({ length: 16 }, (_, i) => {
  const lowerBound = i === 15 ? estimate(1.25, 0.03) : estimate(0.004, 0.04 / Math.sqrt(15));
  return { from: -4 + i / 2, to: -3.5 + i / 2, lowerBound, naive: lowerBound, lag: estimate(0, 0.01) };
});
const divergence: Divergence = {
  ...{ lowerBound: estimate(1.31, 0.05), naive: estimate(1.3456, 0.041), lag: estimate(-0.0356, 0.03), levels },
  samples: 2048,
};

describe("the gauge in words", () => {
  test.each([
    [1.3123, 0.0408, "≥ 1.31 ± 0.08 nats"],
    [0.0123, 0.0061, "≥ 0.012 ± 0.012 nats"],
    [-0.0312, 0.02, "≥ −0.03 ± 0.04 nats"],
    [-0.001, 0.02, "≥ 0.00 ± 0.04 nats"],
    [12.3456, 0.5, "≥ 12.3 ± 1.0 nats"],
    [1234.5, 21, "≥ 1230 ± 40 nats"],
    [1234.5, 0.498, "≥ 1234.5 ± 1.0 nats"],
    [9.96, 5.09, "≥ 10 ± 10 nats"],
    [0, 0, "≥ 0 nats"],
    [2.34567, 0, "≥ 2.35 nats"],
    [1e-7, 2e-9, "≥ 0.000000100 ± 0.000000004 nats"],
  ])("%f with a standard error of %f", (value, standardError, text) => {
    expect(divergenceText({ lowerBound: estimate(value, standardError) })).toBe(text);
  });

  test("the table has eight ranges of noise, from much to little, whose bars are their nats", () => {
    const [head, columns, ...rows] = divergenceTable(divergence);
    expect(head).toBe("KL(generator ‖ teacher) ≥ 1.31 ± 0.10 nats; naive 1.35 ± 0.08, lag −0.04 ± 0.06");
    expect(columns).toContain("noise/signal");
    expect(rows).toHaveLength(8);
    expect(rows[0]).toMatch(/^ +7\.4 … 4\.5 +0\.008 ± 0\.029$/);
    expect(rows.at(-1)).toMatch(/^ +0\.22 … 0\.14 +1\.25 ± 0\.06 +#{24}$/);
    expect(new Set(rows.slice(0, -1).map((row) => row.length)).size).toBe(1);
  });

  test("a table of one level, and of none above 0, is whole", () => {
    const one = { ...divergence, levels: [{ ...levels[0], lowerBound: estimate(-1, 0) }] } as unknown as Divergence;
    expect(divergenceTable(one).at(-1)).toMatch(/7\.4 … 5\.8 +−1$/);
  });
});

test("a line of a log holds few numbers of the gauge, whose ranges are the whole", () => {
  const { iteration, divergence: few } = compactMetrics({ iteration: 7, divergence });
  expect(iteration).toBe(7);
  expect(few?.levels).toHaveLength(8);
  expect(few?.levels.reduce((sum, { value }) => sum + value, 0)).toBeCloseTo(1.31, 3);
  expect([few?.levels[0]?.from, few?.levels.at(-1)?.to]).toEqual([-4, 4]);
  expect(few?.lag).toEqual(estimate(-0.0356, 0.03));
  expect(JSON.stringify(few).length).toBeLessThan(1000);
  expect(compactMetrics({ iteration: 1, divergence: undefined })).toEqual({ iteration: 1 });
});
