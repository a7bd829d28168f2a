/** Every method of the library under the suite that `sid-lsg/testing` gives to those who write their own. */
import { mean, neg, reshape, slice, square, sub, type Tensor, type Tensor1D, tidy } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { lsg } from "../../src/guidance";
import * as exported from "../../src/methods";
import {
  csd,
  decoupledDmd,
  diffInstruct,
  dmd,
  dmd2,
  fDistill,
  fewStepSid,
  lcm,
  type Method,
  sds,
  sid,
  sida,
  sidDit,
  sidLsg,
  sim,
  swiftBrush,
  tdm,
  vsd,
  withReward,
} from "../../src/methods";
import { type MethodContractOptions, methodContract } from "../../src/testing";

/** The nearer to the condition's first number, the better. */
const reward = (x: Tensor, cond: Tensor | undefined) =>
  tidy(
    () =>
      neg(mean(square(sub(reshape(x, [x.shape[0] as number, -1]), slice(cond as Tensor, 0, [-1, 1]))), 1)) as Tensor1D,
  );

const through = ["generated", "teacher", "fake"];

const methods: readonly (readonly [string, () => Method, MethodContractOptions?])[] = [
  ["sds", () => sds()],
  ["csd", () => csd()],
  ["vsd", () => vsd()],
  ["swiftBrush", () => swiftBrush()],
  ["diffInstruct", () => diffInstruct()],
  ["dmd", () => dmd()],
  ["dmd2", () => dmd2({ fakeUpdates: 2 })],
  ["dmd2 with a discriminator", () => dmd2({ fakeUpdates: 2, adversarialWeight: 1e-3 }), { slopes: ["logit"] }],
  ["decoupledDmd", () => decoupledDmd({ fakeUpdates: 2 })],
  ["tdm", () => tdm()],
  ["tdm, squared", () => tdm({ distance: "squared" })],
  ["fDistill", () => fDistill({ fakeUpdates: 2 }), { mixesSamples: true }],
  ["fDistill, each by itself", () => fDistill({ fakeUpdates: 2, bins: 0, normalize: false })],
  ["sid", () => sid(), { slopes: ["fake"] }],
  ["sid, ω = 1", () => sid({ weight: "none" }), { slopes: through }],
  ["sidLsg", () => sidLsg({ guidance: lsg(1.5) }), { slopes: ["fake"] }],
  ["fewStepSid", () => fewStepSid(), { slopes: ["fake"] }],
  ["sidDit", () => sidDit(), { slopes: through }],
  ["sida", () => sida(), { mixesSamples: true }],
  [
    "sida from the beginning, each sample by itself, ω = 1",
    () => sida({ weight: "none", adversarialMean: "sample", startsAt: 0, adversarialStartsAt: 0 }),
    { slopes: [...through, "logit"] },
  ],
  ["sim", () => sim()],
  ["sim, pseudo-Huber", () => sim({ distance: { huber: 0.5 } })],
  ["lcm", () => lcm()],
  ["withReward", () => withReward(sid({ weight: "none" }), { reward, weight: 0.1 }), { slopes: through }],
];

for (const [title, make, options] of methods)
  describe(title, () => {
    for (const { name, run } of methodContract(make, options)) test(name, run);
  });

test("no method of the library is missing", () => {
  const { bySchedule, cotangentsOf, withReward: _, ...all } = exported;
  const names = methods.map(([, make]) => make().name);
  expect(Object.keys(all).filter((name) => !names.includes(name))).toEqual([]);
});
