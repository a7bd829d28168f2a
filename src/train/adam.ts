import {
  add,
  clone,
  dispose as disposeAll,
  div,
  keep,
  mul,
  sqrt,
  square,
  sub,
  type Tensor,
  tidy,
  type Variable,
  zeros,
} from "@tensorflow/tfjs-core";
import { checkInteger, checkObject, checkPositive, checkRange, describe, showShape } from "../core/checks";
import { SidError } from "../core/errors";
import { runIfThere } from "../core/fused-kernels";
import { checkTensor, checkVariables } from "../core/tensor-checks";
import { packs } from "./packing";

/** Options of {@link adam}. */
export interface AdamOptions {
  /** Step size. Greater than 0. */
  readonly learningRate: number;
  /**
   * Decay of the first moment, in `[0, 1)`. At 0 the first moment is the gradient itself and is not stored.
   * @defaultValue `0`, as SiD trains
   */
  readonly beta1?: number;
  /**
   * Decay of the second moment, in `[0, 1)`.
   * @defaultValue `0.999`
   */
  readonly beta2?: number;
  /**
   * Added to the square root of the second moment. Greater than 0.
   * @defaultValue `1e-8`
   */
  readonly epsilon?: number;
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
 * Adam, in PyTorch's form: bias-corrected moments, `epsilon` outside the root, no weight decay.
 *
 *     m ← β1·m + (1 − β1)·g        v ← β2·v + (1 − β2)·g²
 *     p ← p − lr / (1 − β1ᵏ) · m / (√v / √(1 − β2ᵏ) + ε)        at step k
 *
 * With β1 = 0 there is no first moment: one stored number per weight instead of two.
 * Variables are packed into few flat tensors, since hundreds of small ones cost more in calls than in arithmetic.
 *
 * Source: Kingma & Ba, arXiv:1412.6980; torch.optim.Adam; SiD-LSG@709fc22 trains with β = (0, 0.999).
 *
 * @param variables - what to train.
 * @param options - step size, decays and ε.
 * @returns the optimiser; dispose it when done.
 * @throws SidError `invalid-argument`, `out-of-range` or `not-finite` for bad options; its `step` throws
 *   `shape-mismatch` when gradients and variables do not fit.
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
  checkVariables("adam", "variables", variables);
  if (variables.length === 0) throw new SidError("invalid-argument", "adam: there are no variables to train.");
  checkAdamOptions("adam", options);
  const { learningRate, beta1 = 0, beta2 = 0.999, epsilon = 1e-8 } = options;

  const groups = packs(variables.map((v) => v.shape));
  const sizes = groups.map(({ size }) => size);
  if (beta1 !== 0) sizes.push(...sizes);
  let moments: Tensor[] = sizes.map((size) => zeros([size]));
  let count = 0;

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
      count++;
      const correction = Math.sqrt(1 - beta2 ** count);
      const rate = (learningRate * correction) / (1 - beta1 ** count);
      groups.forEach((group, i) => {
        tidy(() => {
          const gradient = prepare(group.pack(gradients));
          const fused = beta1 === 0 && stepInOne(i, group.pack(variables), gradient, rate, epsilon * correction);
          if (fused) return group.assign(variables, fused);
          const v = remember(i, beta2, square(gradient));
          const m = beta1 === 0 ? gradient : remember(groups.length + i, beta1, gradient);
          const update = div(mul(m, rate), add(sqrt(v), epsilon * correction));
          group.assign(variables, sub(group.pack(variables), update));
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
    },
  };
}

/** Throws unless the options make an {@link adam}. */
export function checkAdamOptions(where: string, options: AdamOptions): void {
  checkObject(where, "options", options);
  const { learningRate, beta1 = 0, beta2 = 0.999, epsilon = 1e-8 } = options;
  checkPositive(where, "learningRate", learningRate);
  checkPositive(where, "epsilon", epsilon);
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
