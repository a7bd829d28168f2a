/** Element types of safetensors files that this library reads and writes. */
export type HostDtype = "F32" | "F16" | "BF16" | "I64" | "I32" | "U8";

/**
 * A tensor in host memory, as a safetensors file holds it. `dtype` is the type on disk;
 * F16 and BF16 are widened to float32 in `data`.
 */
export interface HostTensor {
  /** The type on disk. */
  readonly dtype: HostDtype;
  /** In PyTorch's layout. */
  readonly shape: readonly number[];
  /** Elements in row-major order; float32 for F32, F16 and BF16. */
  readonly data: Float32Array | Int32Array | BigInt64Array | Uint8Array;
}

/** Named tensors in PyTorch's names and layouts: NCHW, OIHW, `[out, in]`. */
export type WeightMap = ReadonlyMap<string, HostTensor>;
