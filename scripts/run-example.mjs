/**
 * `node scripts/run-example.mjs sd/distill.ts …` runs a script of examples/ from any folder, on a library that is built
 * first where its sources are newer: what runs already keeps the files that it was started with, until `npm run build`.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");
const [script = "", ...args] = process.argv.slice(2);

if (!isFresh()) build();
await import("./run-typescript.mjs");
const file = join(root, "examples", script);
process.argv = [process.execPath, file, ...args];
await import(pathToFileURL(file).href);

function isFresh() {
  const built = statSync(join(dist, "index.js"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(join(root, "src"), { recursive: true }).map((name) => join(root, "src", name));
  const recipe = ["tsup.config.ts", "scripts/register-gradients-plugin.ts"].map((name) => join(root, name));
  return [...sources, ...recipe].every((path) => statSync(path).mtimeMs < built);
}

/** Builds aside and puts file by file in place, index.js last, so that another run never meets half a library. */
function build() {
  mkdirSync(join(root, ".cache"), { recursive: true });
  const aside = mkdtempSync(join(root, ".cache", "dist-"));
  try {
    const tsup = join(root, "node_modules", "tsup", "dist", "cli-default.js");
    const options = ["--no-dts", "--silent", "--out-dir", aside];
    const { status } = spawnSync(process.execPath, [tsup, ...options], { cwd: root, stdio: "inherit" });
    if (status !== 0) process.exit(status ?? 1);
    const made = readdirSync(aside, { recursive: true }).filter((name) => statSync(join(aside, name)).isFile());
    for (const name of made.sort((a, b) => rank(a) - rank(b))) {
      mkdirSync(dirname(join(dist, name)), { recursive: true });
      renameSync(join(aside, name), join(dist, name));
    }
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

/** Chunks come before what imports them. */
function rank(name) {
  return name.startsWith("chunk-") ? 0 : name === "index.js" ? 2 : 1;
}
