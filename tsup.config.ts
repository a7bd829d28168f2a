import { defineConfig } from "tsup";
import { registerGradientsPlugin } from "./scripts/register-gradients-plugin.ts";

/** One entry per subpath of the exports map; the shared chunks keep one copy of every class. */
export const subpaths = [
  "schedules",
  "predict",
  "guidance",
  "losses",
  "models",
  "models/sd",
  "models/features",
  "methods",
  "train",
  "memory",
  "metrics",
  "distributed",
  "testing",
  "io",
  "backends",
  "backends/cpu",
  "backends/wasm",
  "backends/webgl",
  "backends/webgpu",
];

export default defineConfig({
  entry: {
    index: "src/index.ts",
    ...Object.fromEntries(subpaths.map((name) => [name, `src/${name}/index.ts`])),
  },
  format: ["esm", "cjs"],
  target: "es2022",
  platform: "neutral",
  removeNodeProtocol: false,
  splitting: true,
  dts: true,
  clean: true,
  external: [/^@tensorflow\/(?!tfjs-core\/dist)/, /^node:/],
  noExternal: ["@tensorflow/tfjs-core/dist/register_all_gradients"],
  esbuildPlugins: [registerGradientsPlugin()],
});
