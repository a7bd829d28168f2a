/** Where a guided run ends on Gaussians, an exact fake score at every step: the table in docs/methods.md. */
import { add, mul, type Tensor, tidy, tile } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { perSample, vjp } from "../../src/core";
import { guide } from "../../src/guidance";
import { type LossWeight, sidCotangents, stoppedGradientCotangent } from "../../src/losses";
import { gaussianModel, predictX0 } from "../../src/models";
import { addNoise, noiseLevel } from "../../src/predict";
import { ddpmSchedule } from "../../src/schedules";
import { numbers } from "../support/matchers";
import { fourPoints } from "./laws";

const [data, empty] = [
  { mean: [1], variance: 0.49 },
  { mean: [0], variance: 1 },
];
const schedule = ddpmSchedule({ betaSchedule: "scaled_linear", betaStart: 0.00085, betaEnd: 0.012 });
/** 20, 40, … 980, each for the four points that make an expectation exact. */
const t = Array.from({ length: 4 * 49 }, (_, i) => 20 * (Math.floor(i / 4) + 1));
const level = noiseLevel(schedule, t);

interface Kind {
  readonly weight: LossWeight;
  /** SiD's; absent: nothing flows through the networks. */
  readonly alpha?: number;
  /** SDS: the sample in the place of the fake score's answer. */
  readonly sds?: true;
}

/** The mean of `∂L/∂(μ, τ)` over the levels, at `x_g = μ + τ·z` with its own exact fake score. */
function gradient({ weight, alpha, sds }: Kind, kappa: number, mu: number, tau: number): [ofMu: number, ofTau: number] {
  let result: [number, number] = [0, 0];
  tidy(() => {
    const four = fourPoints(1);
    const [z, noise] = [tile(four.z, [49, 1]), tile(four.noise, [49, 1])];
    const asked = (law: { mean: number[]; variance: number }) => {
      const model = gaussianModel({ ...law, schedule });
      return (x: Tensor) => predictX0(model, { xt: x, t });
    };
    const [phi, blind, psi] = [asked(data), asked(empty), asked({ mean: [mu], variance: tau * tau })];
    const guided = (x: Tensor) => guide({ cond: phi(x), uncond: blind(x), guidanceScale: kappa });
    const generated = add(mul(z, tau), mu);
    const xt = addNoise({ x0: generated, noise, level });
    const inputs = { generated, teacher: guided(xt), fake: sds ? generated : psi(xt) };
    let g: Tensor;
    if (alpha === undefined) g = stoppedGradientCotangent(inputs, { weight, level });
    else {
      const cotangents = sidCotangents(inputs, { alpha, weight, level });
      const [viaTeacher] = vjp(guided, [xt], cotangents.teacher);
      const [viaFake] = vjp(psi, [xt], cotangents.fake);
      g = add(cotangents.generated, mul(add(viaTeacher as Tensor, viaFake as Tensor), perSample(level.alpha, 2)));
    }
    result = [g, mul(g, z)].map((x) => numbers(x).reduce((all, y) => all + y, 0)) as [number, number];
  });
  return result;
}

const rows: readonly [name: string, Kind, guided15: [number, number], guided3: [number, number]][] = [
  ["weight 1", { weight: "none" }, [1.4147, 0.8231], [2.4171, 0.3917]],
  ["weight a·s", { weight: "alpha-sigma" }, [1.3875, 0.8215], [2.2652, 0.3601]],
  ["weight SNR", { weight: "snr" }, [1.2707, 0.867], [1.7422, 0.6081]],
  ["SiD, α = 1", { weight: "none", alpha: 1 }, [1.4309, 0.8064], [2.4472, 0.3403]],
  ["SiD, α = 1, 1 − σ", { weight: "one-minus-sigma", alpha: 1 }, [1.392, 0.8195], [2.2167, 0.4101]],
  ["SiD, α = ½", { weight: "none", alpha: 0.5 }, [1.4317, 0.8057], [2.4667, 0.309]],
];

/** Both gradients change their sign within the table's last digit. */
function expectEnd(kind: Kind, kappa: number, [mean, spread]: readonly [number, number]): void {
  const [unit, step] = [Math.sqrt(data.variance), 1.5e-4];
  const at = (dMean: number, dSpread: number) => gradient(kind, kappa, mean + dMean, (spread + dSpread) * unit);
  expect(at(-step, 0)[0]).toBeLessThan(0);
  expect(at(step, 0)[0]).toBeGreaterThan(0);
  expect(at(0, -step)[1]).toBeLessThan(0);
  expect(at(0, step)[1]).toBeGreaterThan(0);
}

describe.each(rows)("G5: %s", (_, kind, guided15, guided3) => {
  test("without guidance at the data's law", () => expectEnd(kind, 1, [1, 1]));
  test("at κ = 1.5", () => expectEnd(kind, 1.5, guided15));
  test("at κ = 3", () => expectEnd(kind, 3, guided3));
});

test("G5: at κ = 7.5 no spread is left, from wherever it begins, but with the weight SNR", () => {
  for (const [name, kind] of rows)
    if (name === "weight SNR") expectEnd(kind, 7.5, [2.2412, 0.2675]);
    else for (const spread of [0.01, 0.1, 0.3]) expect(gradient(kind, 7.5, 2, spread)[1], name).toBeGreaterThan(0);
});

test("G5: SDS leaves none under any κ, at the data's mean without guidance", () => {
  const kind = { weight: "none", sds: true } as const;
  for (const kappa of [1, 1.5, 3, 7.5])
    for (const spread of [0.01, 0.1, 0.7]) expect(gradient(kind, kappa, 1, spread)[1]).toBeGreaterThan(0);
  expect(gradient(kind, 1, 0.999, 0.1)[0]).toBeLessThan(0);
  expect(gradient(kind, 1, 1.001, 0.1)[0]).toBeGreaterThan(0);
});
