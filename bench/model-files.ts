/**
 * Time and memory of loading a large model: 300 MiB of float32, then of float16, in four shards, written to a temporary
 * folder. Each row is a process of its own, which reads the files tensor by tensor, and with a backend loads them into
 * variables (transposed, and widened to float32). What docs/guide.md says about loading was measured by this script.
 *
 *     npx tsup --no-dts --silent && npx tsx --tsconfig tsconfig.base.json bench/model-files.ts
 *
 * The files come from the system's cache, not from the disk. "peak" is the largest resident size of the process,
 * "before" its size when loading began.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HostTensor } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { openComponent, writeModelFolder } from "sid-lsg/io";
import { loadParameters } from "sid-lsg/models";

const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const shape = [1024, 5120];
const count = { F32: 15, F16: 30 };

/** Loads the folder's tensors and prints one row. */
async function load(folder: string, backend: string): Promise<void> {
  if (backend === "wasm") await useBackend("wasm");
  const before = process.memoryUsage.rss();
  const start = performance.now();
  const { weights } = await openComponent(folder, "unet");
  if (backend === "none") for (const name of weights.entries.keys()) await weights.read(name);
  else {
    const specs = [...weights.entries].map(
      ([name, info]) => ({ name, shape: info.shape, layout: "linear", init: { constant: 0 } }) as const,
    );
    await loadParameters("net", specs, weights);
  }
  const seconds = (performance.now() - start) / 1000;
  await weights.close();
  const peak = process.resourceUsage().maxRSS * 1024;
  console.log(`backend ${backend}: ${seconds.toFixed(2)} s, before ${mebibytes(before)}, peak ${mebibytes(peak)}`);
}

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sid-lsg-files-"));
  try {
    for (const dtype of ["F32", "F16"] as const) {
      const data = new Float32Array(1024 * 5120).fill(1);
      const tensor: HostTensor = { dtype, shape, data };
      const weights = new Map(Array.from({ length: count[dtype] }, (_, i) => [`w${i}`, tensor]));
      await writeModelFolder(folder, { unet: { config: {}, weights } }, { maxShardBytes: 80 * 2 ** 20 });
      console.log(`${count[dtype]} tensors of ${shape.join("×")}, ${dtype}`);
      for (const backend of ["none", "wasm"])
        spawnSync(process.execPath, [...process.execArgv, process.argv[1] as string, folder, backend], {
          stdio: "inherit",
        });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const [, , folder, backend] = process.argv;
if (folder !== undefined && backend !== undefined) await load(folder, backend);
else await measure();
