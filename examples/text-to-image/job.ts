import { runProgram } from "../common/program";
import { parseOptions, usage } from "./options";
import { drawPrompt } from "./prompt";
import { runDistillation } from "./run";
import type { World } from "./world";

/** The program of a world: what its command line asks for. */
export async function runJob(world: World): Promise<void> {
  await runProgram(async () => {
    const options = parseOptions(world, process.argv.slice(2));
    if (!options) console.log(usage(world));
    else if (options.prompt !== undefined) await drawPrompt(world, options.prompt, options);
    else await runDistillation(world, options);
  });
}
