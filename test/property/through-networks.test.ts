/** The golden gradients of the losses that flow through the networks' inputs too, at their own weights: SiD and SIM. */
import { add, mul, sub, type Tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { vjp } from "../../src/core";
import { type SidCotangents, sidCotangents, simCotangents } from "../../src/losses";
import { predictX0 } from "../../src/models";
import {
  a,
  alongDelta,
  alongError,
  expected,
  expectedOver,
  expectRow,
  fakeScore,
  four,
  gain,
  type Scene,
  start,
  teacher,
} from "./golden-law";

/** ∂L/∂x_g in all: directly, and through the inputs of both networks. */
function throughAll({ xt }: Scene, cotangents: SidCotangents): Tensor {
  const t = Array<number>(xt.shape[0] as number).fill(0);
  const [viaTeacher] = vjp((x) => predictX0(teacher, { xt: x, t }), [xt], cotangents.teacher);
  const [viaFake] = vjp((x) => predictX0(fakeScore, { xt: x, t }), [xt], cotangents.fake);
  return add(cotangents.generated, mul(add(viaTeacher as Tensor, viaFake as Tensor), a));
}

const inputsOf = ({ generated, cond, fake }: Scene) => ({ generated, teacher: cond, fake });

test.each([
  [0, [-0.2319843828, 0.309438071, -0.4646900784, 1.2247621007]],
  [0.5, [-0.1590952759, 0.2122370138, -0.3188223545, 0.9575652567]],
  [1, [-0.0862061689, 0.1150359567, -0.1729546306, 0.6903684127]],
  [1.2, [-0.0570505261, 0.0761555338, -0.1146075411, 0.5834896751]],
])("SiD with the official normaliser 1/M, α = %d", (alpha, wanted) => {
  const row = expected(alongError(1), (scene) => throughAll(scene, sidCotangents(inputsOf(scene), { alpha })));
  expectRow(row, wanted, 2e-5);
});

test.each<[number, number[]]>([
  [0.5, [-0.059069602, 0.0787594692, -0.1181392039, 0.4934922628]],
  [0, [-0.0777540528, 0.1036720704, -0.1555081055, 0.618245385]],
])("SIM with a pseudo-Huber distance is E[d′(y)·∂_θ f_ψ*(x_t)], the law of x_t held (Q8): c = %d", (huber, wanted) => {
  const distance = { huber };
  const row = expected(alongDelta, (scene) => throughAll(scene, simCotangents(inputsOf(scene), { distance })));
  expectRow(row, wanted, 2e-5);
  // f_ψ*(x) = μ + gain(τ²)·(x − a·μ), coordinate by coordinate.
  const tau = Math.sqrt(start.variance);
  const [own, h] = [gain(start.variance), 1e-5];
  const byTau = (gain((tau + h) ** 2) - gain((tau - h) ** 2)) / (2 * h);
  const held = expectedOver(alongDelta, ({ generated, cond, fake, xt }) => {
    const slope = simCotangents({ generated, teacher: cond, fake }, { distance }).generated;
    const slopes = mul(slope, xt.shape[0] as number);
    return { ofMu: mul(slopes, 1 - own * a), ofTau: mul(mul(slopes, sub(xt, mul(start.mean, a))), byTau) };
  });
  expectRow(row, held, 4e-5);
});

test("SIM with the squared distance: twice SiD at α = 1", () => {
  const row = expected(four, (scene) => throughAll(scene, simCotangents(inputsOf(scene))));
  expectRow(row, [-0.101762544, 0.135683392, -0.203525088, 0.9094040605]);
  const one = expected(four, (scene) => throughAll(scene, sidCotangents(inputsOf(scene), { weight: "none" })));
  expect(one.map((x) => x * 2)).toEqual(row.map((x) => expect.closeTo(x, 6)));
});
