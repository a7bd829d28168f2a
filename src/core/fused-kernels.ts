import {
  engine,
  getBackend,
  getKernel,
  type NamedAttrMap,
  type NamedTensorMap,
  type Tensor,
} from "@tensorflow/tfjs-core";

/**
 * Kernels of this library's own that a backend may offer beside tfjs's: one call instead of many.
 *
 * Each takes its inputs as `{ 0: …, 1: … }` and gives its result, then what its backward pass needs. That is the
 * kernel `${name}Gradient`: `∂L/∂result`, the inputs and those extras to one gradient per input. With the attribute
 * `firstOnly` those of all inputs but the first may be left unwritten: nobody looks at them.
 *
 * | kernel | inputs | attributes | result |
 * |---|---|---|---|
 * | `SidGroupNorm` | x `[B, ..., C]`, scale `[C]`, shift `[C]` | `groups`, `eps`, `silu` | x normed by groups of channels, then u·σ(u) if `silu` |
 * | `SidLayerNorm` | x `[..., C]`, scale `[C]`, shift `[C]` | `eps` | x normed by rows |
 * | `SidSigmoidGate` | x | `k` | x·σ(k·x) |
 * | `SidAttention` | q `[B, N, W]`, k and v `[B, M, W]` | `heads` | softmax(Q·Kᵀ/√d)·V, heads side by side |
 * | `SidGeluGate` | h, g of one shape | | h·g·Φ(g) |
 * | `SidGeglu` | h beside g, `[..., 2·C]` | | the same, `[..., C]` |
 */
export type FusedKernel = "SidAttention" | "SidGroupNorm" | "SidLayerNorm" | "SidSigmoidGate" | "SidGeluGate";

/** Of these, what only a GPU gains by, where each call is a program to start. */
export type GpuFusedKernel = "SidGeglu";

/** Attributes of {@link FusedKernel}. */
export type FusedAttributes = Readonly<Record<string, number | boolean>>;

/**
 * Kernels without a gradient: those of a training step, samples that are left out, gradients of a layer's weight and bias.
 *
 * | kernel | inputs | attributes | results |
 * |---|---|---|---|
 * | `SidPack` | any number of tensors | | their elements, as one `[n]` |
 * | `SidUnpack` | x `[n]`, then tensors of n elements together | | x's elements in the shapes of those |
 * | `SidClean` | g `[n]` | `limit` | g with 0 for NaN and ±limit for ±∞; `[Σ of its squares, how many elements that changed]` |
 * | `SidAdam` | p, v, g, all `[n]` | `beta2`, `rate`, `epsilon` | p − rate·g/(√v' + epsilon); v' = beta2·v + (1 − beta2)·g² |
 * | `SidFiniteSamples` | any number of `[B, ...]` | | `[B]`, 1 where a sample's elements are finite in all of them, otherwise 0 |
 * | `SidOnlyValid` | x `[B, ...]`, valid `[B]` | | x, with zeros for the samples whose `valid` is not above 0 |
 * | `SidLinearGradient` | x `[rows, in]`, dy `[rows, out]` | | xᵀ·dy and Σ dy over the rows: the gradients of a weight and a bias |
 * | `SidConvGradient` | x and dy of a convolution | its own, `filterShape` | the gradients of filter and bias |
 */
export type StepKernel = "SidPack" | "SidUnpack" | "SidClean" | "SidAdam";

/** Of these, what only a GPU gains by. */
type GpuStepKernel = "SidFiniteSamples" | "SidOnlyValid" | "SidLinearGradient" | "SidConvGradient";

/**
 * The kernel that stores a tensor at two bytes a number: x to a tensor that reads as x rounded to float16, ties to even, and
 * is float32 to whoever computes with it.
 */
export type StorageKernel = "SidHalf";

type AnyFused = FusedKernel | GpuFusedKernel;
type Any = AnyFused | `${AnyFused}Gradient` | StepKernel | GpuStepKernel | StorageKernel;

/** Whether a backend runs with this library's kernels, as `useBackend` starts it. */
export function hasOwnKernels(backend: string): boolean {
  return getKernel("SidAttention", backend) !== undefined;
}

/** Whether the current backend has a kernel. */
export function hasKernel(name: Any): boolean {
  return getKernel(name, getBackend()) !== undefined;
}

/** Whether each call is a program that a GPU has to start: few large ones are better there than many small ones. */
export function callsArePrograms(): boolean {
  return hasKernel("SidGeglu");
}

/** The results of a kernel, where the current backend has it and all inputs are float32; otherwise nothing. */
export function runIfThere(name: Any, inputs: readonly Tensor[], attributes: NamedAttrMap = {}): Tensor[] | undefined {
  if (!hasKernel(name) || inputs.some(({ dtype }) => dtype !== "float32")) return undefined;
  return engine().runKernel(name, { ...inputs } as unknown as NamedTensorMap, attributes) as unknown as Tensor[];
}
