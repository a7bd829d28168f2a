import {
  add,
  mul,
  type Scalar,
  scalar,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  tidy,
} from "@tensorflow/tfjs-core";
import { checkFinite, checkObject, checkOneOf, type KeysOf } from "../core/checks";
import { perSample, total } from "../core/per-sample";
import { noGrad, pullback, valueAndGradients, vjp } from "../core/tape";
import { checkSameShape } from "../core/tensor-checks";
import { type Guidance, guidanceKeys, noGuidance } from "../guidance/strategies";
import { finiteSamples } from "../losses/nan-policy";
import { type LossReduction, onlyValid } from "../losses/reduce";
import { type SidLossOptions, sidCotangents, sidLoss } from "../losses/sid";
import type { LossWeight } from "../losses/weights";
import { predictX0 } from "../models/predict-x0";
import type { GeneratorModel, ScoreModel } from "../models/types";
import { addNoise, type NoiseLevel } from "../predict/level";
import { checkTrainBatch, inputsOf, type TrainBatch } from "./batch";
import { carryOut } from "./carry-out";

/** What the generator learns from, and how. */
export interface GeneratorObjective {
  /** The network that trains. */
  readonly generator: GeneratorModel;
  /** The score of the data; frozen. */
  readonly teacher: ScoreModel;
  /** The score of the generator's own samples; frozen here. */
  readonly fakeScore: ScoreModel;
  /**
   * `kappa2` guides the fake score, `kappa4` the teacher.
   * @defaultValue no guidance
   */
  readonly guidance?: Guidance | undefined;
  /**
   * α of the score-identity loss.
   * @defaultValue `1`
   */
  readonly alpha?: number | undefined;
  /**
   * ω of the score-identity loss.
   * @defaultValue `"l1"`
   */
  readonly weight?: LossWeight | undefined;
  /**
   * Over each sample's elements.
   * @defaultValue `"sum"`
   */
  readonly reduction?: LossReduction | undefined;
  /**
   * Factor of the loss and its gradients.
   * @defaultValue `1`
   */
  readonly lossScale?: number | undefined;
  /**
   * `staged` opens one network's tape at a time: about 0.4 times the memory of `joint`, which holds all
   * three at once, at about 1.1 times its time, since two networks run forward twice.
   * @defaultValue `"staged"`
   */
  readonly backward?: "staged" | "joint" | undefined;
}

const known: KeysOf<GeneratorObjective> = {
  ...{
    generator: 1,
    teacher: 1,
    fakeScore: 1,
    guidance: 1,
    alpha: 1,
    weight: 1,
    reduction: 1,
    lossScale: 1,
    backward: 1,
  },
};

/** What {@link generatorGradients} returns; the caller owns all of it (`dispose({ ...result })` frees it). */
export interface GeneratorGradients {
  /** The score-identity loss, times `lossScale`. No measure of progress: see {@link sidLoss}. */
  readonly loss: Scalar;
  /** One tensor per variable of the generator, in their order. */
  readonly gradients: Tensor[];
  /** The samples `x_g`, `[B, ...]`. */
  readonly generated: Tensor;
  /** The teacher's guided x0-prediction `f_φ(x_t)`. */
  readonly teacher: Tensor;
  /** The fake score's guided x0-prediction `f_ψ(x_t)`. */
  readonly fake: Tensor;
  /** Mean over the batch of `‖f_φ − f_ψ‖²`, without the loss scale. */
  readonly deltaSquared: Scalar;
  /** `[B]`, 1 for samples that counted, 0 for samples that left the batch because they were not finite. */
  readonly valid: Tensor1D;
}

/**
 * Loss and gradients of one generator step.
 *
 *     x_g = G_θ(z, c),   x_t = α·x_g + σ·ε,   L = sidLoss(x_g, f_φ,κ4(x_t, t, c), f_ψ,κ2(x_t, t, c))
 *
 * The gradient flows through `x_g` and through the inputs of both frozen networks. `joint` is one
 * tape over all of it. `staged` never holds the activations of two networks: with the closed
 * cotangents g of the loss,
 *
 *     ∂L/∂x_g = g_x + α·(J_φᵀ·g_φ + J_ψᵀ·g_ψ),   ∂L/∂θ = (∂x_g/∂θ)ᵀ·∂L/∂x_g
 *
 * Both give the same numbers up to rounding. Samples with a value that is not finite leave the
 * batch. With `staged`, zeros then take their place in the generator's input, so that they cannot
 * spoil the gradients of the others; with `joint`, what they spoil is left to `cleanGradients`.
 *
 * Source: arXiv:2406.01561; SiD-LSG@709fc22 training/sid_training_loop.py L490-530.
 *
 * @param objective - networks, guidance and loss; nothing is assigned.
 * @param batch - noise, times and conditions of `B` samples; borrowed.
 * @returns loss, gradients, samples, predictions, and which samples counted.
 * @throws SidError before any tape opens: `shape-mismatch`, `invalid-argument` for
 *   networks of different schedules or for a condition that the guidance needs, `out-of-range` for a
 *   time outside the schedule, `not-finite` for α or a scale.
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
export function generatorGradients(objective: GeneratorObjective, batch: TrainBatch): GeneratorGradients {
  const where = "generatorGradients";
  checkObject(where, "objective", objective, known);
  const { generator, teacher, fakeScore, guidance = noGuidance(), backward = "staged" } = objective;
  const { alpha = 1, weight = "l1", reduction = "sum", lossScale = 1 } = objective;
  const { kappa2, kappa4 } = checkObject(where, "guidance", guidance, guidanceKeys);
  checkOneOf(where, "backward", backward, ["staged", "joint"]);
  checkFinite(where, "alpha", alpha);
  checkFinite(where, "lossScale", lossScale);
  const level = checkTrainBatch(
    where,
    generator,
    [
      { model: teacher, role: "teacher", kappa: kappa4 },
      { model: fakeScore, role: "fakeScore", kappa: kappa2 },
    ],
    batch,
  );
  const { t, cond, uncond } = batch;
  const pass: Pass = {
    ...batch,
    inputs: inputsOf(batch),
    generator,
    level,
    lossScale,
    loss: { alpha, weight, reduction, level },
    ofTeacher: (xt) => predictX0(teacher, { xt, t, cond, uncond, guidanceScale: kappa4 }),
    ofFake: (xt) => predictX0(fakeScore, { xt, t, cond, uncond, guidanceScale: kappa2 }),
  };
  return tidy(() => {
    const result = backward === "joint" ? joint(pass) : staged(pass);
    const delta = onlyValid(sub(result.teacher, result.fake), result.valid);
    return { ...result, deltaSquared: mul(total(square(delta)), 1 / (delta.shape[0] as number)) as Scalar };
  });
}

/** A checked batch with the three networks as functions. */
interface Pass extends TrainBatch {
  readonly inputs: readonly Tensor[];
  readonly generator: GeneratorModel;
  readonly level: NoiseLevel;
  readonly lossScale: number;
  readonly loss: SidLossOptions;
  readonly ofTeacher: (xt: Tensor) => Tensor;
  readonly ofFake: (xt: Tensor) => Tensor;
}

type Result = Omit<GeneratorGradients, "deltaSquared">;

function joint({ inputs, generator, noises, cond, noise, level, lossScale, loss, ofTeacher, ofFake }: Pass): Result {
  const { result, carried } = carryOut((carry) =>
    valueAndGradients(() => {
      const generated = generator.generate(noises, cond);
      const xt = addNoise({ x0: generated, noise, level });
      const teacher = ofTeacher(xt);
      const fake = ofFake(xt);
      const valid = noGrad(() => finiteSamples(...inputs, generated, teacher, fake));
      carry(generated, teacher, fake, valid);
      return mul(sidLoss({ generated, teacher, fake }, { ...loss, valid }), lossScale) as Scalar;
    }, generator.variables),
  );
  const [generated, teacher, fake, valid] = carried as [Tensor, Tensor, Tensor, Tensor1D];
  return { loss: result.value, gradients: result.gradients, generated, teacher, fake, valid };
}

function staged({ inputs, generator, noises, cond, noise, level, lossScale, loss, ofTeacher, ofFake }: Pass): Result {
  const generated = noGrad(() => generator.generate(noises, cond));
  checkSameShape("generatorGradients", { generated, noise });
  const xt = addNoise({ x0: generated, noise, level });
  const teacher = noGrad(() => ofTeacher(xt));
  const cotangentsAt = (fake: Tensor) => {
    const valid = finiteSamples(...inputs, generated, teacher, fake);
    return { valid, ...sidCotangents({ generated, teacher, fake }, { ...loss, valid }) };
  };
  // One forward pass of the fake score gives both its value and its backward pass.
  const { result, carried } = carryOut((carry) => {
    const weighted = (x: Tensor) => {
      const fake = ofFake(x);
      carry(fake);
      return sum(
        mul(
          fake,
          noGrad(() => cotangentsAt(fake).fake),
        ),
      );
    };
    return vjp(weighted, [xt], scalar(1));
  });
  const fake = carried[0] as Tensor;
  const throughFake = result[0] as Tensor;
  const { valid, ...direct } = cotangentsAt(fake);
  const throughTeacher = vjp(ofTeacher, [xt], direct.teacher)[0] as Tensor;
  const throughInput = mul(add(throughTeacher, throughFake), perSample(level.alpha, xt.rank));
  const cotangent = mul(onlyValid(add(direct.generated, throughInput), valid), lossScale);
  const cleanNoises = noises.map((z) => onlyValid(z, valid));
  const cleanCond = cond && onlyValid(cond, valid);
  const gradients = pullback(() => generator.generate(cleanNoises, cleanCond), cotangent, generator.variables);
  const value = mul(sidLoss({ generated, teacher, fake }, { ...loss, valid }), lossScale) as Scalar;
  return { loss: value, gradients, generated, teacher, fake, valid };
}
