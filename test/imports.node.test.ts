import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

/** What each folder of src may import, itself and core apart. Every arrow points one way. */
const layers: Readonly<Record<string, readonly string[]>> = {
  core: [],
  schedules: [],
  predict: ["schedules"],
  guidance: [],
  losses: ["schedules", "predict", "guidance"],
  models: ["schedules", "predict", "guidance"],
  methods: ["schedules", "predict", "guidance", "losses", "models"],
  train: ["schedules", "predict", "guidance", "losses", "models", "methods", "io", "distributed"],
  metrics: ["io"],
  io: [],
  distributed: [],
  backends: [],
  memory: ["schedules", "guidance", "models", "methods", "train", "distributed"],
  testing: ["schedules", "predict", "guidance", "losses", "models", "methods", "train"],
};

/** Of models, methods and training know the interfaces and what works on every model, never a network. */
const modelsForTraining = ["models/types", "models/predict-x0"];

interface Import {
  readonly file: string;
  readonly from: string;
}

const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const text = (file: string) => readFileSync(join("src", file), "utf8");
/** Code without its comments, so that examples do not count. */
const code = (file: string) => text(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
const statements = files.flatMap((file): Import[] =>
  [...code(file).matchAll(/^(?:import|export)\s+(?:[^;"']*?\sfrom\s+)?["']([^"']+)["']/gm)].map((match) => ({
    file,
    from: match[1] ?? "",
  })),
);
/** The file of src that a relative import names. */
const target = ({ file, from }: Import) => relative("src", resolve("src", dirname(file), from));
/** The file that a path of src names, without its ending or by its folder. */
const fileOf = (path: string) => [`${path}.ts`, join(path, "index.ts")].find((name) => files.includes(name)) ?? path;
const layerOf = (path: string) => path.split("/")[0] ?? "";
const show = (list: readonly Import[]) => list.map(({ file, from }) => `${file} imports ${from}`);

test("the import lines are found", () => {
  expect(statements.length).toBeGreaterThan(100);
  expect(new Set(statements.map(({ from }) => from))).toContain("@tensorflow/tfjs-core");
  expect(Object.keys(layers).sort()).toEqual([...new Set(files.map(layerOf))].filter((n) => n !== "index.ts").sort());
});

test("imports between the folders of src point one way", () => {
  const relatives = statements.filter(({ file, from }) => from.startsWith(".") && file !== "index.ts");
  const wrong = relatives.filter((statement) => {
    const [from, to] = [layerOf(statement.file), layerOf(target(statement))];
    // A whole Stable Diffusion and a feature network are loaded from files; other networks know none.
    if (/^models\/(sd|features)\//.test(statement.file) && to === "io") return false;
    if (["train", "methods"].includes(from) && to === "models") return !modelsForTraining.includes(target(statement));
    return to !== from && to !== "core" && !layers[from]?.includes(to);
  });
  expect(show(wrong)).toEqual([]);
});

test("the layering itself has no circle", () => {
  const reaches = (from: string, seen: readonly string[] = []): readonly string[] =>
    (layers[from] ?? []).flatMap((to) => (seen.includes(to) ? [to] : [to, ...reaches(to, [...seen, to])]));
  for (const layer of Object.keys(layers)) expect(reaches(layer), layer).not.toContain(layer);
});

test("no file of src imports itself in a circle, types included", () => {
  const imports = new Map(
    files.map((file) => [
      file,
      statements
        .filter((statement) => statement.file === file && statement.from.startsWith("."))
        .map((statement) => fileOf(target(statement))),
    ]),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) circles.push([...path.slice(start), file].join(" → "));
    if (start >= 0 || done.has(file)) return;
    for (const next of imports.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});

test("test/ mirrors src/: each folder of tests is one of src, of the examples or of the scripts, or holds no subject", () => {
  const subjects = ["contracts", "property", "golden", "types", "package", "browser", "support"];
  const folders = readdirSync("test", { recursive: true, encoding: "utf8" })
    .filter((name) => /\.test\.m?ts$/.test(name))
    .map(dirname)
    .filter((folder) => folder !== "." && !subjects.includes(layerOf(folder)));
  const known = (folder: string) => existsSync(join("src", folder)) || existsSync(folder);
  expect([...new Set(folders)].filter((folder) => !known(folder))).toEqual([]);
  const flat = readdirSync("test").filter((name) => name.endsWith(".ts"));
  expect(flat.sort()).toEqual(["bad-input.test.ts", "imports.node.test.ts"]);
});

test("nothing outside src is imported from it, and from packages only TensorFlow.js and what a folder needs", () => {
  const packages: Readonly<Record<string, readonly string[]>> = { io: ["fflate"], metrics: ["ml-matrix"] };
  const wrong = statements.filter((statement) =>
    statement.from.startsWith(".")
      ? target(statement).startsWith("..")
      : !["@tensorflow/tfjs-core", "@tensorflow/tfjs-core/dist/register_all_gradients"].includes(statement.from) &&
        !packages[layerOf(statement.file)]?.includes(statement.from) &&
        !(layerOf(statement.file) === "backends" && statement.from.startsWith("@tensorflow/")),
  );
  expect(show(wrong)).toEqual([]);
});

test("a module of Node is imported only when it is needed", () => {
  expect(show(statements.filter(({ from }) => from.startsWith("node:")))).toEqual([]);
});

test("what a module remembers is common to all copies of this package, but for these, which each copy may have", () => {
  const caches = ["backends/wasm/assembly.ts", "backends/webgpu/dawn.ts", "io/half.ts"];
  const starting = ["backends/webgpu/use-webgpu.ts"];
  const remembers =
    /^(?:export )?(?:let |var |const \w+(?:: [^=]+)? = (?:new (?:Weak)?(?:Map|Set)(?:<[^\n]*>)?\(\)|\[\]|\{\});)/m;
  const wrong = files.filter((file) => !file.includes("assembly/") && remembers.test(code(file)));
  expect(wrong.sort()).toEqual([...caches, ...starting].sort());
});

test("the root never brings models/sd or models/features along", () => {
  const seen = new Set<string>();
  const visit = (path: string): void => {
    const file = fileOf(path);
    if (seen.has(file)) return;
    seen.add(file);
    for (const statement of statements.filter((s) => s.file === file && s.from.startsWith(".")))
      visit(target(statement));
  };
  visit("index");
  expect(seen.size).toBeGreaterThan(10);
  expect([...seen].filter((file) => /^models\/(sd|features)\//.test(file))).toEqual([]);
});

test("files stay short enough to read, and export by name", () => {
  expect(files.filter((file) => text(file).split("\n").length > 400)).toEqual([]);
  expect(files.filter((file) => /^export default/m.test(code(file)))).toEqual([]);
});

test("nothing reads a folder beside the repository", () => {
  const folders = ["src", "scripts", "examples", "bench", "test", "docs"];
  const outside = ["..", "shared"].join("/");
  const readers = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(ts|mjs|cjs|py|md|json)$/.test(name) && !name.includes("api/"))
      .filter((name) => readFileSync(join(folder, name), "utf8").includes(outside))
      .map((name) => join(folder, name)),
  );
  expect(readers).toEqual([]);
});
