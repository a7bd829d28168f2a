// The recipe of docs/backends.md, "In a browser", done as it says: its commands and files taken from the page that is in
// the tarball, the tarball in place of the published package, its page served as it says and opened in a real Chromium.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { launch, root } from "./support.mjs";

const exec = promisify(execFile);
const options = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
const servers = [];
let temporary;
let folder;
let browser;

before(async () => {
  temporary = await mkdtemp(join(tmpdir(), "sid-lsg-recipe-"));
  folder = join(temporary, "page");
  await mkdir(folder);
  await exec("npm", ["pack", "--ignore-scripts", "--pack-destination", temporary], { cwd: root });
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const tarball = join(temporary, `sid-lsg-${version}.tgz`);
  const { stdout: page } = await exec("tar", ["-xzOf", tarball, "package/docs/backends.md"]);
  const recipe = page.split("\n## In a browser\n")[1].split("\n## ")[0];
  const [, commands] = recipe.match(/^```sh\n([\s\S]*?)^```$/m);
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "page", private: true, type: "module" }));
  for (const command of commands.trim().split("\n")) {
    const [npm, install, ...packages] = command.split(" ");
    assert.deepEqual([npm, install], ["npm", "install"]);
    const named = packages.map((name) => (name === "sid-lsg" ? tarball : name));
    await exec(npm, [install, ...named, ...options], { cwd: folder });
  }
  const files = [...recipe.matchAll(/^`([\w.]+)`\n\n```\w+\n([\s\S]*?)^```$/gm)];
  assert.deepEqual(
    files.map(([, name]) => name),
    ["vite.config.js", "index.html", "main.js"],
  );
  for (const [, name, text] of files) await writeFile(join(folder, name), text);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  for (const server of servers) server.kill();
  await rm(temporary, { recursive: true, force: true });
});

/** Starts vite in the page's folder; its address once it is served. */
async function vite(...options) {
  const server = spawn(process.execPath, [join(folder, "node_modules/vite/bin/vite.js"), ...options], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: "1" },
  });
  servers.push(server);
  let said = "";
  return await new Promise((resolve, reject) => {
    const listen = (data) => {
      said += data;
      const [address] = /http:\/\/[\w.:]+\//.exec(said) ?? [];
      if (address) resolve(address);
    };
    server.stdout.on("data", listen);
    server.stderr.on("data", listen);
    server.on("exit", (code) => reject(new Error(`vite ${options.join(" ")} ended with ${code}\n${said}`)));
  });
}

/** What the page shows when it is done, how many workers it has, and what it complained of. */
async function open(address) {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (line) => {
    const { url } = line.location();
    if (["error", "warning"].includes(line.type()) && !url.endsWith("favicon.ico"))
      errors.push(`${url}: ${line.text()}`);
  });
  await page.goto(address);
  const done = () => page.waitForFunction(() => /^samples:/m.test(document.querySelector("pre")?.textContent ?? ""));
  await done().catch((error) => errors.push(error.message));
  const lines = (await page.textContent("pre")).trim().split("\n");
  const workers = page.workers().length;
  await page.close();
  return { lines, workers, errors };
}

/** The page trained: ten figures, the last ones small beside the first, and four numbers at the end. */
function assertTrained({ lines, errors }) {
  assert.deepEqual(errors, []);
  const figures = lines.slice(1, -1).map((line) => line.split(": ").map(Number));
  assert.deepEqual(
    figures.map(([iteration]) => iteration),
    Array.from({ length: 10 }, (_, i) => 10 * (i + 1)),
  );
  assert.ok(figures.every(([, delta]) => delta > 0) && figures.at(-1)[1] < figures[0][1], lines.join("\n"));
  const samples = lines.at(-1).replace("samples: ", "").split(",").map(Number);
  assert.ok(samples.length === 4 && samples.every(Number.isFinite), lines.at(-1));
}

test("the page of the development server trains on threads", async () => {
  const seen = await open(await vite("--host", "127.0.0.1", "--port", "0"));
  assertTrained(seen);
  assert.equal(seen.lines[0], "on threads");
  assert.ok(seen.workers > 0, "no workers");
});

test("the page that is built trains: on threads where the headers are, on one where they are not, the same numbers", async () => {
  await exec(process.execPath, [join(folder, "node_modules/vite/bin/vite.js"), "build"], { cwd: folder });
  const isolated = await open(await vite("preview", "--host", "127.0.0.1", "--port", "0"));
  assertTrained(isolated);
  assert.equal(isolated.lines[0], "on threads");
  assert.ok(isolated.workers > 0, "no workers");
  const config = 'import { defineConfig } from "vite";\nexport default defineConfig({});\n';
  await writeFile(join(folder, "plain.config.js"), config);
  const plain = await open(await vite("preview", "--config", "plain.config.js", "--host", "127.0.0.1", "--port", "0"));
  assertTrained(plain);
  assert.match(plain.lines[0], /^on one thread/);
  assert.equal(plain.workers, 0);
  assert.deepEqual(plain.lines.slice(1), isolated.lines.slice(1));
});
