import {
  type DataType,
  engine,
  getKernelsForBackend,
  KernelBackend,
  registerBackend,
  registerKernel,
  removeBackend,
  setBackend,
  type TensorInfo,
  util,
} from "@tensorflow/tfjs-core";
import { SidError } from "../core/errors";
import { fusedRules, fusedShared, type Outline, rules, shared, storageRules } from "./shape-rules";

/** Bytes of live tensors. */
export interface Usage {
  /** Now. */
  readonly bytes: number;
  /** At most, since the last {@link Usage.restart}. */
  readonly peak: number;
  /** Forgets the peak so far. */
  restart(): void;
}

type Buffer = TensorInfo["dataId"];

/** A backend whose tensors have a shape and no numbers: everything reads as ones, which no check of `distill` refuses. */
class DryBackend extends KernelBackend implements Usage {
  bytes = 0;
  peak = 0;
  private readonly buffers = new Map<Buffer, { readonly bytes: number; refs: number }>();

  allocate({ shape, dtype, half }: Outline): TensorInfo {
    const dataId = {};
    const bytes = util.sizeFromShape(shape as number[]) * (half ? 2 : util.bytesPerElement(dtype));
    this.buffers.set(dataId, { bytes, refs: 1 });
    this.bytes += bytes;
    this.peak = Math.max(this.peak, this.bytes);
    return { dataId, shape: [...shape], dtype };
  }
  restart(): void {
    this.peak = this.bytes;
  }
  override write(_: unknown, shape: number[], dtype: DataType): Buffer {
    return this.allocate({ shape, dtype }).dataId;
  }
  override refCount(id: Buffer): number {
    return this.buffers.get(id)?.refs ?? 0;
  }
  override incRef(id: Buffer): void {
    const buffer = this.buffers.get(id);
    if (buffer) buffer.refs++;
  }
  override disposeData(id: Buffer): boolean {
    const buffer = this.buffers.get(id);
    if (!buffer || --buffer.refs > 0) return false;
    this.buffers.delete(id);
    this.bytes -= buffer.bytes;
    return true;
  }
  override readSync(id: Buffer): Float32Array {
    return new Float32Array((this.buffers.get(id)?.bytes ?? 0) / 4).fill(1);
  }
  override async read(id: Buffer): Promise<Float32Array> {
    return this.readSync(id);
  }
  override numDataIds(): number {
    return this.buffers.size;
  }
  override memory() {
    return { unreliable: false };
  }
  override floatPrecision(): 32 {
    return 32;
  }
  override timerAvailable(): boolean {
    return false;
  }
  override dispose(): void {}
}

/** With this library's own kernels, as the WASM backend has them, and without. */
const names = { true: "sid-dry-fused", false: "sid-dry" } as const;

/**
 * Runs `f` on a backend that computes nothing and counts bytes, then goes back to the backend that was in use.
 * Until the promise settles, all other work with tensors would go there too.
 */
export async function onDryBackend<T>(fused: boolean, f: (usage: Usage) => Promise<T>): Promise<T> {
  const before = engine().backendName;
  if (Object.values<string>(names).includes(before))
    throw new SidError("invalid-argument", "estimateMemory: another estimate is under way: await it first.");
  const name = names[`${fused}`];
  registerKernels(name, fused);
  const backend = new DryBackend();
  registerBackend(name, () => backend, 0);
  await setBackend(name);
  try {
    return await f(backend);
  } finally {
    if (before) await setBackend(before);
    removeBackend(name);
  }
}

/** Once; the registry knows what another copy of this package has registered. */
function registerKernels(backendName: string, fused: boolean): void {
  if (getKernelsForBackend(backendName).length > 0) return;
  for (const [kernelName, rule] of Object.entries({ ...rules, ...storageRules, ...(fused && fusedRules) }))
    registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs = {}, backend }) => {
        const dry = backend as DryBackend;
        const outlines = rule(inputs as Record<string, TensorInfo>, attrs as Record<string, unknown>);
        return Array.isArray(outlines) ? outlines.map((x) => dry.allocate(x)) : dry.allocate(outlines);
      },
    });
  for (const [kernelName, rule] of Object.entries(fused ? { ...shared, ...fusedShared } : shared))
    registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs = {}, backend }) => {
        const dry = backend as DryBackend;
        const [x] = Object.values(inputs) as [TensorInfo];
        const outlines = rule(inputs as Record<string, TensorInfo>, attrs as Record<string, unknown>);
        const share = ({ shape, dtype }: Outline) => {
          if (dtype !== x.dtype) return dry.allocate({ shape, dtype });
          dry.incRef(x.dataId);
          return { dataId: x.dataId, shape: [...shape], dtype };
        };
        if (!Array.isArray(outlines)) return share(outlines);
        return outlines.map((outline, i) => (i === 0 ? share(outline) : dry.allocate(outline)));
      },
    });
}
