// What a user gets: the tarball of `npm pack`, installed beside tfjs-core and one backend, nothing else of ours.
// One folder has the cpu backend. The other has wasm, which brings cpu along as a dependency of its own.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { build } from "esbuild";

const root = resolve(import.meta.dirname, "../..");
const { version, exports } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
const subpaths = Object.keys(exports).filter((path) => path !== "./package.json");
let temporary = "";
let folder = "";
const folderOf = (backend) => join(temporary, backend);

const exec = promisify(execFile);

/** Runs a program in a consumer's folder and returns what it printed; its failure carries all output. */
async function runIn(cwd, program, ...args) {
  try {
    return (await exec(program, args, { cwd })).stdout.trim();
  } catch (error) {
    throw new Error(`${program} ${args.join(" ")}\n${error.stdout}\n${error.stderr}`.slice(0, 4000));
  }
}
const run = (program, ...args) => runIn(folder, program, ...args);

before(async () => {
  temporary = await mkdtemp(join(tmpdir(), "sid-lsg-consumer-"));
  folder = folderOf("cpu");
  await exec("npm", ["pack", "--pack-destination", temporary], { cwd: root });
  for (const backend of ["cpu", "wasm"]) {
    const path = folderOf(backend);
    await mkdir(path);
    await writeFile(join(path, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
    const tfjs = ["tfjs-core", `tfjs-backend-${backend}`].map((name) => `@tensorflow/${name}@4.22.0`);
    const tarball = join(temporary, `sid-lsg-${version}.tgz`);
    await runIn(path, "npm", "install", "--ignore-scripts", "--prefer-offline", tarball, ...tfjs);
  }
  await cp(join(import.meta.dirname, "consumer"), folder, { recursive: true });
  await cp(join(folder, "two-copies.mjs"), join(folderOf("wasm"), "two-copies.mjs"));
});
after(() => rm(temporary, { recursive: true, force: true }));

test("the tarball holds the build, the licence and the changelog, and no sources or tests", async () => {
  const files = await readdir(join(folder, "node_modules/sid-lsg"));
  assert.deepEqual(files.sort(), ["CHANGELOG.md", "LICENSE", "README.md", "dist", "docs", "package.json"]);
});

test("every file that the README and the guide link to is there", async () => {
  for (const page of [
    "README.md",
    "docs/backends.md",
    "docs/distributed.md",
    "docs/evaluation.md",
    "docs/extending.md",
    "docs/faq.md",
    "docs/guide.md",
    "docs/methods.md",
    "docs/performance.md",
    "docs/stable-diffusion.md",
  ]) {
    const path = join(folder, "node_modules/sid-lsg", page);
    for (const [, link] of (await readFile(path, "utf8")).matchAll(/\]\((?!https?:|#)([^)#]+)/g))
      await readFile(join(dirname(path), link));
  }
});

/** An example of the README that is in the tarball, run as the README says. */
async function runExample(backend, change = (code) => code, index = 0) {
  const path = folderOf(backend);
  const readme = await readFile(join(path, "node_modules/sid-lsg/README.md"), "utf8");
  await writeFile(join(path, "example.mts"), change([...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)][index][1]));
  return (await runIn(path, join(root, "node_modules/.bin/tsx"), "example.mts")).split("\n");
}

test("the README's example runs as it stands, and learns", async () => {
  const lines = await runExample("wasm");
  const figures = lines.map((line) => line.match(/^(\d+) (\d\S+)$/)).filter(Boolean);
  assert.ok(figures.length >= 5, lines.join("\n"));
  const bounds = figures.map(([, , bound]) => Number(bound));
  assert.ok(bounds.at(-1) < 0.1 * Math.max(...bounds), lines.join("\n"));
  const samples = lines.slice(lines.indexOf("Tensor") + 1).flatMap((line) => line.match(/-?\d+\.\d+/g).map(Number));
  assert.equal(samples.length, 8);
  const square = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
  assert.ok(square > 0.3 && square < 2, `points of N(0, 1): ${samples}`);
});

test("the README's loop of one's own runs as it stands, and learns", async () => {
  const mean = Number((await runExample("wasm", (code) => code, 1))[0]);
  assert.ok(Math.abs(mean - 1) < 0.3, `the mean of points around 1: ${mean}`);
});

test("the README's example runs on the cpu backend", async () => {
  const lines = await runExample("cpu", (code) => {
    const changed = code
      .replace('useBackend("wasm")', 'useBackend("cpu")')
      .replace(/iterations: \d+/, "iterations: 30");
    assert.match(changed, /useBackend\("cpu"\)[\s\S]*iterations: 30 /);
    return changed;
  });
  assert.match(lines[0], /^30 0\.\d+$/);
});

test("ESM trains", async () => assert.equal(await run("node", "train.mjs"), "trained"));

test("CJS trains", async () => assert.equal(await run("node", "train.cjs"), "trained"));

test("every subpath loads in ESM and in CJS, with the same names and one copy of each class", async () => {
  await run("node", "subpaths.mjs", ...subpaths);
  await run("node", "subpaths.cjs", ...subpaths);
});

test("ESM and CJS in one process have one kind of error, and register kernels and gradients in silence", async () => {
  for (const backend of ["cpu", "wasm"])
    assert.equal(await runIn(folderOf(backend), "node", "two-copies.mjs", backend), "one", backend);
});

const registering = [
  "",
  "/guidance",
  "/predict",
  "/losses",
  "/models",
  "/models/sd",
  "/models/features",
  "/methods",
  "/train",
  "/memory",
  "/testing",
];

test("every part with something to differentiate registers the gradients by itself", async () => {
  for (const part of registering) {
    const script = `await import("sid-lsg${part}"); const { getGradient } = await import("@tensorflow/tfjs-core");
      console.log(Boolean(getGradient("Conv2D")))`;
    assert.equal(await run("node", "--input-type=module", "-e", script), "true", part);
  }
});

for (const resolution of ["node16", "bundler"])
  test(`TypeScript compiles with moduleResolution ${resolution}`, () =>
    run(join(root, "node_modules/.bin/tsc"), "-p", `tsconfig.${resolution}.json`));

// A window, so that tfjs takes Node for a browser.
const browser = "globalThis.window = { document: {} };";

/** A bundle for browsers as bundlers make it that split: what a page loads at first, then what it may load later. */
async function parts(contents, path) {
  const options = { bundle: true, format: "esm", platform: "browser", write: false, logLevel: "silent", minify: true };
  const stdin = { contents, resolveDir: path };
  const { outputFiles } = await build({
    ...options,
    stdin,
    splitting: true,
    outdir: "out",
    external: ["@tensorflow/*"],
  });
  return outputFiles.map(({ text }) => text);
}

/** A bundle for browsers, made in a consumer's folder. */
async function bundle(contents, { path = folder, banner = "", external = [] } = {}) {
  const options = { bundle: true, format: "esm", platform: "browser", write: false, logLevel: "silent" };
  const stdin = { contents, resolveDir: path };
  const { outputFiles, warnings } = await build({ ...options, stdin, external, banner: { js: banner } });
  assert.deepEqual(warnings, []);
  return outputFiles[0].text;
}

test("a bundle for browsers trains, and leaves out what it does not use", async () => {
  const app = await bundle(await readFile(join(folder, "train.mjs"), "utf8"), { banner: browser });
  assert.doesNotMatch(app, /from ?"node:/);
  await writeFile(join(folder, "app.mjs"), app);
  assert.equal(await run("node", "app.mjs"), "trained");
  const everything = subpaths
    .filter((path) => !path.startsWith("./backends"))
    .map((path) => path.replace(".", "sid-lsg"));
  const whole = await bundle(everything.map((name, i) => `export * as part${i} from "${name}";`).join("\n"));
  const part = await bundle(`export { sidLoss } from "sid-lsg";`);
  assert.match(part, /conv2DGradConfig/);
  assert.doesNotMatch(part, /decodeSafetensors|gaussianModel/);
  assert.match(whole, /decodeSafetensors|gaussianModel/);
});

test("a bundle keeps an import that is there for the gradients only", async () => {
  for (const part of registering)
    assert.match(await bundle(`import "sid-lsg${part}";`), /conv2DGradConfig/, `sid-lsg${part}`);
});

test("a program that computed on two threads ends by itself", async () => {
  const script = `const { useBackend } = await import("sid-lsg/backends");
    const { matMul, ones } = await import("@tensorflow/tfjs-core");
    const { default: threads } = await import("node:worker_threads");
    let started = 1;
    threads.Worker = class extends threads.Worker {
      constructor(...options) {
        super(...options);
        started++;
      }
    };
    await useBackend("wasm", { threads: 2 });
    console.log(started, matMul(ones([300, 300]), ones([300, 300])).dataSync()[0]);`;
  const options = { cwd: folderOf("wasm"), timeout: 60_000 };
  const { stdout } = await exec("node", ["--input-type=module", "-e", script], options);
  assert.equal(stdout.trim(), "2 300");
});

test("an error that nobody catches prints itself, not the script of the binary", async () => {
  const code = `const { useBackend } = await import("sid-lsg/backends");
    await useBackend("wasm", { threads: 1 });
    setTimeout(() => {
      throw new Error("of the program");
    });`;
  const args = ["--enable-source-maps", "--input-type=module", "-e", code];
  const { stderr } = await exec("node", args, { cwd: folderOf("wasm") }).then(assert.fail, (error) => error);
  assert.match(stderr, /Error: of the program/);
  assert.ok(stderr.length < 1000, stderr.slice(0, 1000));
});

test("sid-lsg/backends can be bundled where one backend is installed", async () => {
  const code = `import { getBackend } from "@tensorflow/tfjs-core";
    import { useBackend } from "sid-lsg/backends";
    await useBackend("cpu");
    console.log(getBackend());
    console.log(await useBackend("wasm").catch((error) => error.code));`;
  await writeFile(join(folder, "cpu.mjs"), await bundle(code, { banner: browser }));
  assert.equal(await run("node", "cpu.mjs"), "cpu\nmissing-backend");
  const path = folderOf("wasm");
  assert.match(await bundle(`export * from "sid-lsg/backends";`, { path }), /tfjs-backend-wasm\.wasm/);
});

test("a page loads the code of the backend that it uses, and no other's", async () => {
  const path = folderOf("wasm");
  const own = {
    wasm: /WASM_HAS_SIMD_SUPPORT/,
    webgpu: /requestAdapter/,
    webgl: /webglcontextlost/,
    node: /TF_NUM_INTRAOP/,
  };
  const code = `import { useBackend } from "sid-lsg/backends"; await useBackend("wasm");`;
  const [page, ...chunks] = await parts(code, path);
  assert.ok(page.length < 10_000, `${page.length} bytes`);
  for (const [backend, text] of Object.entries(own)) {
    assert.doesNotMatch(page, text, backend);
    assert.equal(chunks.filter((chunk) => text.test(chunk)).length, 1, backend);
  }
  assert.equal(chunks.filter((chunk) => Object.values(own).filter((text) => text.test(chunk)).length > 1).length, 0);
});

test("a bundle of one file holds one backend, where that is imported alone", async () => {
  const path = folderOf("wasm");
  const code = `import { getBackend } from "@tensorflow/tfjs-core";
    import { useBackend } from "sid-lsg/backends/wasm";
    await useBackend({ threads: 1 });
    console.log(getBackend());`;
  await writeFile(join(path, "alone.mjs"), code);
  assert.equal(await runIn(path, "node", "alone.mjs"), "wasm");
  const text = await bundle(code, { path });
  assert.match(text, /SidAttention/);
  assert.doesNotMatch(text, /requestAdapter|webglcontextlost|TF_NUM_INTRAOP/);
  await writeFile(join(folder, "alone.mjs"), code.replaceAll("wasm", "cpu").replace("{ threads: 1 }", ""));
  assert.equal(await run("node", "alone.mjs"), "cpu");
});

test("sid-lsg/io can be bundled for browsers without the hub's package, which is asked for when it is needed", async () => {
  const code = `import { blobFolder, hubFolder, readComponent } from "sid-lsg/io";
    const files = new Map([["scheduler/scheduler_config.json", new Blob(['{"beta_start": 0.5}'])]]);
    console.log((await readComponent(blobFolder(files), "scheduler")).config.beta_start);
    console.log(await hubFolder("owner/model").open("model_index.json").catch((error) => error.code));`;
  await writeFile(join(folder, "io.mjs"), await bundle(code, { banner: browser }));
  assert.equal(await run("node", "io.mjs"), "0.5\nmissing-package");
  const message = `import("sid-lsg/io").then(({ hubFolder }) => hubFolder("owner/model").open("x")).catch((e) => console.log(e.message))`;
  assert.match(await run("node", "-e", message), /npm install @huggingface\/hub$/);
});
