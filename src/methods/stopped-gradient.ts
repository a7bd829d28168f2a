import { add, mul, reshape, type Scalar, square, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkFinite, checkObject, type KeysOf } from "../core/checks";
import { total } from "../core/per-sample";
import { divisor } from "../losses/reduce";
import { stoppedGradientCotangent } from "../losses/stopped-gradient";
import type { LossInputs } from "../losses/weights";
import {
  checkMethodOptions,
  fakeScoreOf,
  type MethodOptions,
  methodOptions,
  noiseOrEdm,
  type Settled,
  settingsOf,
  settle,
} from "./options";
import { uniformTimes } from "./times";
import type { Circumstances, Cotangents, FakeScoreUpdate, Question, Recipe, ScoreMethod } from "./types";

/** Options of the methods whose generator descends `stoppedGradientLoss` with a fake score. */
export interface StoppedGradientMethodOptions extends MethodOptions {
  /**
   * κ of the teacher, in `f_∅ + κ(f_c − f_∅)`.
   * @defaultValue the method's own
   */
  readonly guidanceScale?: number | undefined;
}

/** The keys of {@link StoppedGradientMethodOptions}. */
export const stoppedGradientOptions: KeysOf<StoppedGradientMethodOptions> = { ...methodOptions, guidanceScale: 1 };

type Tensors<Q extends string> = Readonly<Record<Q | "generated", Tensor>>;

/** What a method of this family is. */
export interface StoppedGradientParts<Q extends string> {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Its options with their defaults. */
  readonly settled: Pick<Settled<MethodOptions>, "weight" | "timesteps" | "lossScale" | "reduction" | "steps">;
  readonly asks: Readonly<Record<Q, Question>>;
  /** What stands for f_φ and for f_ψ. */
  readonly compare: (tensors: Tensors<Q>) => Omit<LossInputs, "generated">;
  /** c of a pseudo-Huber distance. */
  readonly huber?: number | undefined;
  /** Factor of g, one for all or one per sample. */
  readonly factor?: (tensors: Tensors<Q>, circumstances: Circumstances) => number | Tensor;
  /** What is told as the loss; ½‖g‖² where absent. */
  readonly loss?: (inputs: LossInputs, circumstances: Circumstances) => Scalar;
  /** A term that is added to the loss. */
  readonly term?: ((tensors: Tensors<Q>, circumstances: Circumstances) => Cotangents<Q>) | undefined;
  readonly more?: Partial<Pick<ScoreMethod<Q>, "fakeScore" | "noising" | "recipe" | "warnings">>;
  readonly otherTimesteps?: ScoreMethod<Q>["generator"]["otherTimesteps"];
}

/**
 * A method of the stopped-gradient family: `g = ω(f_ψ − f_φ)` on x_g, through ½‖x_g − sg(x_g − g)‖². What stands for f_ψ
 * and f_φ makes the method; no backward pass of either network.
 */
export function stoppedGradientMethod<Q extends string>(parts: StoppedGradientParts<Q>): ScoreMethod<Q> {
  const { name, settings, settled, asks, compare, huber, factor, term, otherTimesteps, more } = parts;
  const { weight, timesteps, lossScale, reduction, steps } = settled;
  return {
    name,
    settings,
    generator: {
      timesteps,
      otherTimesteps,
      asks,
      lossScale,
      cotangents: (tensors, circumstances) =>
        tidy((): Cotangents<Q> => {
          const { level, valid } = circumstances;
          const inputs = { generated: tensors.generated, ...compare(tensors) };
          const step = stoppedGradientCotangent(inputs, { weight, level, huber, reduction, valid });
          const times = factor?.(tensors, circumstances) ?? 1;
          const generated = mul(step, typeof times === "number" ? times : likeBatch(times, step));
          // ½‖g‖² of g = divisor · cotangent.
          const half = () => mul(total(square(generated)), divisor(generated, reduction) / 2) as Scalar;
          const loss = parts.loss?.(inputs, circumstances) ?? half();
          const own = { loss, generated } as Cotangents<Q>;
          if (term === undefined) return own;
          const added = term(tensors, circumstances);
          return { ...own, ...added, loss: add(loss, added.loss) as Scalar };
        }),
    },
    steps,
    ...more,
  };
}

function likeBatch(perSample: Tensor, batch: Tensor): Tensor {
  return reshape(perSample, [batch.shape[0] as number, ...Array<number>(batch.rank - 1).fill(1)]);
}

/** Options of one of these methods, checked, with its defaults. */
export function settleOptions<T extends StoppedGradientMethodOptions>(
  name: string,
  options: T,
  keys: KeysOf<T>,
  defaults: Settled<T>,
): Settled<T> {
  const settled = settle(checkObject(name, "options", options, keys), defaults);
  checkMethodOptions(name, settled as StoppedGradientMethodOptions);
  const { guidanceScale } = settled as StoppedGradientMethodOptions;
  if (guidanceScale !== undefined) checkFinite(name, "guidanceScale", guidanceScale);
  return settled;
}

/** Diff-Instruct and its like: `f_ψ − f_φ,κ` with both networks at one x_t. */
export function distributionMatching<Q extends string = never>(
  name: string,
  settled: Settled<StoppedGradientMethodOptions>,
  defaults: Settled<StoppedGradientMethodOptions>,
  recipe: Recipe,
  own: {
    /** κ of the fake score in the generator's loss, where it is not 1. */
    readonly fakeGuidanceScale?: number;
    readonly fakeScore?: Partial<FakeScoreUpdate>;
    /** Further questions. */
    readonly asks?: Readonly<Record<Q, Question>>;
    readonly parts?: Pick<
      Partial<StoppedGradientParts<Q | "teacher" | "fake">>,
      "huber" | "factor" | "loss" | "term" | "otherTimesteps"
    >;
    readonly noising?: "interval";
    readonly warnings?: readonly string[];
  } = {},
): ScoreMethod<Q | "teacher" | "fake"> {
  const { fakeGuidanceScale = 1, fakeScore, asks, parts, ...rest } = own;
  return stoppedGradientMethod<Q | "teacher" | "fake">({
    name,
    settings: settingsOf(settled, defaults),
    settled,
    compare: ({ teacher, fake }) => ({ teacher, fake }),
    ...parts,
    asks: {
      teacher: { of: "teacher", guidanceScale: settled.guidanceScale },
      fake: { of: "fakeScore", guidanceScale: fakeGuidanceScale },
      ...asks,
    } as Readonly<Record<Q | "teacher" | "fake", Question>>,
    more: { fakeScore: { ...fakeScoreOf(settled), ...fakeScore }, recipe, ...rest },
  });
}

/** What most methods of this family share. */
export function matchingDefaults(): Settled<StoppedGradientMethodOptions> {
  return {
    guidanceScale: 1,
    weight: "l1",
    timesteps: uniformTimes({ low: 0.02, high: 0.98 }),
    lossScale: 1,
    reduction: "mean",
    fakeTimesteps: uniformTimes({ low: 0, high: 1 }),
    fakeWeight: noiseOrEdm,
    fakeLossScale: 1,
    fakeUpdates: 1,
    steps: "all",
  };
}
