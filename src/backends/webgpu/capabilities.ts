import { errorsOf } from "./guard";
import { type Capabilities, compile, dispatch, type Program, setCapabilities } from "./program";
import type { WebgpuBackend } from "./types";

/** Whether lanes of a subgroup follow one another in order, and are all there. */
const probe: Program<null> = {
  name: "subgroup probe",
  shader: () => ({
    reads: {},
    writes: { out: "u32" },
    body: `
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(subgroup_size) size: u32, @builtin(subgroup_invocation_id) id: u32) {
  let least = subgroupMin(lane);
  let sum = subgroupAdd(1u);
  out[lane] = select(0u, 1u, id == lane % size && least == lane - id && sum == size);
}`,
  }),
};

/**
 * What kernels may use on this GPU: what it says that it has *and* computes rightly. A path that it does not compile, or
 * computes otherwise, is left, with one line.
 */
export async function findCapabilities(backend: WebgpuBackend, log: (line: string) => void): Promise<void> {
  const plain: Capabilities = { subgroups: false };
  const { device } = backend;
  if (!device.features.has("subgroups")) return setCapabilities(backend, plain);
  const failure = await tryProbe(backend);
  if (failure === undefined) return;
  log(`sid-lsg: the GPU says it has subgroups, but ${failure}; kernels do without.`);
  setCapabilities(backend, plain);
}

/** What is wrong, in words. */
async function tryProbe(backend: WebgpuBackend): Promise<string | undefined> {
  const { name, shader } = probe;
  const capabilities = { subgroups: true };
  // By itself, since a program that is dispatched must compile.
  const error = await errorsOf(backend.device, () => compile(backend, name, shader(null, capabilities), capabilities))
    .first;
  if (error) return `does not compile them (${error.message.split("\n")[0]})`;
  setCapabilities(backend, capabilities);
  const out = backend.makeTensorInfo([64], "int32");
  try {
    dispatch(backend, probe, null, { reads: {}, writes: { out }, groups: 1 });
    const lanes = (await backend.read(out.dataId)) as Int32Array;
    return lanes.every((one) => one === 1) ? undefined : "computes other numbers with them";
  } finally {
    backend.disposeData(out.dataId);
  }
}
