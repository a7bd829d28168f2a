import { clone, customGrad, type Tensor, tidy, type Variable, zerosLike } from "@tensorflow/tfjs-core";
import { checkArray, checkFunction } from "./checks";
import { isTarget, runTape } from "./tape";
import { checkTensor, checkVariables } from "./tensor-checks";

/**
 * Runs a part of a network off the tape and, in the backward pass, once more on a tape of its own: between the
 * two, only the part's inputs are kept, none of its activations. One more forward pass is the price.
 *
 * The gradients are those of `f` itself. Only what is listed gets one: `f` must compute the same from the same
 * inputs, and a tensor that it captures is a constant.
 *
 * Source: Chen et al., arXiv:1604.06174.
 *
 * @param f - the part, a function of float32 tensors; called with `inputs`, and again with copies of them.
 * @param inputs - what it depends on; borrowed.
 * @param variables - the weights in it that may train.
 * @returns what `f` returned; the caller owns it.
 * @throws SidError `invalid-argument` for an input that is no tensor, a weight that is no variable, or a result
 *   that is no tensor.
 *
 * @example
 * ```ts
 * import { gradientCheckpoint, valueAndGradients } from "sid-lsg";
 * import { exp, mul, type Scalar, scalar, type Tensor, variable } from "@tensorflow/tfjs-core";
 *
 * const w = variable(scalar(2), true, "gradientCheckpoint-example/w");
 * const block = (x: Tensor) => exp(mul(x, w));
 * const { gradients } = valueAndGradients(() => gradientCheckpoint(block, [scalar(0.5)], [w]) as Scalar, [w]);
 * console.log(gradients[0]?.dataSync()[0]?.toFixed(3)); // "1.359": 0.5·e
 * ```
 */
export function gradientCheckpoint(
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  variables: readonly Variable[] = [],
): Tensor {
  const where = "gradientCheckpoint";
  checkFunction(where, "f", f);
  for (const [i, x] of checkArray(where, "inputs", inputs).entries()) checkTensor(where, `input ${i}`, x);
  checkVariables(where, "variables", variables);
  // The tape prunes weights of frozen networks, but not inside of one operation.
  const weights = [...new Set(variables.filter(isTarget))];
  const recomputed = (...args: unknown[]) => {
    const save = args.pop() as (tensors: Tensor[]) => void;
    const result = f(...inputs);
    checkTensor(where, "the function's result", result);
    save([...inputs]);
    return {
      value: inputs.includes(result) ? clone(result) : result,
      gradFunc: (dy: Tensor, saved: Tensor[]) =>
        tidy(() => {
          const at = [...saved, ...weights];
          const { grads } = runTape(() => f(...saved), at, dy);
          // The tape frees every gradient that it is given: the identity must not hand it its own.
          return at.map((x, i) => (grads[i] === dy ? clone(dy) : (grads[i] ?? zerosLike(x))));
        }),
    };
  };
  return customGrad(recomputed)(...inputs, ...weights);
}
