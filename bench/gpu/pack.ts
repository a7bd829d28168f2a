import { chmodSync, copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Puts the benchmark into a folder that needs nothing but a GPU's driver: bundles, Dawn, this Node, PyTorch's peer. */
export async function pack(folder: string): Promise<void> {
  const { build } = await import("esbuild");
  const here = dirname(fileURLToPath(import.meta.url));
  const [root, out] = [resolve(here, "../.."), resolve(folder)];
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, "gpu"), { recursive: true });
  await build({
    entryPoints: ["run", "worker", "kernels"].map((name) => join(here, `${name}.ts`)),
    ...{ outdir: join(out, "gpu"), outExtension: { ".js": ".mjs" }, bundle: true, format: "esm", platform: "node" },
    external: ["webgpu", "esbuild", "@tensorflow/tfjs-node", "@tensorflow/tfjs-node-gpu"],
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    logLevel: "error",
  });
  const dawn = join("node_modules", "webgpu");
  const platform = `${process.platform}-${process.platform === "darwin" ? "universal" : process.arch}`;
  for (const part of ["index.js", "package.json", "LICENSE.md", join("dist", platform)])
    cpSync(join(root, dawn, part), join(out, dawn, part), { recursive: true });
  mkdirSync(join(out, "gpu/peers"));
  copyFileSync(join(root, "bench/peers/torch_iteration.py"), join(out, "gpu/peers/torch_iteration.py"));
  copyFileSync(join(root, "bench/networks.json"), join(out, "gpu/networks.json"));
  copyFileSync(process.execPath, join(out, "node"));
  writeFileSync(join(out, "run.sh"), '#!/bin/sh\ncd "$(dirname "$0")" && exec ./node gpu/run.mjs "$@"\n');
  chmodSync(join(out, "run.sh"), 0o755);
  console.log(`${out}: sh run.sh there`);
}
