import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import { sharedState } from "../../core/shared-state";
import { checkAlive, mustSucceed } from "./guard";
import { submitAfter, submitRecorded, workOfOne } from "./submit";
import type { Buffer, Pipeline, WebgpuBackend } from "./types";

/** What kernels may use beyond what every GPU has. */
export interface Capabilities {
  /** Sums within a subgroup, whose lanes follow one another. */
  readonly subgroups: boolean;
}

/** Type of the elements of a buffer. */
export type Element = "f32" | "i32" | "u32" | "vec2<f32>" | "vec4<f32>" | "vec4<u32>";

/** A compute shader but for its declarations: `body` has the entry point `main`, and sees each buffer and `params` by name. */
export interface Shader {
  /** Buffers to read, by name. */
  readonly reads: Readonly<Record<string, Element>>;
  /** Buffers to write, or to read and write. */
  readonly writes: Readonly<Record<string, Element>>;
  /** Fields of `params`. */
  readonly params?: Readonly<Record<string, "u32" | "f32">>;
  readonly body: string;
}

/** A family of shaders. Variants are plain data, and one pipeline is made of each: sizes of tensors belong into params. */
export interface Program<V> {
  readonly name: string;
  readonly shader: (variant: V, capabilities: Capabilities) => Shader;
}

/** A dispatch: tensors and params by the names that the shader gives them. */
export interface Dispatch {
  readonly reads: Readonly<Record<string, TensorInfo>>;
  readonly writes: Readonly<Record<string, TensorInfo>>;
  readonly params?: Readonly<Record<string, number>>;
  /** Workgroups; a bare number is laid out in two dimensions where it must be: `groupIndex` gives it back. */
  readonly groups: number | readonly [x: number, y?: number, z?: number];
  /** Multiplications, where they are many: for {@link workOfOne}. */
  readonly work?: number;
}

/** What is kept of a backend. */
interface State {
  readonly capabilities: Capabilities;
  readonly pipelines: Map<string, Compiled>;
  readonly params: Map<string, Buffer>;
}

interface Compiled {
  readonly pipeline: Pipeline;
  readonly layout: object;
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly params: readonly (readonly [name: string, type: string])[];
}

const states = /* @__PURE__ */ sharedState("webgpu programs", () => new WeakMap<object, State>());

/** Says what a backend's kernels may use; without it they use what every GPU has. */
export function setCapabilities(backend: WebgpuBackend, capabilities: Capabilities): void {
  states.set(backend, { capabilities, pipelines: new Map(), params: new Map() });
}

function stateOf(backend: WebgpuBackend): State {
  const known = states.get(backend);
  if (known) return known;
  setCapabilities(backend, { subgroups: false });
  return stateOf(backend);
}

/** What a backend's kernels may use. */
export function capabilitiesOf(backend: WebgpuBackend): Capabilities {
  return stateOf(backend).capabilities;
}

/** Records a dispatch among tfjs's own, in whose order it runs. All tensors written must be new, or of the one element. */
export function dispatch<V>(backend: WebgpuBackend, program: Program<V>, variant: V, call: Dispatch): void {
  checkAlive(backend);
  if (call.groups === 0) return;
  const state = stateOf(backend);
  const compiled = compiledOf(backend, state, program, variant);
  const tensors = [
    ...compiled.reads.map((name) => call.reads[name] as TensorInfo),
    ...compiled.writes.map((name) => call.writes[name] as TensorInfo),
  ];
  const buffers = tensors.map((tensor) => bufferOf(backend, tensor));
  if (compiled.params.length > 0) buffers.push(paramsBuffer(backend, state, compiled.params, call.params ?? {}));
  const bindGroup = backend.device.createBindGroup({
    layout: compiled.layout,
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  record(backend, { name: program.name, work: call.work }, (pass) => {
    pass.setPipeline(compiled.pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(...layOut(backend, call.groups));
  });
}

/** Records `commands` in the compute pass that is open, or in a new one. */
function record(
  backend: WebgpuBackend,
  { name, work = 0 }: { readonly name: string; readonly work?: number | undefined },
  commands: (pass: NonNullable<WebgpuBackend["computePassEncoder"]>) => void,
): void {
  backend.ensureCommandEncoderReady();
  const timed = backend.activeTimers != null && backend.supportTimestampQuery;
  if (timed) {
    backend.endComputePassEncoder();
    backend.querySet ??= backend.device.createQuerySet({ type: "timestamp", count: backend.querySetCount });
  }
  backend.computePassEncoder ??= backend.commandEncoder?.beginComputePass(
    timed
      ? { timestampWrites: { querySet: backend.querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 } }
      : {},
  ) as NonNullable<WebgpuBackend["computePassEncoder"]>;
  commands(backend.computePassEncoder);
  backend.dispatchCountInPass += Math.max(1, Math.round(work / workOfOne));
  if (backend.activeTimers != null) {
    backend.endComputePassEncoder();
    backend.activeTimers.push({ name, query: backend.getQueryTime() });
  } else if (backend.dispatchCountInPass >= submitAfter) submitRecorded(backend);
}

/** Copies bytes from one tensor's buffer into another's, in the order of the dispatches. It is no program. */
export function copyBytes(
  backend: WebgpuBackend,
  from: { readonly tensor: TensorInfo; readonly offset?: number },
  to: { readonly tensor: TensorInfo; readonly offset?: number },
  bytes: number,
): void {
  checkAlive(backend);
  const [source, target] = [bufferOf(backend, from.tensor), bufferOf(backend, to.tensor)];
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.commandEncoder?.copyBufferToBuffer(source, from.offset ?? 0, target, to.offset ?? 0, bytes);
}

/** Writes zeros into a tensor, in the order of the dispatches. It is no program. */
export function clear(backend: WebgpuBackend, tensor: TensorInfo): void {
  checkAlive(backend);
  const buffer = bufferOf(backend, tensor);
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.commandEncoder?.clearBuffer(buffer);
}

/** A tensor's buffer; made, and filled with what the host knows of it, where there is none. */
function bufferOf(backend: WebgpuBackend, { dataId }: TensorInfo): Buffer {
  backend.uploadToGPU(dataId);
  return backend.tensorMap.get(dataId).resource as Buffer;
}

function compiledOf<V>(backend: WebgpuBackend, state: State, { name, shader }: Program<V>, variant: V): Compiled {
  const key = `${name} ${JSON.stringify(variant)}`;
  const known = state.pipelines.get(key);
  if (known) return known;
  const made = shader(variant, state.capabilities);
  const compiled = mustSucceed(backend, `the GPU's driver does not compile the program ${key}`, () =>
    compile(backend, key, made, state.capabilities),
  );
  state.pipelines.set(key, compiled);
  return compiled;
}

/** Compiles a shader. Whether the GPU took it is known later. */
export function compile(
  { device }: WebgpuBackend,
  label: string,
  shader: Shader,
  capabilities: Capabilities,
): Compiled {
  const { reads, writes, params = {} } = shader;
  const module = device.createShaderModule({ code: withDeclarations(shader, capabilities), label });
  const pipeline = device.createComputePipeline({ compute: { module, entryPoint: "main" }, layout: "auto", label });
  return {
    ...{ pipeline, layout: pipeline.getBindGroupLayout(0) },
    ...{ reads: Object.keys(reads), writes: Object.keys(writes), params: Object.entries(params) },
  };
}

/** The whole shader. */
function withDeclarations({ reads, writes, params = {}, body }: Shader, { subgroups }: Capabilities): string {
  const lines = [...(subgroups && /\bsubgroup[A-Z_]/.test(body) ? ["enable subgroups;"] : [])];
  let binding = 0;
  for (const [name, element] of Object.entries(reads))
    lines.push(`@group(0) @binding(${binding++}) var<storage, read> ${name}: array<${element}>;`);
  for (const [name, element] of Object.entries(writes))
    lines.push(`@group(0) @binding(${binding++}) var<storage, read_write> ${name}: array<${element}>;`);
  const fields = Object.entries(params);
  if (fields.length > 0)
    lines.push(
      `struct Params { ${fields.map(([name, type]) => `${name}: ${type}`).join(", ")} }`,
      `@group(0) @binding(${binding}) var<uniform> params: Params;`,
    );
  lines.push(
    "fn groupIndex(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.x + group.y * groups.x; }",
    body,
  );
  return lines.join("\n");
}

/** Buffers of params that are kept; a change of all of them between two iterations costs no more than making them. */
const mostParams = 4096;
const uniform = 0x40;

/** The buffer that holds these params. Equal params share one, so that a second iteration writes none. */
function paramsBuffer(
  backend: WebgpuBackend,
  { params: known }: State,
  fields: Compiled["params"],
  values: Readonly<Record<string, number>>,
): Buffer {
  const key = fields.map(([name, type]) => `${type[0]}${values[name]}`).join();
  const found = known.get(key);
  if (found) return found;
  if (known.size >= mostParams) {
    submitRecorded(backend);
    for (const buffer of known.values()) buffer.destroy();
    known.clear();
  }
  const size = 16 * Math.ceil(fields.length / 4);
  const buffer = backend.device.createBuffer({ size, usage: uniform, mappedAtCreation: true });
  const view = new DataView(buffer.getMappedRange());
  fields.forEach(([name, type], i) => {
    const value = values[name] as number;
    if (type === "f32") view.setFloat32(4 * i, value, true);
    else view.setUint32(4 * i, value, true);
  });
  buffer.unmap();
  known.set(key, buffer);
  return buffer;
}

function layOut(backend: WebgpuBackend, groups: Dispatch["groups"]): [number, number, number] {
  if (typeof groups !== "number") return [groups[0], groups[1] ?? 1, groups[2] ?? 1];
  const rows = Math.ceil(groups / backend.device.limits.maxComputeWorkgroupsPerDimension);
  return [Math.ceil(groups / rows), rows, 1];
}

/** Elements of a tensor. */
export function sizeOf({ shape }: TensorInfo): number {
  return util.sizeFromShape(shape);
}
