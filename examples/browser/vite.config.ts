import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";
import { contentOf, served } from "./files.ts";

const root = import.meta.dirname;
const wasm = resolve(root, "../../node_modules", tfjs("backend-wasm"), "wasm-out");

/** With these a page may share memory among threads. A server that cannot send them costs speed only. */
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** How long a busy machine builds is no warning. */
const rolldownOptions = { checks: { bundlerTimings: false } };
const input = { index: join(root, "index.html"), training: join(root, "training/index.html") };

export default defineConfig({
  root,
  base: "./",
  appType: "mpa", // a file that is missing is a 404, not the page again
  build: {
    outDir: resolve(root, "../../runs/browser"),
    emptyOutDir: true,
    target: "es2022",
    rolldownOptions: { ...rolldownOptions, input },
  },
  worker: { format: "es", rolldownOptions },
  optimizeDeps: { include: ["core", "backend-cpu", "backend-wasm", "backend-webgl", "backend-webgpu"].map(tfjs) },
  server: { headers },
  preview: { headers },
  plugins: [
    serveFiles([
      ...Object.keys(served).map((address) => [address, () => contentOf(address)] as const),
      ...binaries().map((name) => [`wasm/${name}`, async () => readFileSync(join(wasm, name))] as const),
    ]),
  ],
});

function tfjs(part: string): string {
  return `@tensorflow/tfjs-${part}`;
}

function binaries(): string[] {
  return readdirSync(wasm).filter((name) => name.endsWith(".wasm"));
}

/** Serves files that lie outside the page's folder, and copies them into the build. */
function serveFiles(all: readonly (readonly [address: string, read: () => Promise<Uint8Array>])[]): Plugin {
  const files = new Map(all);
  return {
    name: "serve-files",
    configureServer({ middlewares }) {
      middlewares.use(async (request, response, next) => {
        const { pathname } = new URL(request.url ?? "/", "http://localhost");
        const read = files.get(pathname.slice(1));
        if (read === undefined) return next();
        const types: Readonly<Record<string, string>> = {
          wasm: "application/wasm",
          json: "application/json",
          png: "image/png",
        };
        response.setHeader("Content-Type", types[pathname.split(".").at(-1) ?? ""] ?? "application/octet-stream");
        response.end(await read());
      });
    },
    async generateBundle() {
      for (const [fileName, read] of files) this.emitFile({ type: "asset", fileName, source: await read() });
    },
  };
}
