import { resolve } from "node:path";
import { build } from "esbuild";
import { defineConfig } from "vitest/config";
import { registerGradientsPlugin } from "./scripts/register-gradients-plugin.ts";

const gradients = resolve("node_modules/.cache/sid-lsg/register-gradients.mjs");
await build({
  entryPoints: ["@tensorflow/tfjs-core/dist/register_all_gradients"],
  outfile: gradients,
  bundle: true,
  format: "esm",
  external: ["@tensorflow/tfjs-core"],
  plugins: [registerGradientsPlugin()],
  logLevel: "error",
});

const alias = [
  { find: "@tensorflow/tfjs-core/dist/register_all_gradients", replacement: gradients },
  { find: /^sid-lsg$/, replacement: resolve("src/index.ts") },
  { find: /^sid-lsg\/(.*)$/, replacement: resolve("src/$1/index.ts") },
];

/** Tests of published weights, `*.weights.test.ts`, which `.ci/efficientnet-lite0` fetches and `npm run test:weights` names. */
const withoutWeights = process.env["SID_EFFICIENTNET_LITE0"] ? [] : ["test/**/*.weights.test.ts"];

/**
 * Every test that touches tensors runs once per backend; `*.node.test.ts` runs once, those of `test/backends/wasm` on wasm only. With
 * SID_TFJS_NODE=1 they run on tfjs-node as well, which `.ci/tfjs-node` installs, and `test/backends/node` there only; with SID_WEBGPU=1
 * `test/backends/webgpu` runs.
 */
const onBackend = (backend: string, name = backend) => ({
  resolve: { alias },
  test: {
    name,
    include: ["test/**/*.test.ts"],
    exclude: [
      "test/**/*.node.test.ts",
      "test/package/**",
      ...withoutWeights,
      ...["wasm", "node", "webgpu"].filter((other) => other !== backend).map((other) => `test/backends/${other}/**`),
    ],
    env: { SID_TEST_BACKEND: backend },
    setupFiles: ["test/support/relaxed-simd.ts", "test/support/seeds.ts", "test/support/setup.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});

/** Tests that start the scripts of examples/ in processes of their own, `*.process.node.test.ts`: `npm run test:scripts`. */
const scripts = "test/**/*.process.node.test.ts";

/** In Node, once. */
const inNode = (name: string, include: string, exclude: readonly string[] = []) => ({
  resolve: { alias },
  test: {
    name,
    include: [include],
    exclude: [...exclude],
    setupFiles: ["test/support/relaxed-simd.ts", "test/support/seeds.ts"],
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});

/** Our kernels on a GPU, or on a processor that plays one; reads wait for it, so that other tests cannot run there. */
const onWebgpu = onBackend("webgpu");
const webgpuKernels = { ...onWebgpu, test: { ...onWebgpu.test, include: ["test/backends/webgpu/**/*.test.ts"] } };

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    projects: [
      onBackend("cpu"),
      onBackend("wasm"),
      ...(process.env["SID_WEBGPU"] ? [webgpuKernels] : []),
      ...(process.env["SID_TFJS_NODE"] ? [onBackend("node", "tensorflow")] : []),
      inNode("node", "test/**/*.node.test.ts", [scripts]),
      ...(process.env["SID_SCRIPTS"] ? [inNode("scripts", scripts)] : []),
    ],
  },
});
