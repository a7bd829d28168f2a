// The page of examples/browser, built and served for its tests from a subfolder, in a real Chromium.
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";
import { build } from "vite";

export const root = resolve(import.meta.dirname, "../..");
export const example = join(root, "examples/browser");
const software = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
const quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"];
const types = { html: "text/html", js: "text/javascript", css: "text/css", wasm: "application/wasm" };
const isolation = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** Builds the page into a folder of that name under runs/, serves it at /plain/ and /isolated/, and starts a browser. */
export async function startPage(name) {
  const warnings = [];
  const built = join(root, "runs", name);
  await build({
    root: example,
    configFile: join(example, "vite.config.ts"),
    logLevel: "warn",
    build: { outDir: built },
    customLogger: logger(warnings),
  });
  const server = createServer(async (request, response) => {
    const [, kind, ...path] = new URL(request.url, "http://localhost").pathname.split("/");
    const file = join(built, ...path.map(decodeURIComponent), path.at(-1) === "" ? "index.html" : "");
    for (const [name, value] of kind === "isolated" ? Object.entries(isolation) : []) response.setHeader(name, value);
    if (!(await stat(file).catch(() => undefined))?.isFile()) return response.writeHead(404).end();
    response.setHeader("Content-Type", types[file.split(".").at(-1)] ?? "application/octet-stream");
    response.end(await readFile(file));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const address = `http://127.0.0.1:${server.address().port}`;
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-sync", ...quiet, ...software],
  });
  return {
    built,
    warnings,
    /** A browser's storage of its own. */
    newContext: () => browser.newContext(),
    /** The page at a path, from its first moment; `errors` fills with what the console reports. */
    async open(path, prepare = async () => {}, options = {}) {
      // A context has pages that share their storage.
      const page = await (options.newPage ? options : browser).newPage(...(options.newPage ? [] : [options]));
      const errors = [];
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("console", (line) => line.type() === "error" && errors.push(line.text()));
      await prepare(page);
      await page.goto(path.startsWith("http") ? path : `${address}${path}`);
      return Object.assign(page, { errors });
    },
    async close() {
      await browser.close();
      server.close();
    },
  };
}

/** Takes what vite has to complain about. */
function logger(warnings) {
  const warn = (message) => void warnings.push(message);
  return { info() {}, warn, warnOnce: warn, error: warn, clearScreen() {}, hasErrorLogged: () => false };
}
