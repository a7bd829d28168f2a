import { engine, getBackend, getKernel, type NamedTensorMap, type Tensor } from "@tensorflow/tfjs-core";

/**
 * Kernels of this library's own that a backend may offer beside tfjs's: one call instead of many.
 *
 * Each takes its inputs as `{ 0: …, 1: … }` and gives its result, then what its backward pass needs. That is the
 * kernel `${name}Gradient`: `∂L/∂result`, the inputs and those extras to one gradient per input.
 *
 * | kernel | inputs | attributes | result |
 * |---|---|---|---|
 * | `SidGroupNorm` | x `[B, ..., C]`, scale `[C]`, shift `[C]` | `groups`, `eps`, `silu` | x normed by groups of channels, then u·σ(u) if `silu` |
 * | `SidLayerNorm` | x `[..., C]`, scale `[C]`, shift `[C]` | `eps` | x normed by rows |
 * | `SidSigmoidGate` | x | `k` | x·σ(k·x) |
 * | `SidAttention` | q `[B, N, W]`, k and v `[B, M, W]` | `heads` | softmax(Q·Kᵀ/√d)·V, heads side by side |
 * | `SidGeluGate` | h, g of one shape | | h·g·Φ(g) |
 */
export type FusedKernel = "SidAttention" | "SidGroupNorm" | "SidLayerNorm" | "SidSigmoidGate" | "SidGeluGate";

/** Attributes of {@link FusedKernel}. */
export type FusedAttributes = Readonly<Record<string, number | boolean>>;

/**
 * Kernels of a training step, without a gradient.
 *
 * | kernel | inputs | attributes | results |
 * |---|---|---|---|
 * | `SidPack` | any number of tensors | | their elements, as one `[n]` |
 * | `SidUnpack` | x `[n]`, then tensors of n elements together | | x's elements in the shapes of those |
 * | `SidClean` | g `[n]` | `limit` | g with 0 for NaN and ±limit for ±∞; `[Σ of its squares, how many elements that changed]` |
 * | `SidAdam` | p, v, g, all `[n]` | `beta2`, `rate`, `epsilon` | p − rate·g/(√v' + epsilon); v' = beta2·v + (1 − beta2)·g² |
 */
export type StepKernel = "SidPack" | "SidUnpack" | "SidClean" | "SidAdam";

/**
 * The kernel that stores a tensor at two bytes a number: x to a tensor that reads as x rounded to float16, ties to even, and
 * is float32 to whoever computes with it.
 */
export type StorageKernel = "SidHalf";

/** The results of a kernel, where the current backend has it and all inputs are float32; otherwise nothing. */
export function runIfThere(
  name: FusedKernel | `${FusedKernel}Gradient` | StepKernel | StorageKernel,
  inputs: readonly Tensor[],
  attributes: FusedAttributes = {},
): Tensor[] | undefined {
  if (!getKernel(name, getBackend()) || inputs.some(({ dtype }) => dtype !== "float32")) return undefined;
  return engine().runKernel(name, { ...inputs } as unknown as NamedTensorMap, attributes) as unknown as Tensor[];
}
