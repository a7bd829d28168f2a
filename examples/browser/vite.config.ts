import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { encodeSafetensors, readSafetensors } from "sid-lsg/io";
import { defineConfig, type Plugin } from "vite";
import { toEightBits } from "./eight-bit.ts";

const root = import.meta.dirname;
const modules = resolve(root, "../../node_modules");

/** With these a page may share memory among threads. A server that cannot send them costs speed only. */
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** How long a busy machine builds is no warning. */
const rolldownOptions = { checks: { bundlerTimings: false } };

export default defineConfig({
  root,
  base: "./",
  appType: "mpa", // a file that is missing is a 404, not the page again
  build: { outDir: resolve(root, "../../runs/browser"), emptyOutDir: true, target: "es2022", rolldownOptions },
  worker: { format: "es", rolldownOptions },
  optimizeDeps: { include: ["core", "backend-cpu", "backend-wasm", "backend-webgl", "backend-webgpu"].map(tfjs) },
  server: { headers },
  preview: { headers },
  plugins: [
    serveFiles({
      ...filesOf(resolve(root, "../quickstart/teacher"), "teacher", ".json"),
      ...filesOf(resolve(root, "../quickstart/teacher"), "teacher", ".safetensors"),
      "emoji.png": resolve(root, "../quickstart/emoji.png"),
      ...filesOf(join(modules, tfjs("backend-wasm"), "wasm-out"), "wasm", ".wasm"),
    }),
  ],
});

function tfjs(part: string): string {
  return `@tensorflow/tfjs-${part}`;
}

/** Files by their address beside the page: those under `folder` whose names end so. */
function filesOf(folder: string, address: string, ending: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => name.endsWith(ending) && statSync(join(folder, name)).isFile());
  return Object.fromEntries(files.map((name) => [`${address}/${name.replaceAll("\\", "/")}`, join(folder, name)]));
}

/** A file as the page is given it: weights in eight bits. */
async function contentOf(file: string): Promise<Uint8Array> {
  if (!file.endsWith(".safetensors")) return readFileSync(file);
  return encodeSafetensors(toEightBits((await readSafetensors(file)).tensors), { format: "pt" });
}

/** Serves files that lie outside the page's folder, and copies them into the build. */
function serveFiles(files: Readonly<Record<string, string>>): Plugin {
  return {
    name: "serve-files",
    configureServer({ middlewares }) {
      middlewares.use(async (request, response, next) => {
        const { pathname } = new URL(request.url ?? "/", "http://localhost");
        const file = files[pathname.slice(1)];
        if (file === undefined) return next();
        const types: Readonly<Record<string, string>> = {
          wasm: "application/wasm",
          json: "application/json",
          png: "image/png",
        };
        response.setHeader("Content-Type", types[file.split(".").at(-1) ?? ""] ?? "application/octet-stream");
        response.end(await contentOf(file));
      });
    },
    async generateBundle() {
      for (const [fileName, file] of Object.entries(files))
        this.emitFile({ type: "asset", fileName, source: await contentOf(file) });
    },
  };
}
