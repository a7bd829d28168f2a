// The site, of what scripts/site/build.ts puts into .cache/site.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig } from "vitepress";
import { anchorOf } from "../../scripts/site/markdown.ts";
import { referenceSidebars } from "../../scripts/site/reference.ts";
import { baseScript, baseToken } from "../../scripts/site/relocate.ts";
import { setMarkdown, withoutFormulas } from "../../scripts/site/set-markdown.ts";
import { linkSymbols, symbolsOf } from "../../scripts/site/symbol-links.ts";

// Links to results are links to files.
process.env["VITE_EXTRA_EXTENSIONS"] = "jsonl";
const staged = resolve(".cache/site");
const sidebar = JSON.parse(readFileSync(`${staged}/sidebar.json`, "utf8"));
const building = process.argv.includes("build") || process.env["SID_SITE_BUILD"] !== undefined;

/** A point that moves to a ring of others, in the page itself: no request for it. */
const icon = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><g fill="#2563eb"><circle cx="8" cy="2.5" r="2"/><circle cx="13" cy="11" r="2"/><circle cx="3" cy="11" r="2"/></g><circle cx="8" cy="8" r="2.4" fill="#ea580c"/></svg>',
)}`;

export default defineConfig({
  title: "sid-lsg",
  description: "Score distillation in TypeScript: a pretrained diffusion model becomes a one-step generator.",
  lang: "en",
  srcDir: staged,
  outDir: resolve("docs/site"),
  cacheDir: resolve(".cache/vitepress"),
  // A build works from any folder: relocate.ts replaces this word by the way from each page.
  base: building ? baseToken : "/",
  head: [["link", { rel: "icon", href: icon }], ...(building ? ([["script", {}, baseScript]] as const) : [])],
  appearance: true,
  metaChunk: true,
  router: { prefetchLinks: false },
  markdown: {
    anchor: { slugify: anchorOf },
    image: { lazyLoading: true },
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    config: setMarkdown,
    codeTransformers: [
      linkSymbols(symbolsOf(`${staged}/api`, resolve(".cache/site-navigation.json")), building ? baseToken : "/"),
    ],
  },
  themeConfig: {
    nav: [
      { text: "Laboratory", link: "/laboratory" },
      {
        text: "Draw and train",
        items: [
          { text: "Draw", link: "/draw" },
          { text: "Train in your tab", link: "/train" },
        ],
      },
      { text: "Guide", link: "/guide/", activeMatch: "^/guide/" },
      { text: "Methods", link: "/methods/", activeMatch: "^/methods/" },
      { text: "Measured", link: "/league/", activeMatch: "^/(league|study|evaluation)" },
      { text: "Reference", link: "/api/", activeMatch: "^/api/" },
    ],
    sidebar: { ...referenceSidebars(resolve(".cache/site-navigation.json")), "/": sidebar },
    outline: { level: [2, 3] },
    search: {
      provider: "local",
      options: {
        // What a page says of itself is known once it is rendered.
        _render: (source, env, markdown) => {
          const html = markdown.render(source, env);
          return env.frontmatter?.search === false ? "" : withoutFormulas(html);
        },
        miniSearch: { searchOptions: { fuzzy: 0.1, prefix: true, boost: { title: 4, titles: 2, text: 1 } } },
      },
    },
    docFooter: { prev: "Before", next: "Next" },
    footer: { message: "Apache-2.0" },
  },
  vite: {
    resolve: { dedupe: ["vue"] },
    build: { chunkSizeWarningLimit: 4000, assetsInlineLimit: 0, target: "es2022" },
    worker: { format: "es" },
    // Found late they would have the development server load the page anew.
    optimizeDeps: {
      include: ["core", "backend-cpu", "backend-wasm", "backend-webgl", "backend-webgpu"].map(
        (part) => `@tensorflow/tfjs-${part}`,
      ),
    },
  },
});
