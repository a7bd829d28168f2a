import { expect, test } from "vitest";
import { methodNames } from "../../../../examples/laboratory/methods";
import {
  type ContestantSetting,
  currentValue,
  kinds,
  ownValue,
  settings,
  summaryOf,
  withMethod,
  withSetting,
} from "../../../../examples/laboratory/page/settings";
import { checkState, contestantRanges, defaultState } from "../../../../examples/laboratory/state";

const names = Object.keys(settings) as ContestantSetting[];

test("every method stands in the list once", () => {
  expect(Object.values(kinds).flat().sort()).toEqual([...methodNames].sort());
});

test.each(methodNames)("all settings of %s can be moved, and are left out where they are its own", (method) => {
  for (const name of names) {
    const own = ownValue(method, name);
    if (own === undefined) continue;
    const setting = settings[name];
    const other = "words" in setting ? (setting.words.find((word) => word !== own) as string) : setting.most;
    const moved = withSetting({ method }, name, other);
    expect(currentValue(moved, name), name).toBe(other);
    checkState({ ...defaultState, contestants: [moved] });
    if (name !== "learningRate") expect(withSetting(moved, name, own)).toEqual({ method });
  }
});

test("sliders stay within what a number may be", () => {
  for (const [name, range] of Object.entries(contestantRanges)) {
    const setting = settings[name as keyof typeof contestantRanges];
    if ("words" in setting) throw new Error(`${name} is no number`);
    expect(setting.least, name).toBeGreaterThanOrEqual(range.least);
    expect(setting.most, name).toBeLessThanOrEqual(range.most);
  }
});

test("each step size moves alone", () => {
  const moved = withSetting({ method: "sid" }, "learningRate", 0.02);
  expect(moved).toEqual({ method: "sid", learningRate: 0.02, fakeLearningRate: 0.005 });
  expect(withSetting(moved, "fakeLearningRate", 0.02)).toEqual({ method: "sid", learningRate: 0.02 });
});

test("another method keeps κ where it has them, and its own settings else", () => {
  const before = { method: "sid-lsg", alpha: 1.2, kappa1: 3, kappa2: 3, kappa4: 2 } as const;
  expect(withMethod(before, "dmd2")).toMatchObject({ method: "dmd2", kappa4: 2 });
  expect(withMethod(before, "dmd2")).not.toHaveProperty("alpha");
  expect(withMethod(before, "csd")).not.toHaveProperty("kappa1");
  for (const method of methodNames) checkState({ ...defaultState, contestants: [withMethod(before, method)] });
  expect(summaryOf(before)).toBe("α 1.2, κ1 3, κ2 3, κ4 2");
});
