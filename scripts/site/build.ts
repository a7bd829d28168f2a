/**
 * Builds the site of docs/ and of the reference into docs/site, which works from any folder of any server.
 *
 *     npm run docs [-- --dev]
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build, createServer } from "vitepress";
import { staleTables } from "../tables/tables.ts";
import { brokenLinks } from "./check.ts";
import { documents } from "./documents.ts";
import { filesUnder } from "./files.ts";
import { givenNumbers } from "./given-numbers.ts";
import { liveFiles } from "./live-files.ts";
import { staleNumbers, unmarkedNumbers } from "./numbers.ts";
import { landingPicture, pictureName } from "./picture-name.mjs";
import { relocate } from "./relocate.ts";
import { stage } from "./stage.ts";

const staged = ".cache/site";
const out = "docs/site";

/** Writes a file unless it is there already, so that the development server sees what changed only. */
function put(path: string, bytes: Uint8Array | string): void {
  const file = join(staged, path);
  if (existsSync(file) && readFileSync(file).equals(Buffer.from(bytes))) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
}

/** Writes the pages. */
function writeStaged(): void {
  const { files, sidebar } = stage();
  for (const [path, file] of files) put(path, "text" in file ? file.text : readFileSync(file.copyOf));
  put("sidebar.json", JSON.stringify(sidebar));
  for (const path of filesUnder(staged))
    if (/\.(md|png|svg|webp)$/.test(path) && !path.startsWith("api/") && !files.has(path)) rmSync(join(staged, path));
}

/** Ends the program where something is wrong. */
function refuse(problems: readonly string[]): void {
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exit(1);
}

const seconds = () => `${process.uptime().toFixed(0)} s`;
if (!existsSync(join("docs/.vitepress/pages", pictureName())))
  refuse([`${landingPicture} is another: node scripts/site/picture.mjs`]);
refuse(
  documents
    .filter(({ source }) => existsSync(source))
    .flatMap(({ source }) => {
      const text = readFileSync(source, "utf8");
      const given = givenNumbers[source];
      const unmarked = given ? unmarkedNumbers(text, given) : [];
      return [...staleNumbers(text), ...unmarked, ...staleTables(text)].map((problem) => `${source}, ${problem}`);
    }),
);
execFileSync(process.execPath, ["node_modules/typedoc/bin/typedoc", "--logLevel", "Warn"], { stdio: "inherit" });
console.log(`the reference: ${seconds()}`);
writeStaged();
for (const [address, bytes] of await liveFiles()) put(`public/${address}`, bytes);
if (process.argv.includes("--dev")) {
  const server = await createServer("docs");
  await server.listen();
  server.printUrls();
  for (const folder of ["docs", "README.md", "CHANGELOG.md"])
    watch(folder, { recursive: true }, (_, name) => {
      if (!name?.startsWith("site/")) writeStaged();
    });
} else {
  process.env["SID_SITE_BUILD"] = "1";
  rmSync(out, { recursive: true, force: true });
  await build("docs");
  relocate(out);
  refuse(brokenLinks(out));
  console.log(`the site: ${seconds()}`);
}
