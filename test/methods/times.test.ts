/** The laws of t of the stopped-gradient family. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { randomStream } from "../../src/core";
import {
  csd,
  decoupledDmd,
  diffInstruct,
  dmd,
  dmd2,
  fDistill,
  type Method,
  type MethodTimesteps,
  type Moment,
  type ScoreMethod,
  sds,
  swiftBrush,
  tdm,
  vsd,
} from "../../src/methods";
import { ddpmSchedule, edmSchedule, flowSchedule, type NoiseSchedule } from "../../src/schedules";
import { expectSidError } from "../support/errors";
import { seeds } from "../support/values";

const [vp, ve, flow] = [ddpmSchedule(), edmSchedule(), flowSchedule()];
const draws = (law: MethodTimesteps | undefined, schedule: NoiseSchedule, more: Partial<Moment> = {}, count = 20_000) =>
  (law as MethodTimesteps)(randomStream(7), count, { schedule, nimg: 0, iteration: 0, ...more });
const ends = (values: readonly number[]) => [
  values.reduce((a, b) => Math.min(a, b)),
  values.reduce((a, b) => Math.max(a, b)),
];
const law = ({ generator }: ScoreMethod) => generator.timesteps;
const fakeLaw = ({ fakeScore }: Method) => fakeScore?.timesteps;
/** σ of step i of EDM's ladder of 1000. */
const rung = (i: number) => (0.002 ** (1 / 7) + (i / 999) * (80 ** (1 / 7) - 0.002 ** (1 / 7))) ** 7;
const middle = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe("ranges, both ends included", () => {
  test.each<[string, MethodTimesteps | undefined, [number, number]]>([
    ["sds", law(sds()), [20, 980]],
    ["csd", law(csd()), [20, 500]],
    ["vsd", law(vsd()), [20, 980]],
    ["swiftBrush", law(swiftBrush()), [20, 980]],
    ["dmd", law(dmd()), [20, 980]],
    ["dmd2", law(dmd2()), [20, 980]],
    ["fDistill", law(fDistill()), [20, 980]],
    ["decoupledDmd, t", law(decoupledDmd()), [20, 980]],
    ["decoupledDmd, t′ of a generator that tells no times", decoupledDmd().generator.otherTimesteps, [20, 980]],
    ["ψ of vsd", fakeLaw(vsd()), [0, 999]],
    ["ψ of swiftBrush", fakeLaw(swiftBrush()), [0, 999]],
    ["ψ of dmd", fakeLaw(dmd()), [0, 999]],
    ["ψ of dmd2", fakeLaw(dmd2()), [0, 999]],
    ["ψ of fDistill", fakeLaw(fDistill()), [0, 999]],
    ["the discriminator of dmd2", dmd2({ adversarialWeight: 1 }).generator.otherTimesteps, [0, 999]],
  ])("%s", (_, timesteps, [least, most]) => {
    const onVp = draws(timesteps, vp);
    expect(ends(onVp)).toEqual([least, most]);
    expect(onVp.every(Number.isInteger)).toBe(true);
    expect(Math.abs(middle(onVp) - (least + most) / 2)).toBeLessThan(10);
    const [low, high] = ends(draws(timesteps, ve));
    expect(low).toBeCloseTo(rung(least), 9);
    expect(high).toBeCloseTo(rung(most), 9);
    const onFlow = ends(draws(timesteps, flow));
    expect(onFlow[0]).toBeCloseTo(Math.max(least, 1) / 1000, 3);
    expect(onFlow[1]).toBeCloseTo(most / 1000, 3);
  });

  test("vsd's upper end is 500 after 5000 updates", () => {
    for (const [iteration, most] of [
      [5000, 980],
      [5001, 500],
      [90_000, 500],
    ] as const)
      expect(ends(draws(law(vsd()), vp, { iteration }))).toEqual([20, most]);
  });

  test("a short schedule's times keep the shares", () => {
    const short = ddpmSchedule({ numTimesteps: 50 });
    expect(ends(draws(law(sds()), short))).toEqual([1, 49]);
    expect(ends(draws(fakeLaw(dmd2()), short))).toEqual([0, 49]);
  });
});

describe("Diff-Instruct's law", () => {
  test("is EDM's, and on other schedules the same law of s/a", () => {
    for (const timesteps of [law(diffInstruct()), fakeLaw(diffInstruct())]) {
      const sigmas = draws(timesteps, ve, {}, 4000);
      expect(Math.abs(middle(sigmas.map(Math.log)) + 1.2)).toBeLessThan(0.06);
      const ratio = (schedule: NoiseSchedule) => (t: number) => schedule.sigma(t) / schedule.alpha(t);
      draws(timesteps, flow, {}, 4000).forEach((t, i) => {
        expect(ratio(flow)(t)).toBeCloseTo(sigmas[i] as number, 6);
      });
      const at = ratio(vp);
      draws(timesteps, vp, {}, 4000).forEach((t, i) => {
        const wanted = Math.log(sigmas[i] as number);
        const away = (time: number) => Math.abs(Math.log(at(time)) - wanted);
        for (const near of [t - 1, t + 1])
          if (near >= 0 && near <= 999) expect(away(t)).toBeLessThanOrEqual(away(near) + 1e-12);
      });
    }
  });
});

describe("laws by the generator's last pass", () => {
  const intervals = fc.tuple(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 1, max: 99 }));

  test.prop([seeds, intervals])(
    "tdm draws after the interval's end up to its beginning, all of them",
    (seed, [to, length]) => {
      const from = to + length;
      for (const timesteps of [law(tdm()), fakeLaw(tdm())]) {
        const moment = { schedule: vp, nimg: 0, iteration: 0, interval: { from, to } };
        const t = (timesteps as MethodTimesteps)(randomStream(seed), 3000, moment);
        expect(ends(t)).toEqual([Math.min(Math.max(to + 1, 20), from), from]);
      }
    },
  );

  test.prop([fc.double({ min: 0, max: 0.9, noNaN: true })])("so on flow and on EDM's ladder", (to) => {
    const [low, high] = ends(draws(law(tdm()), flow, { interval: { from: to + 0.1, to } }, 500));
    expect(low).toBeGreaterThanOrEqual(Math.max(to + 0.001, 0.02) - 1e-12);
    expect(high).toBeLessThanOrEqual(Math.min(to + 0.1, 0.999) + 1e-12);
    const i = Math.floor(to * 1000);
    const rungs = draws(law(tdm()), ve, { interval: { from: rung(i + 90), to: rung(i) } }, 2000);
    const [least, most] = ends(rungs) as [number, number];
    expect(least).toBeCloseTo(rung(Math.min(Math.max(i + 1, 20), i + 90)), 9);
    expect(most).toBeCloseTo(rung(i + 90), 9);
  });

  test("tdm's last interval may end without noise", () => {
    expect(ends(draws(law(tdm()), vp, { interval: { from: 249, to: 0 } }))).toEqual([20, 249]);
    expect(ends(draws(law(tdm()), ve, { interval: { from: rung(300), to: 0 } }))[0]).toBeCloseTo(rung(20), 9);
    expect(ends(draws(law(tdm()), vp, { interval: { from: 15, to: 0 } }))).toEqual([15, 15]);
  });

  test("tdm needs a generator that tells its times, and an interval that holds one", () => {
    expectSidError("invalid-argument", () => draws(law(tdm()), vp), /tdm: the generator must tell the times/);
    const interval = { from: 100, to: 100 };
    expectSidError("out-of-range", () => draws(law(tdm()), vp, { interval }), /no time after 100 and up to 100/);
  });

  test.prop([fc.integer({ min: 1, max: 999 })])("decoupled DMD's t′ is cleaner than the last pass's input", (from) => {
    const { otherTimesteps, timesteps } = decoupledDmd().generator;
    const most = Math.min(from - 1, 980);
    expect(ends(draws(otherTimesteps, vp, { interval: { from, to: 0 } }))).toEqual([Math.min(20, most), most]);
    expect(ends(draws(timesteps, vp, { interval: { from, to: 0 } }))).toEqual([20, 980]);
    expect(ends(draws(otherTimesteps, ve, { interval: { from: rung(from), to: 0 } }))[1]).toBeCloseTo(rung(most), 9);
    expect(ends(draws(otherTimesteps, flow, { interval: { from: 0.5, to: 0 } }))[1]).toBeLessThan(0.5);
  });

  test("at the cleanest time there is none cleaner", () => {
    const { otherTimesteps } = decoupledDmd().generator;
    const interval = { from: 0, to: 0 };
    expectSidError("out-of-range", () => draws(otherTimesteps, vp, { interval }), /no time before 0/);
  });
});
