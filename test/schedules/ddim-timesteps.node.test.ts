import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { type DdimTimestepsOptions, ddimTimesteps, type TimestepSpacing } from "../../src/schedules";
import { expectSidError } from "../support/errors";

interface Golden {
  readonly timesteps: readonly { numTimesteps: number; spacing: TimestepSpacing; digests: string[] }[];
}
const golden: Golden = JSON.parse(readFileSync(new URL("../golden/ddim.json", import.meta.url), "utf8"));

describe("ddimTimesteps", () => {
  test.each(golden.timesteps)("$spacing of $numTimesteps: diffusers' table for every number of steps", (table) => {
    const { numTimesteps, spacing, digests } = table;
    const ours = digests.map((_, i) => ddimTimesteps({ numTimesteps, spacing, steps: i + 1 }).join());
    expect(ours.map((text) => createHash("sha256").update(text).digest("hex").slice(0, 8))).toEqual(digests);
  });

  test("tables that can be read", () => {
    expect(ddimTimesteps({ steps: 5 })).toEqual([800, 600, 400, 200, 0]);
    expect(ddimTimesteps({ steps: 7, stepsOffset: 1 })).toEqual([853, 711, 569, 427, 285, 143, 1]);
    expect(ddimTimesteps({ steps: 5, spacing: "trailing", stepsOffset: 1 })).toEqual([999, 799, 599, 399, 199]);
    expect(ddimTimesteps({ steps: 5, spacing: "linspace" })).toEqual([999, 749, 500, 250, 0]);
    expect(ddimTimesteps({ steps: 1, spacing: "linspace" })).toEqual([0]);
  });

  const size = fc.integer({ min: 1, max: 3000 });
  const spacing = fc.constantFrom<TimestepSpacing>("leading", "trailing", "linspace");
  test.prop([size, size, spacing])("timesteps fall, and belong to the schedule", (a, b, spacing) => {
    const [steps, numTimesteps] = [Math.min(a, b), Math.max(a, b)];
    const timesteps = ddimTimesteps({ numTimesteps, steps, spacing });
    expect(timesteps.length).toBe(steps);
    expect(timesteps.every((t, i) => Number.isInteger(t) && (i === 0 || t < (timesteps[i - 1] as number)))).toBe(true);
    expect(timesteps[0]).toBeLessThan(numTimesteps);
    expect(timesteps[steps - 1]).toBeGreaterThanOrEqual(0);
  });

  test.each<[string, DdimTimestepsOptions]>([
    ["out-of-range", { steps: 0 }],
    ["out-of-range", { steps: 1001 }],
    ["out-of-range", { numTimesteps: 10, steps: 11 }],
    ["out-of-range", { steps: 1000, stepsOffset: 1 }],
    ["out-of-range", { stepsOffset: -1 }],
    ["invalid-argument", { steps: 2.5 }],
    ["not-finite", { steps: Number.NaN }],
    ["invalid-argument", { spacing: "karras" as "leading" }],
  ])("%s: %j", (code, options) =>
    expectSidError(code as "out-of-range", () => ddimTimesteps(options), /^ddimTimesteps/),
  );
});
