import {
  add,
  mul,
  type Scalar,
  scalar,
  square,
  sub,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tidy,
} from "@tensorflow/tfjs-core";
import { SidError } from "../core/errors";
import { perSample, total } from "../core/per-sample";
import { besideTape, pullback, valueAndGradients, vjp } from "../core/tape";
import { finiteSamples } from "../losses/nan-policy";
import { onlyValid } from "../losses/reduce";
import { isDataUpdate } from "../methods/check-method";
import { addNoise } from "../predict/level";
import { type Pass, passesOf } from "./ask";
import { checkTrainBatch, inputsOf, type TrainBatch } from "./batch";
import { carryOut } from "./carry-out";
import { dataGradients } from "./data-gradients";
import { comparedBy } from "./gauge/samples";
import { answersIn, judge, named, type Step, scaled, weighted } from "./judge";
import { noised } from "./noising";
import { checkObjective, type Objective } from "./objective";

/** What {@link generatorGradients} returns; the caller owns all of it (`dispose({ ...result })` frees it). */
export interface GeneratorGradients {
  /** The method's loss, times its `lossScale`. No measure of progress. */
  readonly loss: Scalar;
  /** One tensor per variable of the generator, in their order. */
  readonly gradients: Tensor[];
  /** The samples `x_g`, `[B, ...]`; absent where the generator learns from real images. */
  readonly generated?: Tensor | undefined;
  /** What the networks answered to the method's questions, such as `teacher` and `fake`. */
  readonly answers: Readonly<Record<string, Tensor>>;
  /** Mean over the batch of `‖f_φ − f_ψ‖²` of the answers `teacher` and `fake`, without the loss scale; 0 without them. */
  readonly deltaSquared: Scalar;
  /** `[B]`, 1 for samples that counted, 0 for samples that left the batch because they were not finite. */
  readonly valid: Tensor1D;
  /**
   * `[B, 4]`, what `divergenceGauge` is told of each sample: whether it counts, `log(α²/σ²)`, `‖δ‖²` and `δ·(f_ψ − x_g)`,
   * with the teacher at κ = 1. Absent where the method does not ask teacher and fake score at one noisy sample.
   */
  readonly gauge?: Tensor2D | undefined;
}

/**
 * Loss and gradients of one generator step, of any method.
 *
 *     x_g = G_θ(z, c),   x_t = a·x_g + s·ε,   answers of φ, ψ and D at x_t,   ∂L/∂x_g and ∂L/∂answers by the method
 *
 * The gradient flows through `x_g`, and through the inputs of those frozen networks whose answers the method says it
 * flows through. `joint` is one tape over all of it. `staged` never holds the activations of two networks: with the
 * method's cotangents g,
 *
 *     ∂L/∂x_g = g_x + a·(J_φᵀ·g_φ + J_ψᵀ·g_ψ),   ∂L/∂θ = (∂x_g/∂θ)ᵀ·∂L/∂x_g
 *
 * Both give the same numbers up to rounding. Where the gradient flows through no network, the generator's tape is the only
 * one, and nothing runs twice. Samples with a value that is not finite leave the batch, and zeros take the place of inputs
 * that are not; with one tape, what else they spoil is left to `cleanGradients`.
 *
 * Source: arXiv:2406.01561; SiD-LSG@709fc22 training/sid_training_loop.py L490-530.
 *
 * @param objective - networks and method; nothing is assigned.
 * @param batch - noise, times and conditions of `B` samples; borrowed.
 * @returns loss, gradients, samples, answers, and which samples counted.
 * @throws SidError before any tape opens: `shape-mismatch`, `invalid-argument` for
 *   networks of different schedules, for a network or condition that the method needs, `out-of-range` for a
 *   time outside the schedule.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, functionModel, gaussianModel, generatorFrom, randomStream } from "sid-lsg";
 * import { generatorGradients } from "sid-lsg/train";
 * import { mul, scalar, variable } from "@tensorflow/tfjs-core";
 *
 * const schedule = ddpmSchedule();
 * const gain = variable(scalar(0.9), true, "generator-gradients/gain");
 * const generator = generatorFrom(
 *   functionModel({ name: "G", predicts: "eps", schedule, variables: [gain], predict: (xt) => mul(xt, gain) }),
 * );
 * const teacher = gaussianModel({ mean: [1, 0], variance: 0.5, schedule });
 * const fakeScore = gaussianModel({ mean: [0, 0], variance: 1, schedule });
 * const stream = randomStream(1);
 * const { loss, gradients } = generatorGradients(
 *   { generator, teacher, fakeScore },
 *   { noises: [stream.normal([4, 2])], noise: stream.normal([4, 2]), t: [20, 300, 600, 979] },
 * );
 * console.log(loss.shape, gradients.length); // [] 1
 * ```
 */
export function generatorGradients(objective: Objective, batch: TrainBatch): GeneratorGradients {
  const checked = checkObjective(where, objective);
  const update = checked.method.generator;
  if (isDataUpdate(update)) return dataGradients(where, checked, update, batch);
  const asked = Object.values(update.asks).flatMap(({ of, guidanceScale: kappa = 1 }) => {
    const model = of === "discriminator" ? undefined : checked[of];
    return model ? [{ model, role: of, kappa }] : [];
  });
  const placed = checkTrainBatch(where, checked, asked, batch);
  const asks = Object.fromEntries(
    Object.entries(update.asks).filter(([, { startsAt = 0 }]) => placed.moment.nimg >= startsAt),
  );
  if (Object.values(asks).some(({ at }) => at === "other") && batch.other === undefined)
    throw new SidError(
      "invalid-argument",
      `${where}: the method ${checked.method.name} asks at another x_t; the batch needs other.`,
    );
  const stages = checked.backward === "staged" && Object.values(asks).some(({ gradient }) => gradient);
  return tidy(() => {
    const given = stages ? batch : cleaned(batch);
    const { t, cond, uncond, other } = given;
    const compared = comparedBy(checked, asks);
    const places = { xt: { t, cond, uncond }, other: { t: other?.t ?? t, cond, uncond } };
    const passes = passesOf(checked, asks, places, compared?.parted);
    const step: Step = { objective: checked, update, batch, given, placed, passes, compared };
    const result = stages ? staged(step) : onOneTape(step);
    return { ...result, deltaSquared: deltaSquared(result) };
  });
}

const where = "generatorGradients";

type Result = Omit<GeneratorGradients, "deltaSquared"> & { readonly generated: Tensor };

/** The batch with zeros in place of samples that are not finite: on one tape their 0 gradients would become NaN. */
function cleaned(batch: TrainBatch): TrainBatch {
  const finite = finiteSamples(...inputsOf(batch));
  const { noises, noise, cond, other } = batch;
  return {
    ...batch,
    noises: noises.map((z) => onlyValid(z, finite)),
    noise: onlyValid(noise, finite),
    cond: cond && onlyValid(cond, finite),
    other: other && { ...other, noise: onlyValid(other.noise, finite) },
  };
}

/** Samples and their noisy versions. */
function make({ objective, given, placed }: Step) {
  const { generated, xt, slope } = noised(objective, given, placed);
  const other =
    given.other && placed.other && addNoise({ x0: generated, noise: given.other.noise, level: placed.other });
  return { generated, slope, at: { xt, other: other ?? xt } };
}

function onOneTape(step: Step): Result {
  const { objective, update, passes } = step;
  const names = passes.flatMap((pass) => pass.names);
  const { result, carried } = carryOut((carry) =>
    valueAndGradients(() => {
      const { generated, at } = make(step);
      const outputs = passes.flatMap((pass) => {
        const run = () => pass.run(at[pass.at]);
        return pass.gradient ? run() : besideTape(run);
      });
      const { valid, loss, gauge, cotangents } = besideTape(() => judge(step, generated, named(names, outputs)));
      carry(generated, valid, loss, ...outputs, ...(gauge ? [gauge] : []));
      const gradients = [cotangents["generated"], ...names.map((name) => cotangents[name])];
      return scaled(weighted([generated, ...outputs], gradients), update.lossScale ?? 1);
    }, objective.generator.variables),
  );
  const [generated, valid, loss, ...rest] = carried as [Tensor, Tensor1D, Scalar, ...Tensor[]];
  return {
    loss: scaled(loss, update.lossScale ?? 1),
    gradients: result.gradients,
    generated,
    answers: answersIn(step, named(names, rest)),
    valid,
    gauge: rest[names.length] as Tensor2D | undefined,
  };
}

function staged(step: Step): Result {
  const { objective, update, batch, placed, passes } = step;
  const { generated, at, slope } = besideTape(() => make(step));
  // One forward pass of the last network gives both its answers and its backward pass: the costliest one, ψ as a rule.
  const flowing = passes.filter(({ gradient }) => gradient);
  const last = flowing.findLast(({ whole }) => whole) ?? (flowing[flowing.length - 1] as Pass);
  const early = passes.filter((pass) => pass !== last);
  const before = Object.assign(
    {},
    ...early.map((pass) =>
      named(
        pass.names,
        besideTape(() => pass.run(at[pass.at])),
      ),
    ),
  ) as Record<string, Tensor>;
  let order: string[] = [];
  const { result, carried } = carryOut((carry) =>
    vjp(
      (x) => {
        const outputs = last.run(x);
        const all = { ...before, ...named(last.names, outputs) };
        const { valid, loss, gauge, cotangents } = besideTape(() => judge(step, generated, all));
        order = Object.keys(cotangents);
        carry(valid, loss, ...outputs, ...Object.values(cotangents), ...(gauge ? [gauge] : []));
        return weighted(
          outputs,
          last.names.map((name) => cotangents[name]),
        );
      },
      [at[last.at]],
      scalar(1),
    ),
  );
  const [valid, loss, ...rest] = carried as [Tensor1D, Scalar, ...Tensor[]];
  const answers = answersIn(step, { ...before, ...named(last.names, rest) });
  const gauge = rest[last.names.length + order.length] as Tensor2D | undefined;
  const cotangents: Readonly<Record<string, Tensor | undefined>> = named(order, rest.slice(last.names.length));

  const through = flowing.map((pass): [Pass, Tensor] => {
    if (pass === last) return [pass, result[0] as Tensor];
    const gradients = pass.names.map((name) => cotangents[name]);
    return [pass, vjp((x) => weighted(pass.run(x), gradients), [at[pass.at]], scalar(1))[0] as Tensor];
  });
  const slopes = { xt: slope, other: placed.other?.alpha ?? slope };
  const parts = (["xt", "other"] as const).flatMap((place) => {
    const [first, ...others] = through.filter(([pass]) => pass.at === place).map(([, gradient]) => gradient);
    if (first === undefined) return [];
    return [
      mul(
        others.reduce((a, b) => add(a, b), first),
        perSample(slopes[place], first.rank),
      ),
    ];
  });
  const [first, ...others] = [...(cotangents["generated"] ? [cotangents["generated"]] : []), ...parts] as [Tensor];
  const sumOfParts = others.reduce((a, b) => add(a, b), first);
  const cotangent = scaled(onlyValid(sumOfParts, valid), update.lossScale ?? 1);
  const cleanNoises = batch.noises.map((z) => onlyValid(z, valid));
  const cleanCond = batch.cond && onlyValid(batch.cond, valid);
  const { generator } = objective;
  const gradients = pullback(() => generator.generate(cleanNoises, cleanCond), cotangent, generator.variables);
  return { loss: scaled(loss, update.lossScale ?? 1), gradients, generated, answers, valid, gauge };
}

/** Mean of `‖f_φ − f_ψ‖²`, where both were asked. */
function deltaSquared({ answers, valid }: Result): Scalar {
  const { teacher, fake } = answers;
  if (teacher === undefined || fake === undefined) return scalar(0);
  const delta = onlyValid(sub(teacher, fake), valid);
  return mul(total(square(delta)), 1 / (delta.shape[0] as number)) as Scalar;
}
