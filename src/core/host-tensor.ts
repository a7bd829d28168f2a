/** Element types that this library reads and writes, by their names in safetensors files; BOOL is a byte of 0 or 1. */
export type HostDtype =
  | ("F32" | "F16" | "BF16" | "F64" | "I64" | "I32" | "I16" | "I8")
  | ("U64" | "U32" | "U16" | "U8" | "BOOL");

/** Element types that safetensors files may have and this library does not read: a tensor of one is refused when it is asked for. */
export type OtherDtype =
  | "C64"
  | ("F4" | "F6_E2M3" | "F6_E3M2" | "F8_E4M3" | "F8_E5M2" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ");

/** What is known of a tensor before its elements are read. */
export interface WeightInfo {
  /** The type on disk. */
  readonly dtype: HostDtype | OtherDtype;
  /** In PyTorch's layout. */
  readonly shape: readonly number[];
}

/**
 * A tensor in host memory, as a safetensors file holds it. `dtype` is the type on disk;
 * F16 and BF16 are widened to float32 in `data`.
 */
export interface HostTensor extends WeightInfo {
  /** The type on disk. */
  readonly dtype: HostDtype;
  /** Elements in row-major order, in the array of their type; float32 for F32, F16 and BF16. */
  readonly data:
    | (Float32Array | Float64Array)
    | (BigInt64Array | Int32Array | Int16Array | Int8Array)
    | (BigUint64Array | Uint32Array | Uint16Array | Uint8Array);
}

/** Named tensors in PyTorch's names and layouts: NCHW, OIHW, `[out, in]`. */
export type WeightMap = ReadonlyMap<string, HostTensor>;

/**
 * Weights that lie elsewhere, on a disk or behind a URL: what they are is known, and each is read
 * when it is asked for, so that a large model is never in host memory whole.
 */
export interface WeightSource {
  /** What there is, by name, in the order in which reading is quickest. */
  readonly entries: ReadonlyMap<string, WeightInfo>;
  /** Reads one tensor, which is then the caller's. Throws SidError where that fails or there is no such name. */
  read(name: string): Promise<HostTensor>;
  /** Frees what the source holds open; after it nothing can be read. */
  close(): Promise<void>;
}
