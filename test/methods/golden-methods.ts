import { lsg } from "../../src/guidance";
import { fDivergences } from "../../src/losses/f-divergence";
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

/** The method of each case, by default as published: `test/golden/methods.py`. */
export const goldenMethods: Readonly<Record<string, () => Method>> = {
  sid: () => sid(),
  sidLsg: () => sidLsg({ guidance: lsg(1.5) }),
  "sidLsg, v": () => sidLsg({ guidance: lsg(2) }),
  sds: () => sds(),
  "sds, w = 1": () => sds({ weight: "alpha-over-sigma" }),
  "sds, w = a·s²": () => sds({ weight: "alpha-squared-sigma" }),
  csd: () => csd(),
  vsd: () => vsd(),
  swiftBrush: () => swiftBrush(),
  diffInstruct: () => diffInstruct(),
  dmd: () => dmd(),
  dmd2: () => dmd2(),
  "dmd2, discriminator": () => dmd2({ adversarialWeight: 1e-3 }),
  "dmd2, Self-Forcing": () => dmd2({ guidanceScale: 4, fakeWeight: "none" }),
  decoupledDmd: () => decoupledDmd(),
  tdm: () => tdm(),
  "tdm, last pass": () => tdm(),
  "tdm, 2D/M": () => tdm({ distance: "squared" }),
  ...Object.fromEntries(fDivergences.map((divergence) => [`fDistill, ${divergence}`, () => fDistill({ divergence })])),
  "fDistill, as it is": () =>
    fDistill({ weight: "none", reduction: "sum", clip: null, bins: 0, normalize: false, adversarialWeight: 0 }),
};
