import {
  add,
  mean,
  mul,
  neg,
  squaredDifference,
  sum,
  type Tensor,
  type Tensor1D,
  tensor1d,
} from "@tensorflow/tfjs-core";
import { antiCfg, lsg } from "../../src/guidance";
import { fDivergences } from "../../src/losses/f-divergence";
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
import type { NoiseLevel } from "../../src/predict";
import { numbersOf } from "./golden-scene";

const weights = [
  "one-minus-sigma-squared",
  "inverse-sigma",
  "inverse-sigma-squared",
  "alpha-over-sigma",
  "snr",
  "l1",
  "none",
] as const;

/** −mean‖x − target‖² + c·(mean over the places of x): as in the script. */
function reward(generated: Tensor, cond: Tensor | undefined): Tensor1D {
  const near = neg(mean(squaredDifference(generated, numbersOf("target")), [1, 2, 3]));
  return add(near, sum(mul(mean(generated, [1, 2]), cond as Tensor), 1));
}

/** (a/s²)², which turns both factors of SIM's loss from x0 to scores. */
const ofScores = (_: unknown, level: NoiseLevel | undefined) =>
  tensor1d((level as NoiseLevel).alpha.map((a, i) => (a / ((level as NoiseLevel).sigma[i] as number) ** 2) ** 2));

/** As the doc comment of `sida` says. */
const sidDitWithDiscriminator = () =>
  sida({
    guidance: lsg(4.5),
    weight: "one-minus-sigma",
    fakeWeight: "flow",
    adversarialScale: 1,
    adversarialMean: "sample",
    discriminatorWeight: () => 12,
  });

/** The method of each case, by default as published: `test/golden/methods.py`. */
export const goldenMethods: Readonly<Record<string, () => Method>> = {
  sid: () => sid(),
  sidLsg: () => sidLsg({ guidance: lsg(1.5) }),
  "sidLsg, v": () => sidLsg({ guidance: lsg(2) }),
  "sidLsg, two passes": () => sidLsg({ guidance: lsg(1.5) }),
  "fewStepSid, zero-cfg": () => fewStepSid(),
  "fewStepSid, anti-cfg": () => fewStepSid({ guidance: antiCfg(-0.5) }),
  sidDit: () => sidDit(),
  ...Object.fromEntries(weights.map((weight) => [`sidDit, ${weight}`, () => sidDit({ weight })])),
  "sidDit, mean": () =>
    sidDit({
      alpha: 0.5,
      weight: "l1",
      reduction: "mean",
      lossScale: 1,
      guidance: { kappa1: 1, kappa2: 1, kappa4: 4 },
    }),
  sida: () => sida(),
  "sida, before its discriminator": () => sida(),
  "sida, far logits": () => sida(),
  "sidDit, discriminator": sidDitWithDiscriminator,
  "sidDit, far logits": sidDitWithDiscriminator,
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
  "dmd2, EDM": () => dmd2({ guidanceScale: 1 }),
  "dmd2, Self-Forcing": () => dmd2({ guidanceScale: 4, fakeWeight: "none" }),
  decoupledDmd: () => decoupledDmd(),
  tdm: () => tdm(),
  "tdm, last pass": () => tdm(),
  "tdm, 2D/M": () => tdm({ distance: "squared" }),
  "sim, squared": () => sim(),
  "sim, huber": () => sim({ distance: { huber: 0.5 } }),
  "sim, scores": () => sim({ weight: ofScores }),
  ...Object.fromEntries(fDivergences.map((divergence) => [`fDistill, ${divergence}`, () => fDistill({ divergence })])),
  "fDistill, as it is": () =>
    fDistill({ weight: "none", reduction: "sum", clip: null, bins: 0, normalize: false, adversarialWeight: 0 }),
  "withReward, dmd2": () => withReward(dmd2(), { reward, weight: 0.3 }),
  "withReward, sidLsg": () => withReward(sidLsg({ guidance: lsg(1.5) }), { reward, weight: 2 }),
  lcm: () => lcm(),
  "lcm, huber": () => lcm({ huber: 1e-3 }),
};
