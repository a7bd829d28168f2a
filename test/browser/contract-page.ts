/** What the contract's test runs in a page: one case at a time on one backend, as the test asks for. */

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
  async replay(backend: BackendName) {
    await useBackend(backend);
    return replayed(await replay(await readCase(urlFolder(here))));
  },
});
