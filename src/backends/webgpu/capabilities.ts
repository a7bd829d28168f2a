import { type Capabilities, dispatch, type Program, setCapabilities } from "./program";
import type { WebgpuBackend } from "./types";

/** Each lane's number, and the least and the sum of those of its subgroup. */
const probe: Program<null> = {
  name: "subgroup probe",
  shader: () => ({
    reads: {},
    writes: { out: "u32" },
    body: `
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(subgroup_size) size: u32) {
  let least = subgroupMin(lane);
  let sum = subgroupAdd(1u);
  out[lane] = select(0u, 1u, least == lane - lane % size && sum == size);
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
  setCapabilities(backend, { subgroups: true });
  const failure = await tryProbe(backend);
  if (failure === undefined) return;
  log(`sid-lsg: the GPU says it has subgroups, but ${failure}; kernels do without.`);
  setCapabilities(backend, plain);
}

/** What is wrong, in words. */
async function tryProbe(backend: WebgpuBackend): Promise<string | undefined> {
  const out = backend.makeTensorInfo([64], "int32");
  try {
    backend.device.pushErrorScope("validation");
    dispatch(backend, probe, null, { reads: {}, writes: { out }, groups: 1 });
    backend.endComputePassEncoder();
    backend.submitQueue();
    const error = await backend.device.popErrorScope();
    if (error) return `does not compile them (${error.message.split("\n")[0]})`;
    const lanes = (await backend.read(out.dataId)) as Int32Array;
    return lanes.every((one) => one === 1) ? undefined : "computes other numbers with them";
  } finally {
    backend.disposeData(out.dataId);
  }
}
