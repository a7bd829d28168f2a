// What a user gets: the tarball of `npm pack`, installed beside tfjs-core and one backend, nothing else of ours.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { build } from "esbuild";

const root = resolve(import.meta.dirname, "../..");
const { version, exports } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
const subpaths = Object.keys(exports).filter((path) => path !== "./package.json");
let folder = "";

const exec = promisify(execFile);

/** Runs a program in the consumer's folder and returns what it printed; its failure carries all output. */
async function run(program, ...args) {
  try {
    return (await exec(program, args, { cwd: folder })).stdout.trim();
  } catch (error) {
    throw new Error(`${program} ${args.join(" ")}\n${error.stdout}\n${error.stderr}`.slice(0, 4000));
  }
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sid-lsg-consumer-"));
  await cp(join(import.meta.dirname, "consumer"), folder, { recursive: true });
  await exec("npm", ["pack", "--pack-destination", folder], { cwd: root });
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
  const tfjs = ["tfjs-core", "tfjs-backend-cpu"].map((name) => `@tensorflow/${name}@4.22.0`);
  await run("npm", "install", "--ignore-scripts", "--prefer-offline", `./sid-lsg-${version}.tgz`, ...tfjs);
});
after(() => rm(folder, { recursive: true, force: true }));

test("the tarball holds the build, the licence and the changelog, and no sources or tests", async () => {
  const files = await readdir(join(folder, "node_modules/sid-lsg"));
  assert.deepEqual(files.sort(), ["CHANGELOG.md", "LICENSE", "README.md", "dist", "package.json"]);
});

test("ESM trains", async () => assert.equal(await run("node", "train.mjs"), "trained"));

test("CJS trains", async () => assert.equal(await run("node", "train.cjs"), "trained"));

test("every subpath loads in ESM and in CJS, with the same names and one copy of each class", async () => {
  await run("node", "subpaths.mjs", ...subpaths);
  await run("node", "subpaths.cjs", ...subpaths);
});

test("every part with something to differentiate registers the gradients by itself", async () => {
  for (const part of ["", "/guidance", "/predict", "/losses", "/models", "/train"]) {
    const script = `await import("sid-lsg${part}"); const { getGradient } = await import("@tensorflow/tfjs-core");
      console.log(Boolean(getGradient("Conv2D")))`;
    assert.equal(await run("node", "--input-type=module", "-e", script), "true", part);
  }
});

for (const resolution of ["node16", "bundler"])
  test(`TypeScript compiles with moduleResolution ${resolution}`, () =>
    run(join(root, "node_modules/.bin/tsc"), "-p", `tsconfig.${resolution}.json`));

test("a bundle for browsers trains, and leaves out what it does not use", async () => {
  const bundle = async (contents, banner = "") => {
    const options = { bundle: true, format: "esm", platform: "browser", write: false, logLevel: "silent" };
    const stdin = { contents, resolveDir: folder };
    const { outputFiles, warnings } = await build({ ...options, stdin, banner: { js: banner } });
    assert.deepEqual(warnings, []);
    return outputFiles[0].text;
  };
  // A window, so that tfjs takes Node for a browser.
  const app = await bundle(await readFile(join(folder, "train.mjs"), "utf8"), "globalThis.window = { document: {} };");
  assert.doesNotMatch(app, /from ?"node:/);
  await writeFile(join(folder, "app.mjs"), app);
  assert.equal(await run("node", "app.mjs"), "trained");
  const everything = subpaths.filter((path) => path !== "./backends").map((path) => path.replace(".", "sid-lsg"));
  const whole = await bundle(everything.map((name, i) => `export * as part${i} from "${name}";`).join("\n"));
  const part = await bundle(`export { sidLoss } from "sid-lsg";`);
  assert.match(part, /conv2DGradConfig/);
  assert.doesNotMatch(part, /decodeSafetensors|gaussianModel/);
  assert.match(whole, /decodeSafetensors|gaussianModel/);
});
