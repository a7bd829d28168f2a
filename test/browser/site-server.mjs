// Serves the site that `npm run docs` builds, from a folder of choice, and opens its pages in a Chromium that is watched.
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { root } from "./support.mjs";

export const site = join(root, "docs/site");

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
  ".wasm": "application/wasm",
};

/** Serves the site under `base`, `/` or `/a/b/`; `sent` tells the compressed bytes of each path that was asked for. */
export async function serveSite(base) {
  const sent = new Map();
  const compressed = new Map();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
    const inside = path.startsWith(base) ? path.slice(base.length) : undefined;
    const file =
      inside === undefined
        ? undefined
        : join(site, inside === "" || inside.endsWith("/") ? `${inside}index.html` : inside);
    if (file === undefined || !existsSync(file) || !statSync(file).isFile()) return response.writeHead(404).end();
    if (!compressed.has(file)) compressed.set(file, gzipSync(readFileSync(file)));
    const bytes = compressed.get(file);
    sent.set(path, bytes.length);
    // Who asks for a range takes no compression.
    const takesGzip = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
    response.writeHead(200, {
      "Cache-Control": "max-age=600",
      "Content-Type": types[extname(file)] ?? "text/plain",
      ...(takesGzip && { "Content-Encoding": "gzip" }),
    });
    response.end(takesGzip ? bytes : readFileSync(file));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const address = `http://127.0.0.1:${server.address().port}${base}`;
  return { address, sent, close: () => server.close() };
}

/** A page of the browser that notes in `errors` what the console says, what is not found, and requests to other hosts. */
export async function openWatched(browser, address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.errors = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.errors.push(`${page.url()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => page.errors.push(`${page.url()}: ${error.message}`));
  page.on("response", (response) => {
    if (response.status() >= 400) page.errors.push(`${page.url()}: ${response.status()} of ${response.url()}`);
  });
  await page.route(
    (url) => !url.href.startsWith(address) && url.protocol !== "data:",
    (route) => {
      page.errors.push(`${page.url()} asks ${route.request().url()}`);
      return route.abort();
    },
  );
  return page;
}
