/** Every method of the library under the suite that `sid-lsg/testing` gives to those who write their own. */
import { describe, test } from "vitest";
import {
  csd,
  decoupledDmd,
  diffInstruct,
  dmd,
  dmd2,
  fDistill,
  type Method,
  sds,
  sid,
  sidLsg,
  swiftBrush,
  tdm,
  vsd,
} from "../../src/methods";
import { type MethodContractOptions, methodContract } from "../../src/testing";

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
  ["sidLsg", () => sidLsg(), { slopes: ["fake"] }],
];

for (const [title, make, options] of methods)
  describe(title, () => {
    for (const { name, run } of methodContract(make, options)) test(name, run);
  });
