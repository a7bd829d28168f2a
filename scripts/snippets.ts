/**
 * Type-checks and runs every ```ts block of README.md, docs/*.md and the @example tags of src. A block that
 * chooses no backend runs on cpu; that the README's block needs nothing but what it says is for test/package to
 * show. A block opened with ```ts no-run is only type-checked; one opened with ```ts setup is what every later block
 * of its file begins with. Where `console.log(x); // 2.5` claims numbers, the numbers printed must be among them.
 *
 *     npm run test:snippets [-- PART_OF_A_PATH]
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { registerGradientsPlugin } from "./register-gradients-plugin.ts";

interface Snippet {
  /** Where the block begins, as `file:line`. */
  readonly at: string;
  /** The block below as many empty lines as precede it in its file: line numbers agree. */
  readonly code: string;
  readonly runs: boolean;
}

const work = resolve(".cache/snippets");

function listFiles(folder: string, extension: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(extension) && !name.startsWith("site/"))
    .map((name) => `${folder}/${name}`)
    .sort();
}

/** The ts blocks of a file; in TypeScript those inside comments, freed of their ` * `. */
function snippetsOf(file: string): Snippet[] {
  const text = readFileSync(file, "utf8");
  const bare = file.endsWith(".ts") ? text.replace(/^[ \t]*\* ?/gm, "") : text;
  let before = "";
  return [...bare.matchAll(/^```ts(?: (\S+))?\n([\s\S]*?)^```$/gm)].map((match) => {
    const line = bare.slice(0, match.index).split("\n").length + 1;
    const code = `${before}${"\n".repeat(line - before.split("\n").length)}${match[2]}`;
    if (match[1] === "setup") before = code;
    return { at: `${file}:${line}`, code: `${code}export {};\n`, runs: match[1] !== "no-run" };
  });
}

/** What the comments behind the block's console.log lines claim; null where one claims nothing in numbers. */
function claimsOf({ code }: Snippet): (string | null)[] {
  return [...code.matchAll(/console\.log\([\s\S]*?\);(?: *\/\/ (.*))?$/gm)].map(([, claim]) =>
    claim && /^[^a-z]/i.test(claim) ? claim : null,
  );
}

const fileName = ({ at }: Snippet) => at.replaceAll("/", "--").replace(/\.(ts|md):/, ".$1-");

const only = process.argv[2] ?? "";
const sources = ["README.md", ...listFiles("docs", ".md"), ...listFiles("src", ".ts")];
const snippets = sources.flatMap(snippetsOf).filter(({ at }) => at.includes(only));
rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });
for (const snippet of snippets) writeFileSync(join(work, `${fileName(snippet)}.ts`), snippet.code);

const root = resolve(".");
const tsconfig = {
  extends: join(root, "tsconfig.base.json"),
  compilerOptions: {
    noUnusedLocals: false,
    typeRoots: [join(root, "node_modules/@types")],
    paths: { "sid-lsg": [join(root, "src/index.ts")], "sid-lsg/*": [join(root, "src/*/index.ts")] },
  },
  include: [`${work}/*.ts`],
};
writeFileSync(join(work, "tsconfig.json"), JSON.stringify(tsconfig));
const types = spawnSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", work], {
  encoding: "utf8",
});
// .cache/snippets/src--core--tape.ts-24.ts(31,7) is src/core/tape.ts:31; errors of src itself are for `npm run typecheck`.
const typeErrors = [...types.stdout.matchAll(/^\S*snippets\/(\S+)\.(ts|md)-\d+\.ts\((\d+),\d+\)(.*)$/gm)].map(
  ([, name = "", extension, line, message]) => `${name.replaceAll("--", "/")}.${extension}:${line}${message}`,
);
for (const error of typeErrors) console.log(error);

const running = snippets.filter((snippet) => snippet.runs && !types.stdout.includes(`${fileName(snippet)}.ts(`));
await build({
  entryPoints: running.map((snippet) => join(work, `${fileName(snippet)}.ts`)),
  outdir: join(work, "out"),
  outExtension: { ".js": ".mjs" },
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  sourcemap: "inline",
  external: ["@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-*", "@tensorflow/tfjs-layers"],
  plugins: [registerGradientsPlugin()],
  tsconfig: join(work, "tsconfig.json"),
  logLevel: "error",
});

const list = running.map((snippet) => ({
  at: snippet.at,
  file: join(work, "out", `${fileName(snippet)}.mjs`),
  claims: claimsOf(snippet),
}));
writeFileSync(join(work, "list.json"), JSON.stringify(list));
const folder = mkdtempSync(join(tmpdir(), "sid-lsg-snippets-"));
const run = spawnSync(
  process.execPath,
  ["--enable-source-maps", resolve("scripts/run-snippets.mjs"), join(work, "list.json")],
  {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
    timeout: 600_000,
  },
);
rmSync(folder, { recursive: true });
const passed = typeErrors.length === 0 && run.status === 0;
console.log(`${snippets.length} snippets type-checked, ${running.length} run: ${passed ? "all pass" : "FAILED"}`);
process.exitCode = passed && snippets.length > 0 ? 0 : 1;
