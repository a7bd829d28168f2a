import { type Tensor, tensor, tidy, type Variable, variable } from "@tensorflow/tfjs-core";

/** A variable that does not leak its initial value. */
export function weight(name: string, values: readonly number[], shape: readonly number[] = [values.length]): Variable {
  return tidy(() => variable(tensor([...values], [...shape], "float32") as Tensor, true, name));
}
