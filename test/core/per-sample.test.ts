import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { perSample } from "../../src/core";
import { expectSidError } from "../support/errors";
import { numbers } from "../support/matchers";
import { notFinite } from "../support/values";

test.prop({
  values: fc.array(fc.integer({ min: -99, max: 99 }), { minLength: 1, maxLength: 5 }),
  rank: fc.integer({ min: 1, max: 5 }),
})("perSample puts one number in front of each sample", ({ values, rank }) => {
  const x = perSample(values, rank);
  expect(x.shape).toEqual([values.length, ...Array<number>(rank - 1).fill(1)]);
  expect(numbers(x)).toEqual(values.map((v) => v + 0));
  x.dispose();
});

test.prop({ bad: notFinite })("perSample refuses what is no list of finite numbers or no rank", ({ bad }) => {
  expectSidError("not-finite", () => perSample([1, bad], 2), /values\[1\]/);
  expectSidError("invalid-argument", () => perSample(undefined as never, 2), /values/);
  expectSidError("out-of-range", () => perSample([1], 0), /rank/);
});
