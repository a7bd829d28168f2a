import {
  add,
  clipByValue,
  dispose,
  div,
  memory,
  mul,
  neg,
  scalar,
  softplus,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tensor2d,
  tidy,
} from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Contender, openContenders } from "../../../../examples/laboratory/contest";
import { methodNames } from "../../../../examples/laboratory/methods";
import { arrowsOf, piecesOf, shrinkOf } from "../../../../examples/laboratory/page/arrows";
import { equationOf } from "../../../../examples/laboratory/page/equations";
import { factorOf, numbersOf, numeral, pair, termsIn, textOf } from "../../../../examples/laboratory/page/notation";
import { valuesOf } from "../../../../examples/laboratory/page/values";
import { openStage, type Stage } from "../../../../examples/laboratory/stage";
import { type Contestant, defaultState } from "../../../../examples/laboratory/state";
import { type Terms, termsOf } from "../../../../examples/laboratory/views";
import { classConditions } from "../../../../examples/plane/law";
import type { Process } from "../../../../examples/plane/world";
import { predictX0, randomStream, vjp } from "../../../../src";
import { useBackend } from "../../../../src/backends";
import type { ScoreModel } from "../../../../src/models";

const withoutTerms = ["tdm", "lcm"];
const stages = new Map<Process, Stage>();
const small = { ...defaultState, batch: 32, iterations: 4, pretraining: 60 };
const view = { class: 1, count: 5, seed: 3 };
let tensors: number;

beforeAll(async () => {
  await useBackend("wasm");
  tensors = memory().numTensors;
  for (const process of ["ddpm", "flow"] as const)
    stages.set(process, await openStage({ ...small, process, contestants: [] }));
});
afterAll(() => {
  for (const stage of stages.values()) stage.dispose();
  expect(memory().numTensors, "leaked tensors").toBe(tensors);
});

/** Looks at a contestant's terms after two iterations. */
async function look(
  contestant: Contestant,
  process: Process,
  t: number,
  body: (terms: Terms, contender: Contender, stage: Stage) => void | Promise<void>,
): Promise<void> {
  const stage = stages.get(process) as Stage;
  const [contender] = (await openContenders({ ...small, process, contestants: [contestant] }, stage)) as [Contender];
  try {
    for (let i = 0; i < 2; i++) await contender.advance();
    await body((await termsOf(contender, stage, { ...view, t })) as Terms, contender, stage);
  } finally {
    await contender.dispose();
  }
}

/** Numbers are the same to 1e-5 of the largest. */
function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  const largest = Math.max(1, ...Array.from(expected, Math.abs));
  expect(actual.length).toBe(expected.length);
  for (const [i, x] of Array.from(actual).entries())
    expect(Math.abs(x - (expected[i] as number)) / largest, `number ${i}: ${x} against ${expected[i]}`).toBeLessThan(
      1e-5,
    );
}

const settings: readonly Contestant[] = [
  ...methodNames.filter((method) => !withoutTerms.includes(method)).map((method) => ({ method })),
  { method: "sid-lsg", alpha: 0.3, weight: "snr", kappa1: 2, kappa2: 2, kappa4: 3 },
  { method: "sid", alpha: 1.7, weight: "none", reduction: "mean" },
  { method: "sida", weight: "snr", reduction: "mean" },
  { method: "sim", weight: "one-minus-sigma" },
  { method: "sds", weight: "inverse-sigma", kappa4: 7.5 },
  { method: "dmd", weight: "alpha-squared-sigma", kappa4: 2, reduction: "sum" },
  { method: "csd", weight: "l1" },
  { method: "decoupled-dmd", kappa4: 1 },
  { method: "decoupled-dmd", kappa4: 4, weight: "inverse-sigma-squared" },
  { method: "f-distill", divergence: "neyman", reduction: "sum" },
  { method: "swift-brush", kappa2: 1, kappa4: 4.5, weight: "one-minus-sigma-squared" },
];
const named = settings.map((contestant) => [JSON.stringify(contestant), contestant] as const);

/** The loss that the page's equation says, of samples, with ω as a constant; differentiated it must be the library's gradient. */
function lossAsShown(contestant: Contestant, terms: Terms, contender: Contender, stage: Stage, t: number) {
  const numbers = numbersOf(contestant);
  const { of } = valuesOf(contestant, terms);
  const { method, alpha, huber, adversarial } = numbers;
  const { networks } = contender;
  const { count } = view;
  const stream = randomStream(view.seed);
  const normals = Array.from({ length: networks.generator.steps + 2 }, () => stream.normal([count, 2]));
  const [noise, otherNoise] = normals.slice(-2) as [Tensor, Tensor];
  const times = Array<number>(count).fill(t);
  const cond = classConditions(stage.world.law, Array<number>(count).fill(view.class));
  const uncond = classConditions(stage.world.law, [undefined]);
  const noised = (xg: Tensor, epsilon: Tensor) => add(mul(xg, terms.alpha), mul(epsilon, terms.sigma));
  const ask = (model: ScoreModel, xt: Tensor, guidanceScale: number) =>
    predictX0(model, { xt, t: times, cond, uncond, guidanceScale });
  const omega = of.weight
    ? tensor2d(Float32Array.from(of.weight), [count, 1])
    : tensor2d(Array<number>(count).fill(1), [count, 1]);
  const fixed = of.direct && tensor2d(Float32Array.from(of.direct), [count, 2]);
  const xg = tensor2d(terms.generated, [count, 2]);
  const softened = (xt: Tensor) => {
    const { discriminator, fakeScore } = networks;
    const input = discriminator?.reads ? (fakeScore?.features?.(xt, times, cond) as Tensor) : xt;
    const logit = discriminator?.logit(input, times) as Tensor;
    return softplus(neg(method === "sida" ? clipByValue(logit, -10, 10) : logit));
  };
  /** L of all samples, added up. */
  const loss = (x: Tensor): Tensor => {
    const xt = noised(x, noise);
    const factor = factorOf(numbers);
    let all: Tensor;
    if (["sid", "sid-lsg", "few-step-sid", "sid-dit", "sida", "sim"].includes(method)) {
      const teacher = ask(stage.teacher, xt, numbers.kappa4);
      const fake = ask(networks.fakeScore as ScoreModel, xt, numbers.kappa2);
      const delta = sub(teacher, fake);
      if (method === "sim") {
        const length = sqrt(add(sum(square(delta), 1, true), (huber as number) ** 2));
        all = neg(sum(mul(omega, mul(div(neg(delta), length), sub(fake, x)))));
      } else all = sum(mul(omega, mul(delta, sub(sub(teacher, x), mul(delta, alpha)))));
      all = mul(all, factor);
      if (method === "sida") {
        const meanOmega = Array.from(of.weight ?? [1]).reduce((a, b) => a + b, 0) / (of.weight?.length ?? 1);
        const d = numbers.reduction === "sum" ? 2 : 1;
        all = add(all, mul(sum(softened(xt)), 0.5 * adversarial * d * meanOmega));
      }
    } else {
      all = mul(sum(mul(x, fixed as Tensor)), factor);
      if (method === "dmd2") all = add(all, mul(sum(softened(noised(x, otherNoise))), adversarial));
      if (method === "f-distill") all = add(all, mul(sum(softened(xt)), adversarial));
    }
    return all;
  };
  const gradient = tidy(() => (vjp(loss, [xg], scalar(1)) as [Tensor])[0]);
  const result = gradient.dataSync<"float32">();
  dispose([...normals, cond, uncond, omega, ...(fixed ? [fixed] : []), xg, gradient]);
  return result;
}

describe.each(["ddpm", "flow"] as const)("on %s the equation that is shown is what the library computes", (process) => {
  test.each(named)("%s", async (_, contestant) => {
    const low = process === "ddpm" ? 300 : 0.4;
    const high = process === "ddpm" ? 700 : 0.8;
    for (const t of [low, high])
      await look(contestant, process, t, (terms, contender, stage) => {
        const values = valuesOf(contestant, terms);
        const factor = factorOf(numbersOf(contestant));
        // Differentiated as it is written.
        expectClose(lossAsShown(contestant, terms, contender, stage, t), terms.gradient);
        // What is shown of it adds up.
        const { direct, through, gradient } = values.of as Record<string, ArrayLike<number>>;
        expectClose(
          Array.from(direct as ArrayLike<number>, (x, i) => factor * (x + (through?.[i] as number))),
          terms.gradient,
        );
        const flows = termsIn(equationOf(contestant)).some(({ name }) => name === "through");
        if (!flows) expectClose(direct as ArrayLike<number>, gradient as ArrayLike<number>);
        // Every term that can be pointed at has a value, and arrows.
        for (const { name } of termsIn(equationOf(contestant))) {
          expect(values.of[name], name).toBeDefined();
          expect(Array.from(values.of[name] as ArrayLike<number>).every(Number.isFinite), name).toBe(true);
          for (let i = 0; i < values.count; i++)
            for (const { from, to } of arrowsOf(name, values, i))
              expect([...from, ...to].every(Number.isFinite), name).toBe(true);
        }
      });
  });
});

describe("arrows", () => {
  const along = (arrows: readonly { from: readonly [number, number]; to: readonly [number, number] }[]) =>
    arrows.map(({ from, to }) => [to[0] - from[0], to[1] - from[1]] as const);

  test.each(named)("of %s join: those of a sum end where the sum ends", async (_, contestant) => {
    await look(contestant, "ddpm", 400, (terms) => {
      const values = valuesOf(contestant, terms);
      const shrink = shrinkOf(values);
      for (let i = 0; i < values.count; i++) {
        const pushed = arrowsOf("gradient", values, i).slice(1);
        const whole = pushed.at(-1) as (typeof pushed)[number];
        const end = pushed.length > 1 ? (pushed.at(-2) as typeof whole).to : whole.to;
        expectClose(end, whole.to);
        expectClose(
          along([whole])[0] as readonly number[],
          [0, 1].map((axis) => (-shrink * (terms.gradient[2 * i + axis] as number)) / factorOf(numbersOf(contestant))),
        );
        expect(Math.hypot(...(along([whole])[0] as readonly [number, number]))).toBeLessThan(0.9001);
        if (values.of.combination === undefined) continue;
        const [, first, second, sum] = arrowsOf("combination", values, i);
        expectClose(second?.to as readonly number[], sum?.to as readonly number[]);
        expect(first?.from).toEqual([terms.generated[2 * i], terms.generated[2 * i + 1]]);
        expectClose(second?.from as readonly number[], first?.to as readonly number[]);
      }
    });
  });

  test("an answer begins where it was asked, δ where the fake score ends, and the push goes against the gradient", () => {
    const terms: Terms = {
      ...{ generated: Float32Array.of(1, 0), xt: Float32Array.of(0.5, 0.5), alpha: 0.5, sigma: 0.5 },
      answers: { teacher: Float32Array.of(1, 2), fake: Float32Array.of(0, 1) },
      gradient: Float32Array.of(-0.3, -0.6),
    };
    const contestant: Contestant = { method: "sid-lsg", alpha: 0.5, weight: "none" };
    const values = valuesOf(contestant, terms);
    expect(arrowsOf("teacher", values, 0)[1]).toMatchObject({ from: [0.5, 0.5], to: [1, 2] });
    expect(arrowsOf("fake", values, 0)[1]).toMatchObject({ from: [0.5, 0.5], to: [0, 1] });
    expect(arrowsOf("delta", values, 0)[1]).toMatchObject({ from: [0, 1], to: [1, 2] });
    expect(arrowsOf("alphaDelta", values, 0)[1]).toMatchObject({ from: [1, 2], to: [0.5, 1.5] });
    expect(arrowsOf("combination", values, 0)[3]).toMatchObject({ from: [1, 0], to: [0.5, 1.5] });
    expect(arrowsOf("noisy", values, 0)[1]).toMatchObject({ from: [1, 0], to: [0.5, 0.5] });
    const [, direct, through, whole] = arrowsOf("gradient", values, 0);
    const shrink = shrinkOf(values);
    expect(shrink).toBeCloseTo(0.9 / Math.SQRT2, 10);
    // −ω·δ is (−1, −1), so the direct part pushes to the upper right.
    expectClose(direct?.to as readonly number[], [1 + shrink, shrink]);
    expectClose(through?.to as readonly number[], [1 + 0.3 * shrink, 0.6 * shrink]);
    expectClose(whole?.to as readonly number[], [1 + 0.3 * shrink, 0.6 * shrink]);
    expect(arrowsOf("generated", values, 0)).toMatchObject([{ from: [1, 0], to: [1, 0] }]);
  });
});

test("what follows _ in a label stands below", () => {
  expect(piecesOf("f_φ − x_g").map(({ text, isBelow }) => (isBelow ? `[${text}]` : text))).toEqual([
    ...["f", "[φ]", " − x", "[g]"],
  ]);
  expect(piecesOf("−α δ")).toEqual([{ text: "−α δ", isBelow: false }]);
});

describe("equations", () => {
  const written = (contestant: Contestant) => equationOf(contestant).map(textOf);

  test("have the numbers that the reader has set", () => {
    expect(written({ method: "sid-lsg", alpha: 1.2, kappa1: 3, kappa2: 3, kappa4: 3 })).toEqual([
      "L = ω · Σ δ ⊙ u",
      "δ = f_φ, κ4 = 3 − f_ψ, κ2 = 3",
      "u = (f_φ, κ4 = 3 − x_g) − 1.2 δ",
      "ω = 1/M,  M = mean |x_g − f_φ, κ4 = 3|",
      "x_t = a·x_g + s·ε",
      "∂L/∂x_g = −ω δ + through φ and ψ",
    ]);
    expect(written({ method: "sid", weight: "none", reduction: "mean" })).toEqual([
      "L = 50 · Σ δ ⊙ u",
      "δ = f_φ − f_ψ",
      "u = (f_φ − x_g) − 1.2 δ",
      "x_t = a·x_g + s·ε",
      "∂L/∂x_g = 50 · (−δ + through φ and ψ)",
    ]);
    expect(written({ method: "sds", kappa4: 7.5 })).toEqual([
      "g = ω · (x_g − f_φ, κ = 7.5)",
      "ω = a·s",
      "x_t = a·x_g + s·ε",
      "∂L/∂x_g = g",
    ]);
    expect(written({ method: "decoupled-dmd", kappa4: 3 })[0]).toBe("g = ω · [(f_ψ − f_φ) + p]");
    expect(written({ method: "decoupled-dmd", kappa4: 1 })[0]).toBe("g = ω · (f_ψ − f_φ)");
    expect(written({ method: "csd" })[0]).toBe("g = ω · (f_∅ − f_c)");
    expect(written({ method: "f-distill" })[0]).toBe("g = h̄(r) · ω · (f_ψ − f_φ)");
    expect(written({ method: "sida" })[0]).toBe("L = 50 · ω · Σ δ ⊙ u + ½·0.01·d·mean ω·BCE(D(x_t), real)");
    expect(written({ method: "sida", reduction: "mean" })[0]).toBe(
      "L = 25 · ω · Σ δ ⊙ u + ½·0.01·mean ω·BCE(D(x_t), real)",
    );
    expect(written({ method: "tdm", kappa4: 1 })).toEqual([
      "g = ω · D / √(D² + 0.001²),  element by element",
      "D = f_ψ − f_φ",
      "ω = 1/M,  M = mean |x_g − f_φ|",
      "∂L/∂x_g = ½ · g",
    ]);
    expect(written({ method: "tdm", kappa4: 1, weight: "none", reduction: "sum" })).toEqual([
      "g = D / √(D² + 0.001²),  element by element",
      "D = f_ψ − f_φ",
      "∂L/∂x_g = g",
    ]);
    expect(written({ method: "lcm" })[0]).toMatch(/^L = ½ · ‖/);
    expect(written({ method: "lcm", reduction: "sum" })[0]).toMatch(/^L = ‖/);
    expect(written({ method: "sim" })[2]).toBe("d′ = −δ / √(‖δ‖² + 0.1²)");
  });

  test.each(methodNames)("%s is written, and every term has words", (method) => {
    const equation = equationOf({ method });
    expect(equation.length).toBeGreaterThan(2);
    for (const { words } of termsIn(equation)) expect(words).toMatch(/^[A-Z].*\.$/);
    expect(equation.map(textOf).join("\n")).not.toMatch(/undefined|NaN/);
  });

  test("numbers are short, with a true minus", () => {
    expect([numeral(1.2), numeral(-0.5), numeral(0.1234567), numeral(Number.NaN)]).toEqual([
      "1.2",
      "−0.5",
      "0.123",
      "–",
    ]);
    expect(pair(0.123, -0.314)).toBe("(0.12, −0.31)");
    expect(pair(-0.001, Number.POSITIVE_INFINITY)).toBe("(0.00, –)");
  });
});
