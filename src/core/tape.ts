import { clone, customGrad, engine, type Scalar, type Tensor, tidy, Variable } from "@tensorflow/tfjs-core";
import { checkBackend } from "./check-backend";
import { checkFunction, describe, showShape } from "./checks";
import { SidError } from "./errors";
import { sharedState } from "./shared-state";
import { checkTensor, checkVariables } from "./tensor-checks";

/**
 * Runs `f` off the tape: nothing in it is recorded, no activation is kept, and its result is a
 * constant to whatever differentiates around it.
 *
 * @param f - computes one tensor; everything else it makes is disposed.
 * @returns what `f` returned; the caller owns it.
 * @throws SidError `invalid-argument` if that is no tensor.
 *
 * @example
 * ```ts
 * import { noGrad } from "sid-lsg";
 * import { scalar, square } from "@tensorflow/tfjs-core";
 *
 * const x = scalar(3);
 * console.log(noGrad(() => square(x)).dataSync()[0]); // 9
 * ```
 */
export function noGrad<T extends Tensor>(f: () => T): T {
  checkFunction("noGrad", "f", f);
  const checked = () => {
    const value = f();
    checkTensor("noGrad", "the function's result", value);
    return { value, gradFunc: () => [] };
  };
  // A customGrad with no inputs records nothing and keeps nothing.
  return tidy(() => customGrad(checked)() as T);
}

/**
 * Vector–Jacobian product `(∂f/∂x)ᵀ · cotangent` for each input.
 *
 * @param f - differentiable function of `inputs`, of the cotangent's shape.
 * @param inputs - where to differentiate; borrowed.
 * @param cotangent - `∂L/∂f`; borrowed.
 * @returns one tensor per input, of its shape; the caller owns them.
 * @throws SidError `invalid-argument` for an input that `f` does not depend on, `shape-mismatch`
 *   unless the cotangent has the shape of the result, `missing-backend` where the wasm or tfjs-node backend runs without
 *   this library's kernels (see `useBackend`). A throw leaves no tensors behind.
 *
 * @example
 * ```ts
 * import { vjp } from "sid-lsg";
 * import { square, tensor1d } from "@tensorflow/tfjs-core";
 *
 * const [gradient] = vjp((x) => square(x), [tensor1d([1, 2])], tensor1d([10, 1]));
 * console.log(gradient?.dataSync()); // 2·1·10 = 20, 2·2·1 = 4
 * ```
 */
export function vjp(f: (...inputs: Tensor[]) => Tensor, inputs: readonly Tensor[], cotangent: Tensor): Tensor[] {
  checkFunction("vjp", "f", f);
  checkCotangent("vjp", cotangent);
  return tidy(() => differentiate("vjp", () => f(...inputs), inputs, cotangent).gradients);
}

/** A loss and its gradient, one tensor per variable in the order asked for; the caller owns all. */
export interface ValueAndGradients {
  /** The loss. */
  readonly value: Scalar;
  /** One tensor per variable, of its shape. */
  readonly gradients: Tensor[];
}

/**
 * Value and gradient of a scalar function with respect to `variables`, in their order.
 *
 * @param f - the loss.
 * @param variables - what to differentiate.
 * @returns the loss and one gradient per variable; the caller owns them.
 * @throws SidError `invalid-argument` for a variable that the loss does not reach,
 *   `shape-mismatch` for a loss that is no scalar, `missing-backend` like {@link vjp}. A throw leaves no tensors behind.
 *
 * @example
 * ```ts
 * import { valueAndGradients } from "sid-lsg";
 * import { type Scalar, scalar, square, variable } from "@tensorflow/tfjs-core";
 *
 * const w = variable(scalar(3));
 * const { value, gradients } = valueAndGradients(() => square(w) as Scalar, [w]);
 * console.log(value.dataSync()[0], gradients[0]?.dataSync()[0]); // 9 6
 * ```
 */
export function valueAndGradients(f: () => Scalar, variables: readonly Variable[]): ValueAndGradients {
  checkFunction("valueAndGradients", "f", f);
  checkVariables("valueAndGradients", "variables", variables);
  return tidy(() => differentiate("valueAndGradients", f as () => Tensor, variables)) as ValueAndGradients;
}

/**
 * Backward pass of `f` with a given cotangent, with respect to `variables`: the gradient of
 * `Σ f ⊙ cotangent`, where the cotangent is a constant.
 *
 * @param f - what the variables compute, of the cotangent's shape.
 * @param cotangent - `∂L/∂f`; borrowed.
 * @param variables - what to differentiate.
 * @returns one gradient per variable, of its shape; the caller owns them.
 * @throws SidError like {@link vjp}.
 *
 * @example
 * ```ts
 * import { pullback } from "sid-lsg";
 * import { mul, tensor1d, variable } from "@tensorflow/tfjs-core";
 *
 * const w = variable(tensor1d([1, 2]));
 * const [gradient] = pullback(() => mul(w, 3), tensor1d([1, 10]), [w]);
 * console.log(gradient?.dataSync()); // 3, 30
 * ```
 */
export function pullback(f: () => Tensor, cotangent: Tensor, variables: readonly Variable[]): Tensor[] {
  checkFunction("pullback", "f", f);
  checkCotangent("pullback", cotangent);
  checkVariables("pullback", "variables", variables);
  return tidy(() => differentiate("pullback", f, variables, cotangent).gradients);
}

/**
 * The one tape behind the functions above, to be run in a tidy; without a cotangent, `f` must be a scalar. Errors call
 * the tensors by `names` where these are given.
 */
export function differentiate(
  where: string,
  f: () => Tensor,
  at: readonly Tensor[],
  cotangent?: Tensor,
  names?: readonly string[],
) {
  if (!Array.isArray(at) || at.length === 0)
    throw new SidError("invalid-argument", `${where}: wanted tensors to differentiate, got ${describe(at)}.`);
  for (const [i, x] of at.entries()) checkTensor(where, `tensor ${i}`, x);
  checkBackend(where);
  const wanted = cotangent?.shape ?? [];
  const checked = () => {
    const y = f();
    checkTensor(where, "the function's result", y);
    if (y.shape.join() !== wanted.join())
      throw new SidError("shape-mismatch", `${where}: wanted a result [${wanted.join(", ")}], got ${showShape(y)}.`);
    return y;
  };
  const { value, grads } = runTape(checked, at, cotangent);
  const gradients = at.map((x, i) => grads[i] ?? unreached(where, x, names?.[i] ?? `input ${i}`));
  // The identity hands its operands through; what the caller is to own must be new.
  const borrowed = new Set<Tensor | undefined>([...at, cotangent]);
  const own = (x: Tensor) => (borrowed.has(x) ? clone(x) : x);
  return { value: own(value), gradients: gradients.map(own) };
}

/** What the open tapes differentiate at; nothing where none is open, or one that this library did not open. */
const open = /* @__PURE__ */ sharedState("open tapes", (): { targets?: ReadonlySet<Tensor> | undefined } => ({}));

/** Whether the gradient at a variable may be wanted: a tape that others opened could want any. */
export function isTarget(variable: Variable): boolean {
  return open.targets?.has(variable) ?? true;
}

/** Whether the tape that records now, if one does, may want a gradient at a tensor. */
export function mayNeedGradient(x: Tensor): boolean {
  const { gradientDepth, kernelDepth, activeTape } = engine().state;
  if (gradientDepth === 0 || kernelDepth > 0) return false;
  if (x instanceof Variable) return isTarget(x);
  if (open.targets?.has(x) !== false) return true;
  // From the newest, among which it mostly is: a tape has thousands.
  return (activeTape ?? []).findLastIndex(({ outputs }) => outputs.some(({ id }) => id === x.id)) >= 0;
}

/** Runs `f` as if no tape were open. */
export function besideTape<T>(f: () => T): T {
  const { state } = engine();
  const { gradientDepth, activeTape } = state;
  const outer = open.targets;
  state.gradientDepth = 0;
  open.targets = undefined;
  try {
    return f();
  } finally {
    Object.assign(state, { gradientDepth, activeTape });
    open.targets = outer;
  }
}

/**
 * One tape of tfjs: value and, where `f` reaches them, gradients at `at`. It may be opened in the backward pass
 * of another one, which goes on unharmed: tfjs itself has one tape only, and forgets the outer one.
 */
export function runTape(f: () => Tensor, at: readonly Tensor[], cotangent?: Tensor) {
  const { state } = engine();
  const outer = { tape: state.activeTape, targets: open.targets };
  const foreign = state.gradientDepth > 0 && open.targets === undefined;
  open.targets = foreign ? undefined : new Set([...(open.targets ?? []), ...at]);
  try {
    return engine().gradients(f, [...at], cotangent, true);
  } catch (error) {
    // tfjs frees what a tape kept only after a complete backward pass.
    if (state.gradientDepth === 0)
      for (const { saved } of state.activeTape ?? []) for (const tensor of saved ?? []) tensor.dispose();
    throw error;
  } finally {
    open.targets = outer.targets;
    if (state.gradientDepth === 0) state.activeTape = outer.tape;
  }
}

function checkCotangent(where: string, cotangent: Tensor): void {
  checkTensor(where, "cotangent", cotangent);
  if (cotangent.dtype !== "float32")
    throw new SidError("shape-mismatch", `${where}: cotangent must be float32, got ${cotangent.dtype}.`);
}

function unreached(where: string, x: Tensor, name: string): never {
  const called = x instanceof Variable ? `variable "${x.name}"` : `${name} ${showShape(x)}`;
  throw new SidError("invalid-argument", `${where}: the result does not depend on ${called}.`);
}
