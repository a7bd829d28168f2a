// What README, guide and the other documents say of the package and of each other is true.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { documents as sitePages } from "../../scripts/site/documents";
import { headingsOf } from "../../scripts/site/markdown";

const documents = ["README.md", ...readdirSync("docs").flatMap((name) => (name.endsWith(".md") ? `docs/${name}` : []))];
const readmes = readdirSync("examples").map((name) => `examples/${name}/README.md`);
const pages = [...documents, ...readmes.filter((path) => existsSync(path))];
const text = (path: string) => readFileSync(path, "utf8");
const { exports, files, sideEffects, scripts } = JSON.parse(text("package.json"));

/** A document without its blocks of code. */
const prose = (path: string) => text(path).replace(/^```[\s\S]*?^```$/gm, "");

const anchors = (path: string) => headingsOf(text(path)).map(({ anchor }) => anchor);

describe.each(pages)("%s", (page) => {
  test("links to files and headings that are there", () => {
    for (const [, link = ""] of prose(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      const [path = "", anchor] = link.split("#");
      const file = path === "" ? page : join(dirname(page), path);
      expect(existsSync(file), link).toBe(true);
      if (anchor !== undefined) expect(anchors(file), link).toContain(decodeURI(anchor));
    }
  });

  test("names no script of npm that is not there", () => {
    for (const [, name = ""] of text(page).matchAll(/npm run (?:-s )?([\w:-]+)/g))
      expect(Object.keys(scripts), name).toContain(name);
  });
});

const folders = ["src", "examples", "bench", "scripts"];
const isCode = (name: string) => /\.(ts|mjs|cjs|py|json)$/.test(name) && !name.includes("node_modules");
const code = folders
  .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)))
  .filter(isCode)
  .map(text)
  .join("\n");
const words = new Set(code.match(/[\p{L}_$][\p{L}\p{N}_$]*/gu));

/** Names in the documents that are of others. */
const foreign = new Set(
  "setBackend setWasmPaths numBytes maxStorageBufferBindingSize vulkaninfo Conv2DBackpropFilter webkitdirectory isNullOrUndefined backoffLimit terminationGracePeriodSeconds".split(
    " ",
  ),
);

test.each(documents)("%s names nothing that the code lacks", (page) => {
  const named = [...prose(page).matchAll(/`([^`\n]+)`/g)].map(([, span]) => span ?? "");
  const identifiers = named.flatMap(
    (span) => span.match(/(?<![\w./-])(?:[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|\w+(?=\())/g) ?? [],
  );
  const unknown = identifiers.filter((name) => !words.has(name) && !foreign.has(name));
  expect([...new Set(unknown)]).toEqual([]);
});

test.each(documents.slice(1))("%s is in the package, on the site and in the README", (page) => {
  expect(files).toContain(page);
  expect(sitePages.map(({ source }) => source)).toContain(page);
  expect(text("README.md")).toContain(`](${page})`);
});

test("docs/extending.md adds a method in one file of at most 40 lines", () => {
  const [, file = ""] = /^```ts setup\n([\s\S]*?)^```$/m.exec(text("docs/extending.md")) ?? [];
  expect(file).toMatch(/^export function \w+\(.*ScoreMethod</m);
  expect(file.trimEnd().split("\n").length).toBeLessThanOrEqual(40);
});

test("the README lists the imports that there are", () => {
  const cells = [...text("README.md").matchAll(/^\| (`sid-lsg[^|]*) \|/gm)].map(([, cell]) => cell ?? "");
  const listed = cells.flatMap((cell) => [...cell.matchAll(/`([^`]*)`/g)].map(([, name]) => name)).sort();
  const subpaths = Object.keys(exports).filter((path) => path !== "./package.json");
  expect(listed).toEqual(subpaths.map((path) => path.replace(".", "sid-lsg")).sort());
});

test("the README says which imports register the gradients", () => {
  const [, sentence = ""] =
    /Importing `sid-lsg`, or its parts?([^.]*?) registers? the gradients/.exec(
      text("README.md").replace(/\s+/g, " "),
    ) ?? [];
  const parts = [...sentence.matchAll(/`([\w/]+)`/g)].map(([, name]) => `./dist/${name}.js`);
  const registering = (sideEffects as string[]).filter((path) => /^\.\/dist\/(?!index|chunk)[\w/]+\.js$/.test(path));
  expect(parts.sort()).toEqual(registering.sort());
});
