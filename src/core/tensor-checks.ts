import "./register-gradients";
import { Tensor, Variable } from "@tensorflow/tfjs-core";
import { showShape, unlike } from "./checks";
import { SidError } from "./errors";

/** Throws unless `value` is a live float32 tensor with a leading batch axis. */
export function checkBatch(where: string, name: string, value: Tensor): void {
  checkTensor(where, name, value);
  if (value.dtype !== "float32" || value.rank < 1 || value.size === 0)
    throw new SidError(
      "shape-mismatch",
      `${where}: ${name} must be a float32 tensor [batch, ...] with at least one element, got ${value.dtype} ${showShape(value)}.`,
    );
}

/** Throws unless `value` is a tensor of real numbers that has not been disposed. */
export function checkTensor(where: string, name: string, value: Tensor): void {
  if (!(value instanceof Tensor)) throw unlike(where, name, "a tensor", value);
  if (value.isDisposed)
    throw new SidError("invalid-argument", `${where}: ${name} ${showShape(value)} was disposed before.`);
  if (value.dtype === "string" || value.dtype === "complex64")
    throw new SidError(
      "invalid-argument",
      `${where}: ${name} must hold real numbers, got ${value.dtype} ${showShape(value)}.`,
    );
}

/** Throws unless `value` is an array of variables. */
export function checkVariables(where: string, name: string, value: readonly Variable[]): void {
  if (!Array.isArray(value) || ![...value].every((v: unknown) => v instanceof Variable))
    throw unlike(where, name, "an array of variables", value);
}

/** Throws unless all tensors are float32 batches of exactly one shape: operands never broadcast. */
export function checkSameShape(where: string, tensors: Readonly<Record<string, Tensor>>): void {
  const entries = Object.entries(tensors);
  for (const [name, tensor] of entries) checkBatch(where, name, tensor);
  if (new Set(entries.map(([, tensor]) => tensor.shape.join())).size > 1)
    throw new SidError(
      "shape-mismatch",
      `${where}: operands never broadcast, got ${entries.map(([name, t]) => `${name} ${showShape(t)}`).join(", ")}.`,
    );
}
