import { type Capabilities, dispatch, type Program, setCapabilities } from "./program";
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
    const error = await errorOf(backend, () => {
      dispatch(backend, probe, null, { reads: {}, writes: { out }, groups: 1 });
      backend.endComputePassEncoder();
      backend.submitQueue();
    });
    if (error) return `does not compile them (${error.message.split("\n")[0]})`;
    const lanes = (await backend.read(out.dataId)) as Int32Array;
    return lanes.every((one) => one === 1) ? undefined : "computes other numbers with them";
  } finally {
    backend.disposeData(out.dataId);
  }
}

/** What the GPU objects to in these commands: a driver's own failure is an "internal" error. */
async function errorOf({ device }: WebgpuBackend, commands: () => void) {
  const filters = ["validation", "internal"] as const;
  for (const filter of filters) device.pushErrorScope(filter);
  let errors: Promise<{ readonly message: string } | null>[];
  try {
    commands();
  } finally {
    errors = filters.map(() => device.popErrorScope());
  }
  return (await Promise.all(errors)).find((error) => error !== null);
}
