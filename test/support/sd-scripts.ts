import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

/** How a script ended, and all that it printed. */
export interface Outcome {
  readonly code: number | null;
  readonly text: string;
}

/** A place for the scripts of examples/sd: a tiny model, prompts, and a build of the library that is theirs alone. */
export async function prepareScripts(name: string) {
  const folder = mkdtempSync(join(tmpdir(), `sid-lsg-${name}-`));
  const [tiny, prompts, tsconfig] = [join(folder, "tiny"), join(folder, "prompts.txt"), join(folder, "tsconfig.json")];
  // Another test may be renewing dist.
  const dist = resolve(`.cache/${name}`);
  execFileSync("npx", ["tsup", "--no-dts", "--silent", "--out-dir", dist]);
  const paths = { "sid-lsg": [join(dist, "index.js")], "sid-lsg/*": [join(dist, "*.js")] };
  writeFileSync(tsconfig, JSON.stringify({ extends: resolve("tsconfig.base.json"), compilerOptions: { paths } }));
  writeFileSync(prompts, "\uFEFFa red fox\n\na blue boat\r\npainting of a cat in the snow\n");

  /** Runs a script as its npm script does; at the first line that matches, it is interrupted. */
  const run = async (script: string, args: readonly string[], at?: RegExp): Promise<Outcome> => {
    const command = ["--import", "./scripts/run-typescript.mjs", `examples/sd/${script}.ts`, ...args];
    const child = spawn(process.execPath, command, { env: { ...process.env, TSX_TSCONFIG_PATH: tsconfig } });
    const lines: string[] = [];
    let sent = false;
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on("line", (line) => {
        lines.push(line);
        if (!at?.test(line) || sent) return;
        sent = true;
        child.kill("SIGINT");
      });
    const [code] = await once(child, "close");
    return { code, text: lines.join("\n") };
  };
  const made = await run("make-tiny-model", ["--out", tiny]);
  if (made.code !== 0) throw new Error(made.text);
  const short = ["--iterations", "1", "--resolution", "64", "--batch", "2", "--lr", "1e-3", "--samples", "2"];
  return {
    folder,
    tiny,
    run,
    /** A short run of the trainer into a folder of this name. */
    distill: (out: string, args: readonly string[] = [], at?: RegExp) =>
      run("distill", ["--model", tiny, "--prompts", prompts, "--out", join(folder, out), ...short, ...args], at),
    remove() {
      for (const path of [folder, dist]) rmSync(path, { recursive: true, force: true });
    },
  };
}
