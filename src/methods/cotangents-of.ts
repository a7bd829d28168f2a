import { clone, type Scalar, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { checkArray, checkFunction, checkObject, checkText } from "../core/checks";
import { SidError } from "../core/errors";
import { differentiate } from "../core/tape";
import type { Cotangents } from "./types";

/**
 * The cotangents of a loss that is written down as a differentiable function: for methods without a closed form.
 *
 * @param loss - computes a scalar of the tensors with differentiable operations; the batch is averaged.
 * @param tensors - what `cotangents` is given: the samples `generated` and each answer by its name; borrowed.
 * @param names - what to differentiate at: `generated`, and the answers whose questions let the gradient through. All
 *   others are constants.
 * @returns the loss and one gradient per name; the caller owns them.
 * @throws SidError `invalid-argument` for a name that is not among the tensors or that the loss does not depend on,
 *   `shape-mismatch` for a loss that is no scalar.
 *
 * @example
 * ```ts
 * import { cotangentsOf } from "sid-lsg";
 * import { mean, type Scalar, square, sub, tensor2d } from "@tensorflow/tfjs-core";
 *
 * const tensors = { generated: tensor2d([[1, 3]]), teacher: tensor2d([[0, 1]]) };
 * const { loss, generated } = cotangentsOf(
 *   ({ generated, teacher }) => mean(square(sub(generated, teacher))) as Scalar,
 *   tensors,
 *   ["generated"],
 * );
 * console.log(loss.dataSync()[0], generated?.dataSync()); // (1 + 4)/2 = 2.5, and 1, 2
 * ```
 */
export function cotangentsOf<N extends string>(
  loss: (tensors: Readonly<Record<N, Tensor>>) => Scalar,
  tensors: Readonly<Record<N, Tensor>>,
  names: readonly NoInfer<N>[],
): Cotangents<N> {
  const where = "cotangentsOf";
  checkFunction(where, "loss", loss);
  checkObject(where, "tensors", tensors);
  for (const [i, name] of checkArray(where, "names", names).entries()) {
    checkText(where, `names[${i}]`, name);
    if (!Object.hasOwn(tensors, name))
      throw new SidError(
        "invalid-argument",
        `${where}: there is no "${name}" among the tensors, which are ${Object.keys(tensors).join(", ")}.`,
      );
  }
  return tidy(() => {
    // Clones: one tensor under two names would get the sum of both gradients.
    const at = names.map((name) => clone(tensors[name]));
    const given = { ...tensors, ...Object.fromEntries(names.map((name, i) => [name, at[i]])) };
    const { value, gradients } = differentiate(where, () => loss(given), at, undefined, names);
    return { ...Object.fromEntries(names.map((name, i) => [name, gradients[i]])), loss: value } as Cotangents<N>;
  });
}
