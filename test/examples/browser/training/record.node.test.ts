import type { DistillMetrics } from "sid-lsg/train";
import { describe, expect, it } from "vitest";
import {
  appended,
  cutAfter,
  entryOf,
  newRecord,
  parseRecord,
  type RunRecord,
} from "../../../../examples/browser/training/record";

const settings = { iterations: 10, seed: 0, captions: 100, saveEvery: 2, lookEvery: 3 };
const entry = (iteration: number) => {
  return { iteration, fakeLoss: 1, lowerBound: undefined };
};
const record: RunRecord = {
  ...newRecord(settings, "wasm", 90),
  entries: [1, 2, 3].map(entry),
  looks: [0, 3].map((iteration) => ({ iteration, distance: 400, right: 0.5 })),
};

describe("the record of a run", () => {
  it("goes through a file", () => {
    expect(parseRecord(JSON.stringify(record))).toEqual(JSON.parse(JSON.stringify(record)));
  });

  it("is read of an earlier page, with figures that nothing shows any more", () => {
    const entries = [{ ...entry(1), generatorLoss: null, deltaSquared: null }];
    expect(parseRecord(JSON.stringify({ ...record, seconds: null, entries }))).toMatchObject({ saved: 0 });
  });

  it("is not read where it is damaged or of another version", () => {
    for (const broken of [
      "",
      "null",
      JSON.stringify(record).slice(0, -2),
      JSON.stringify({ ...record, settings: { ...settings, seed: "0" } }),
      JSON.stringify({ ...record, entries: [entry(2), entry(2)] }),
      JSON.stringify({ ...record, entries: [{ iteration: 1 }] }),
      JSON.stringify({ ...record, looks: {} }),
      JSON.stringify({ ...record, saved: undefined }),
    ])
      expect(parseRecord(broken), broken).toBe("damaged");
    expect(parseRecord(JSON.stringify({ ...record, version: 2 }))).toBe("of another version");
  });

  it("has each iteration once when some are done again", () => {
    const again = { ...entry(2), fakeLoss: 9 };
    expect(appended(record.entries, again)).toEqual([entry(1), again]);
    expect(cutAfter(record, 2).entries).toEqual([entry(1), entry(2)]);
    expect(cutAfter(record, 2).looks.map(({ iteration }) => iteration)).toEqual([0]);
  });

  it("keeps an iteration's figures in four digits", () => {
    const figures = { iteration: 7, fakeLoss: 1.23456 };
    const divergence = { lowerBound: { value: 12.34567, standardError: 0.0123456 } };
    expect(entryOf({ ...figures, divergence } as DistillMetrics)).toEqual({
      ...{ iteration: 7, fakeLoss: 1.235 },
      lowerBound: { value: 12.35, standardError: 0.01235 },
    });
    expect(entryOf(figures as DistillMetrics).lowerBound).toBeUndefined();
  });
});
