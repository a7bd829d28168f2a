// What the tests in a real Chromium share: a bundle of a page's script, a server for it, and the browser.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { chromium } from "playwright-core";

export const root = resolve(import.meta.dirname, "../..");
const binaries = join(root, "node_modules/@tensorflow/tfjs-backend-wasm/wasm-out");

/** The script of a page beside this file, as a browser takes it. */
export async function bundle(file, options = {}) {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, file)],
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
    tsconfig: join(root, "tsconfig.base.json"),
    logLevel: "error",
    ...options,
  });
  return outputFiles[0].contents;
}

/** Serves a script in pages at `/isolated/`, `/plain/` and `/empty/` (without the binaries of WASM), and some files. */
export async function serve(script, files = {}) {
  const server = createServer(async (request, response) => {
    const [, kind, ...path] = request.url.split("/");
    const file = path.join("/");
    if (kind === "isolated") {
      response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
      response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    }
    if (file === "page.js") response.setHeader("Content-Type", "text/javascript").end(script);
    else if (file.endsWith(".wasm") && kind !== "empty")
      response.setHeader("Content-Type", "application/wasm").end(await readFile(join(binaries, file)));
    else if (file === "")
      response.setHeader("Content-Type", "text/html").end('<script type="module" src="page.js"></script>');
    else if (Object.hasOwn(files, file)) await sendPart(request, response, files[file]);
    else response.writeHead(404).end();
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return { address: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** A file, or the range of it that was asked for. */
async function sendPart(request, response, path) {
  const bytes = await readFile(path);
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  if (from === undefined) return response.setHeader("Accept-Ranges", "bytes").end(bytes);
  const end = Math.min(bytes.length - 1, to ? Number(to) : Infinity);
  response.writeHead(206, { "Content-Range": `bytes ${from}-${end}/${bytes.length}`, "Accept-Ranges": "bytes" });
  response.end(bytes.subarray(Number(from), end + 1));
}

/** Debian's Chromium, kept off the network; with a GPU that the processor plays where one is asked for. */
export async function launch({ gpu = false } = {}) {
  const quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"];
  const software = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--use-angle=swiftshader"];
  return await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-sync", ...quiet, ...(gpu ? [...software, "--enable-unsafe-swiftshader"] : [])],
  });
}

/** Has a script run first in the workers of a page. */
export const inWorker = (script) => (page) =>
  page.route("**/worker-*.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `(${script})();${await response.text()}` });
  });

/** For `inWorker`: keeps the GPU that the worker takes within reach, and counts what it is given to do. */
export function keepGpu() {
  globalThis.submits = 0;
  GPUAdapter.prototype.requestDevice = new Proxy(GPUAdapter.prototype.requestDevice, {
    async apply(request, adapter, given) {
      globalThis.gpu = await Reflect.apply(request, adapter, given);
      return globalThis.gpu;
    },
  });
  GPUQueue.prototype.submit = new Proxy(GPUQueue.prototype.submit, {
    apply(submit, queue, given) {
      globalThis.submits++;
      return Reflect.apply(submit, queue, given);
    },
  });
}

/** Takes the GPU away from the worker of a page. */
export const loseGpu = (page) =>
  page
    .workers()
    .at(-1)
    .evaluate(() => globalThis.gpu.destroy());

/** What the worker of a page has given its GPU to do. */
export const submits = (page) =>
  page
    .workers()
    .at(-1)
    .evaluate(() => globalThis.submits);
