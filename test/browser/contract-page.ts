/** What the contract's test runs in a page: one case at a time on one backend, as the test asks for. */

import { backend, fill, square } from "@tensorflow/tfjs-core";
import { type BackendName, useBackend } from "sid-lsg/backends";
import { urlFolder } from "sid-lsg/io";
import { readCase } from "../../scripts/replay/case";
import { replay } from "../../scripts/replay/replay";
import { checkCase, contract, replayed } from "../contracts/backends/run-contract";

const here = new URL(".", location.href).href;

Object.assign(globalThis, {
  cases: contract.map(({ group, name }) => ({ group, name })),
  async start(backend: BackendName): Promise<void> {
    await useBackend("cpu");
    await useBackend(backend, { wasmPath: here });
  },
  check: (index: number, backend: BackendName) => checkCase(contract[index] as (typeof contract)[number], backend),
  /** What a read says once the browser has taken the GPU away from WebGL. */
  async lose(): Promise<{ before: number; code: unknown; message: unknown }> {
    await useBackend("webgl");
    const onGpu = () => square(fill([40, 40], 3));
    const kept = onGpu();
    const before = (await onGpu().data())[0] as number;
    const { gl } = (backend() as unknown as { gpgpu: { gl: WebGL2RenderingContext } }).gpgpu;
    gl.getExtension("WEBGL_lose_context")?.loseContext();
    const { code, message } = await kept.data().then(
      () => ({ code: "no error", message: "" }),
      (error: { code: unknown; message: unknown }) => error,
    );
    return { before, code, message };
  },
  async replay(backend: BackendName) {
    await useBackend(backend);
    return replayed(await replay(await readCase(urlFolder(here))));
  },
});
