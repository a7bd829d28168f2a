import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import {
  antiCfg,
  type Guidance,
  guidanceWarnings,
  longGuidance,
  lsg,
  noGuidance,
  shortGuidance,
  zeroCfg,
} from "../../src/guidance";
import { expectSidError } from "../support/errors";
import { notFinite } from "../support/values";

const scale = fc.double({ min: -10, max: 10, noNaN: true });
const three = (kappa1: number, kappa2: number, kappa4: number) => ({ kappa1, kappa2, kappa4 });

describe("the table of strategies", () => {
  test.each<[string, Guidance, Guidance]>([
    ["none", noGuidance(), three(1, 1, 1)],
    ["long", longGuidance(3), three(1, 1, 3)],
    ["short", shortGuidance(0.25), three(1, 0.25, 1)],
    ["LSG", lsg(4.5), three(4.5, 4.5, 4.5)],
    ["Zero-CFG", zeroCfg(), three(0, 0, 1)],
    ["Anti-CFG", antiCfg(-1), three(-1, -1, 1)],
  ])("%s", (_, came, wanted) => expect(came).toEqual(wanted));
});

describe("warnings", () => {
  test("only short guidance leaves the score identity", () => {
    for (const guidance of [noGuidance(), longGuidance(2), lsg(1.5), zeroCfg(), antiCfg(-2)])
      expect(guidanceWarnings(guidance)).toEqual([]);
    expect(guidanceWarnings(shortGuidance(0.5))).toHaveLength(1);
  });

  // Few values, so that some of the scales agree.
  const few = fc.constantFrom(0, 1, 1.5);
  test.prop([few, few, scale])("P6 holds exactly for κ1 = κ2", (k1, k2, k4) => {
    expect(guidanceWarnings(three(k1, k1, k4))).toEqual([]);
    const warnings = guidanceWarnings(three(k1, k2, k4));
    expect(warnings.some((text) => text.startsWith(`kappa1 = ${k1} `))).toBe(k1 !== k2);
  });
});

describe("bad input", () => {
  test.prop([notFinite])("scales that are not finite", (kappa) => {
    for (const make of [lsg, longGuidance, shortGuidance, antiCfg])
      expectSidError("not-finite", () => make(kappa), /kappa/);
    for (const key of ["kappa1", "kappa2", "kappa4"])
      expectSidError("not-finite", () => guidanceWarnings({ ...lsg(2), [key]: kappa }), new RegExp(key));
  });

  test.prop([scale])("scales outside a strategy's range", (kappa) => {
    const refused = (make: () => unknown) => expectSidError("out-of-range", make, /strictly between/);
    if (kappa <= 1) refused(() => longGuidance(kappa));
    if (kappa <= 0 || kappa >= 1) refused(() => shortGuidance(kappa));
    if (kappa >= 0) refused(() => antiCfg(kappa));
  });

  test("ends of the ranges are outside", () => {
    for (const make of [() => longGuidance(1), () => shortGuidance(0), () => shortGuidance(1), () => antiCfg(0)])
      expectSidError("out-of-range", make);
  });

  test.each([null, undefined, 2, {}, { kappa1: "1" }])("%s is no guidance", (guidance) => {
    expectSidError("invalid-argument", () => guidanceWarnings(guidance as never));
  });
});
