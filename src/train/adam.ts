import {
  add,
  addN,
  clipByValue,
  clone,
  dispose as disposeAll,
  div,
  keep,
  minimum,
  mul,
  slice,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tensor1d,
  tidy,
  type Variable,
  zeros,
} from "@tensorflow/tfjs-core";
import { checkInteger, checkObject, checkPositive, checkRange, describe, type KeysOf, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import { runIfThere } from "../core/fused-kernels";
import { storesHalves } from "../core/half-storage";
import { checkTensor, checkVariables } from "../core/tensor-checks";
import type { Reducer } from "../distributed/types";
import { type LearningRateSchedule, rateAt } from "./learning-rate";
import { type Pack, packs } from "./packing";
import { gatherShards, type Shard, shardOf } from "./ranks/shards";

/** Options of {@link adam}. */
export interface AdamOptions {
  /** Step size: a number above 0, or a schedule such as `warmupRate` and `cosineRate` make. */
  readonly learningRate: number | LearningRateSchedule;
  /**
   * Decay of the first moment, in `[0, 1)`. At 0 the first moment is the gradient itself and is not stored.
   * @defaultValue `0`, as SiD trains
   */
  readonly beta1?: number | undefined;
  /**
   * Decay of the second moment, in `[0, 1)`.
   * @defaultValue `0.999`
   */
  readonly beta2?: number | undefined;
  /**
   * Added to the square root of the second moment. Greater than 0.
   * @defaultValue `1e-8`
   */
  readonly epsilon?: number | undefined;
  /**
   * Share of a parameter that is taken off at each step, times the step size: AdamW. At least 0.
   * @defaultValue `0`
   */
  readonly weightDecay?: number | undefined;
  /**
   * Bound of each element of the gradient. Greater than 0.
   * @defaultValue none
   */
  readonly clipValue?: number | undefined;
  /**
   * Bound of the Euclidean norm of the whole gradient, after `clipValue`: a longer one is scaled to this length, as
   * PyTorch's `clip_grad_norm_` does. Greater than 0. It takes room for one more copy of the gradient.
   * @defaultValue none
   */
  readonly clipNorm?: number | undefined;
}

/** What an {@link Adam} remembers, for a checkpoint. */
export interface AdamState {
  /** Steps taken. */
  readonly step: number;
  /** Flat moments: the second ones, then (unless β1 = 0) the first ones. Borrowed: the optimiser owns them. */
  readonly moments: readonly Tensor[];
}

/** An Adam optimiser and its memory. */
export interface Adam {
  /** What it trains, in the order of the gradients. */
  readonly variables: readonly Variable[];
  /**
   * One step down `gradients`, one tensor per variable; borrowed.
   *
   * @param prepare - applied to every element's gradient before its use (cleaning, clipping), in flat pieces
   *   `[n]` that together hold each element once.
   */
  step(gradients: readonly Tensor[], prepare?: (flat: Tensor) => Tensor): void;
  /** What it remembers. */
  state(): AdamState;
  /** Goes on from `state`, whose tensors are borrowed. */
  restore(state: AdamState): void;
  /** Frees the moments, not the variables. */
  dispose(): void;
}

/**
 * Adam, in PyTorch's form: bias-corrected moments, `epsilon` outside the root; with `weightDecay`, AdamW.
 *
 *     m ← β1·m + (1 − β1)·g        v ← β2·v + (1 − β2)·g²
 *     p ← (1 − lr·decay)·p − lr / (1 − β1ᵏ) · m / (√v / √(1 − β2ᵏ) + ε)        at step k
 *
 * With β1 = 0 there is no first moment: one stored number per weight instead of two.
 * Variables are packed into few flat tensors, since hundreds of small ones cost more in calls than in arithmetic.
 *
 * Source: Kingma & Ba, arXiv:1412.6980; Loshchilov & Hutter, arXiv:1711.05101; torch.optim.Adam and AdamW; SiD-LSG@709fc22 trains with β = (0, 0.999).
 *
 * @param variables - what to train.
 * @param options - step size, decays, ε and bounds of the gradient.
 * @returns the optimiser; dispose it when done.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for bad options, `invalid-argument` for variables that
 *   store float16; its `step` throws
 *   `shape-mismatch` when gradients and variables do not fit, `out-of-range` where a schedule gives no rate.
 *
 * @example
 * ```ts
 * import { adam } from "sid-lsg/train";
 * import { scalar, variable } from "@tensorflow/tfjs-core";
 *
 * const x = variable(scalar(1), true, "adam-example");
 * const optimizer = adam([x], { learningRate: 0.1 });
 * optimizer.step([scalar(42)]);
 * console.log(x.dataSync()[0]?.toFixed(3)); // "0.900": the first step has the length of the learning rate
 * optimizer.dispose();
 * ```
 */
export function adam(variables: readonly Variable[], options: AdamOptions): Adam {
  return adamOn(undefined, variables, options);
}

/** An {@link Adam} of a run, which may keep the moments of this rank's part of the weights only. */
export interface RunAdam extends Adam {
  /** Undefined where it keeps all. */
  readonly shards?: AdamShards | undefined;
}

/** What the ranks do together that share an optimiser. All call it at the same time. */
export interface AdamShards {
  /** What this rank keeps of each moment. */
  readonly moments: readonly Shard[];
  /** Assigns what all ranks made of their parts in the last step, which alone assigns nothing. */
  exchange(): Promise<void>;
  /** The whole moments, at rank 0; nothing at the others. */
  gather(): Promise<Float32Array[]>;
}

/**
 * {@link adam}; with `ranks` each keeps and updates a part, and the bits are those of the whole, whose elements do not depend
 * on one another.
 *
 * @param limit - elements of a flat piece; see {@link packs}.
 */
export function adamOn(
  ranks: Reducer | undefined,
  variables: readonly Variable[],
  options: AdamOptions,
  limit?: number,
): RunAdam {
  checkVariables("adam", "variables", variables);
  if (variables.length === 0) throw new SidError("invalid-argument", "adam: there are no variables to train.");
  const half = variables.find(storesHalves);
  if (half)
    throw new SidError(
      "invalid-argument",
      `adam: "${half.name}" stores float16, which is for weights that stay as they are: load what is trained without weights: "f16".`,
    );
  checkAdamOptions("adam", options);
  const { learningRate, beta1 = 0, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, clipValue, clipNorm } = options;

  const groups = packs(
    variables.map((v) => v.shape),
    limit,
  );
  const shards = groups.map(({ size }) => shardOf(size, ranks ?? { rank: 0, size: 1 }));
  const kept = beta1 === 0 ? shards : [...shards, ...shards];
  const sizes = kept.map(({ from, to }) => to - from);
  let moments: Tensor[] = sizes.map((size) => zeros([size]));
  /** This rank's parts of the weights after a step, until they are exchanged. */
  const stepped: (Tensor | undefined)[] = [];
  let count = 0;

  const forget = () => {
    disposeAll(stepped.splice(0).filter((x) => x !== undefined));
  };
  /** Lets a moment decay towards `x`. */
  const remember = (i: number, beta: number, x: Tensor): Tensor => {
    const old = moments[i] as Tensor;
    const next = keep(tidy(() => add(mul(old, beta), mul(x, 1 - beta))));
    old.dispose();
    moments[i] = next;
    return next;
  };
  /** The parameters after a step without a first moment, where the backend has a kernel for that. */
  const stepInOne = (i: number, flat: Tensor, gradient: Tensor, rate: number, epsilon: number) => {
    const old = moments[i] as Tensor;
    const [next, moment] = runIfThere("SidAdam", [flat, old, gradient], { beta2, rate, epsilon }) ?? [];
    if (!moment) return undefined;
    moments[i] = keep(moment);
    old.dispose();
    return next;
  };
  return {
    variables,
    step(gradients, prepare = (flat) => flat) {
      checkGradients(variables, gradients);
      const size = rateAt("Adam.step", learningRate, count);
      count++;
      const correction = Math.sqrt(1 - beta2 ** count);
      const rate = (size * correction) / (1 - beta1 ** count);
      const prepared = (group: Pack) => {
        const flat = prepare(group.pack(gradients));
        return clipValue === undefined ? flat : clipByValue(flat, -clipValue, clipValue);
      };
      const decayed = (group: Pack, shard: Shard) => {
        const flat = ownPart(shard, group.pack(variables));
        return weightDecay === 0 ? flat : mul(flat, 1 - size * weightDecay);
      };
      tidy(() => {
        const clipped = clipNorm === undefined ? undefined : clippedByNorm(groups.map(prepared), clipNorm);
        groups.forEach((group, i) => {
          tidy(() => {
            const shard = shards[i] as Shard;
            // That of all, which may have figures.
            const whole = clipped?.[i] ?? prepared(group);
            if (shard.from === shard.to) return;
            const gradient = ownPart(shard, whole);
            const next = (): Tensor => {
              const fused = beta1 === 0 && stepInOne(i, decayed(group, shard), gradient, rate, epsilon * correction);
              if (fused) return fused;
              const v = remember(i, beta2, square(gradient));
              const m = beta1 === 0 ? gradient : remember(groups.length + i, beta1, gradient);
              const update = div(mul(m, rate), add(sqrt(v), epsilon * correction));
              return sub(decayed(group, shard), update);
            };
            if (ranks) stepped[i] = keep(next());
            else group.assign(variables, next());
          });
        });
      });
    },
    state: () => ({ step: count, moments }),
    restore(state) {
      checkObject("Adam.restore", "state", state);
      if (!Array.isArray(state.moments))
        throw new SidError(
          "invalid-argument",
          `Adam.restore: moments must be tensors, got ${describe(state.moments)}.`,
        );
      checkInteger("Adam.restore", "step", state.step, 0);
      const got = state.moments.map((x) => x.shape.join());
      if (got.join(";") !== sizes.join(";"))
        throw new SidError(
          "shape-mismatch",
          `Adam.restore: wanted flat moments of ${sizes.join(", ")} elements, got ${got.join("; ")}.`,
        );
      disposeAll(moments);
      moments = state.moments.map((x) => keep(clone(x)));
      count = state.step;
    },
    dispose() {
      disposeAll(moments);
      moments = [];
      forget();
    },
    shards: ranks && {
      moments: kept,
      async exchange() {
        for (const [i, group] of groups.entries()) {
          const weights = await gatherShards(ranks, shards[i] as Shard, stepped[i]);
          tidy(() => group.assign(variables, tensor1d(weights)));
        }
        forget();
      },
      async gather() {
        const all: Float32Array[] = [];
        for (const [i, moment] of moments.entries()) {
          const whole = await gatherShards(ranks, kept[i] as Shard, moment);
          if (ranks.rank === 0) all.push(whole);
        }
        return all;
      },
    },
  };
}

/** What this rank keeps of a flat tensor. */
function ownPart({ size, from, to }: Shard, flat: Tensor): Tensor {
  return to - from === size ? flat : slice(flat, from, to - from);
}

/** Flat pieces of a gradient, scaled so that all of it is at most `longest` long. */
function clippedByNorm(pieces: readonly Tensor[], longest: number): Tensor[] {
  const norm = sqrt(addN(pieces.map((piece) => sum(square(piece)))));
  const scale = minimum(div(longest, add(norm, 1e-6)), 1);
  return pieces.map((piece) => mul(piece, scale));
}

const known: KeysOf<AdamOptions> = {
  ...{ learningRate: 1, beta1: 1, beta2: 1, epsilon: 1, weightDecay: 1, clipValue: 1, clipNorm: 1 },
};

/** Throws unless the options make an {@link adam}. */
export function checkAdamOptions(where: string, options: AdamOptions): void {
  checkObject(where, "options", options, known);
  const { learningRate, beta1 = 0, beta2 = 0.999, epsilon = 1e-8 } = options;
  if (typeof learningRate !== "function") checkPositive(where, "learningRate", learningRate);
  checkPositive(where, "epsilon", epsilon);
  if (options.weightDecay !== undefined) checkRange(where, "weightDecay", options.weightDecay, 0, Number.MAX_VALUE);
  for (const name of ["clipValue", "clipNorm"] as const)
    if (options[name] !== undefined) checkPositive(where, name, options[name]);
  for (const [name, beta] of Object.entries({ beta1, beta2 }))
    if (checkRange(where, name, beta, 0, 1) === 1)
      throw new SidError("out-of-range", `${where}: ${name} must be less than 1, got 1.`);
}

function checkGradients(variables: readonly Variable[], gradients: readonly Tensor[]): void {
  if (variables.length !== gradients?.length)
    throw new SidError(
      "shape-mismatch",
      `Adam.step: wanted one gradient per variable, ${variables.length} in all, got ${gradients?.length}.`,
    );
  variables.forEach((variable, i) => {
    const gradient = gradients[i] as Tensor;
    checkTensor("Adam.step", `the gradient of "${variable.name}"`, gradient);
    if (gradient.dtype !== "float32" || gradient.shape.join() !== variable.shape.join())
      throw new SidError(
        "shape-mismatch",
        `Adam.step: the gradient of "${variable.name}" must be float32 ${showShape(variable)}, got ${gradient.dtype} ${showShape(gradient)}.`,
      );
  });
}
