import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareLibrary, type Start } from "./scripts";

/** A place for the scripts of examples/sd: a tiny model, prompts, and a build of the library that is theirs alone. */
export async function prepareScripts(name: string) {
  const folder = mkdtempSync(join(tmpdir(), `sid-lsg-${name}-`));
  const [tiny, prompts] = [join(folder, "tiny"), join(folder, "prompts.txt")];
  const library = prepareLibrary(name);
  writeFileSync(prompts, "\uFEFFa red fox\n\na blue boat\r\npainting of a cat in the snow\n");

  /** Runs a script as its npm script does; at the first line that matches, it is interrupted. */
  const run = (script: string, args: readonly string[], at?: RegExp) => library.run(`sd/${script}`, args, at);
  const made = await run("make-tiny-model", ["--out", tiny]);
  if (made.code !== 0) throw new Error(made.text);
  const short = ["--iterations", "1", "--resolution", "64", "--batch", "2", "--lr", "1e-3", "--samples", "2"];
  const trained = (out: string, args: readonly string[]) => [
    "--model",
    tiny,
    "--prompts",
    prompts,
    "--out",
    join(folder, out),
    ...short,
    ...args,
  ];
  return {
    folder,
    tiny,
    prompts,
    library,
    run,
    /** A short run of the trainer into a folder of this name. */
    distill: (out: string, args: readonly string[] = [], at?: RegExp) => run("distill", trained(out, args), at),
    /** The same, to be watched while it runs. */
    start: (out: string, args: readonly string[] = [], start?: Start) =>
      library.start("sd/distill", trained(out, args), start),
    remove() {
      rmSync(folder, { recursive: true, force: true });
      library.remove();
    },
  };
}
