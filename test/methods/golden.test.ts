/** The methods' equations against PyTorch in float64: `test/golden/methods.py`. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import {
  type SidLossOptions,
  type SimDistance,
  type StoppedGradientOptions,
  sidCotangents,
  sidLoss,
  simCotangents,
  simLoss,
  stoppedGradientCotangent,
  stoppedGradientLoss,
} from "../../src/losses";
import { predictX0 } from "../../src/models";
import { addNoise, noiseLevel } from "../../src/predict";
import { expectClose, numbers } from "../support/matchers";
import { free } from "../support/values";
import { batchOf, golden, networksOf } from "./golden-scene";

type Asked = readonly [of: "teacher" | "fakeScore", kappa: number];
/** Who is asked for f_φ and f_ψ, and what is computed from them. */
interface Equation {
  readonly teacher: Asked;
  readonly fake?: Asked;
  run(options: StoppedGradientOptions): (inputs: Inputs) => { readonly [name: string]: Tensor };
  readonly scale?: number;
}
type Inputs = Parameters<typeof sidLoss>[0];

const identity = (kappa4: number, kappa2: number, options: SidLossOptions, scale = 1): Equation => ({
  teacher: ["teacher", kappa4],
  fake: ["fakeScore", kappa2],
  run:
    ({ level }) =>
    (inputs) => ({
      loss: sidLoss(inputs, { ...options, level }),
      ...sidCotangents(inputs, { ...options, level }),
    }),
  scale,
});
const stopped = (teacher: Asked, fake: Asked | undefined, options: StoppedGradientOptions): Equation => ({
  teacher,
  ...(fake && { fake }),
  run:
    ({ level }) =>
    (inputs) => ({
      loss: stoppedGradientLoss(inputs, { ...options, level }),
      generated: stoppedGradientCotangent(inputs, { ...options, level }),
    }),
});
const implicit = (distance: SimDistance): Equation => ({
  teacher: ["teacher", 1],
  fake: ["fakeScore", 1],
  run: () => (inputs) => ({ loss: simLoss(inputs, { distance }), ...simCotangents(inputs, { distance }) }),
});
const weights = [
  "one-minus-sigma-squared",
  "inverse-sigma",
  "inverse-sigma-squared",
  "alpha-over-sigma",
  "snr",
] as const;

const equations: Readonly<Record<string, Equation>> = {
  sid: identity(1, 1, { alpha: 1.2 }, 100),
  sidLsg: identity(1.5, 1.5, {}),
  "sidLsg, v": identity(2, 2, {}),
  "fewStepSid, zero-cfg": identity(1, 0, {}),
  "fewStepSid, anti-cfg": identity(1, -0.5, {}),
  sidDit: identity(4.5, 4.5, { weight: "one-minus-sigma" }, 100),
  ...Object.fromEntries(
    ([...weights, "l1", "none"] as const).map((weight) => [`sidDit, ${weight}`, identity(4.5, 4.5, { weight }, 100)]),
  ),
  sds: stopped(["teacher", 101], undefined, { weight: "alpha-sigma" }),
  "sds, w = 1": stopped(["teacher", 101], undefined, { weight: "alpha-over-sigma" }),
  "sds, w = a·s²": stopped(["teacher", 101], undefined, { weight: "alpha-squared-sigma" }),
  csd: stopped(["teacher", 1], ["teacher", 0], { weight: "alpha-sigma" }),
  vsd: stopped(["teacher", 7.5], ["fakeScore", 1], { weight: "alpha-sigma" }),
  swiftBrush: stopped(["teacher", 4.5], ["fakeScore", 4.5], { weight: "alpha-sigma", reduction: "mean" }),
  diffInstruct: stopped(["teacher", 1], ["fakeScore", 1], {}),
  dmd: stopped(["teacher", 3], ["fakeScore", 1], { weight: "alpha-l1", reduction: "mean" }),
  dmd2: stopped(["teacher", 1.75], ["fakeScore", 1], { weight: "l1", reduction: "mean" }),
  "sim, squared": implicit("squared"),
  "sim, huber": implicit({ huber: 0.5 }),
};

describe.each(golden.cases.filter(({ name }) => name in equations))("$name in PyTorch", (item) => {
  const { teacher, fake, run, scale = 1 } = equations[item.name] as Equation;

  test("loss, and gradients in the samples and in what the networks answer", () =>
    free(() => {
      const nets = networksOf(item);
      const { noises, noise, t, cond, uncond } = batchOf(item);
      const level = noiseLevel(nets.schedule, t);
      const generated = nets.generator.generate(noises, cond);
      const xt = addNoise({ x0: generated, noise, level });
      const ask = ([of, guidanceScale]: Asked) => predictX0(nets[of], { xt, t, cond, uncond, guidanceScale });
      const inputs = { generated, teacher: ask(teacher), fake: fake ? ask(fake) : generated };
      const { loss, ...cotangents } = run({ level })(inputs);
      const scaled = (x: Tensor | undefined) => numbers(x as Tensor).map((value) => scale * value);
      expectClose(scaled(loss), [item.generator.loss], 1e-6);
      for (const [name, wanted] of Object.entries(item.generator.cotangents ?? {}))
        expectClose(scaled(cotangents[name]), wanted, 1e-6);
      for (const model of [nets.teacher, nets.fakeScore, nets.generator, nets.average]) model.dispose();
    }));
});

test("every equation here has its case", () => {
  expect(Object.keys(equations).filter((name) => !golden.cases.some((item) => item.name === name))).toEqual([]);
});
