/** `npm start`: a one-step text-to-image generator, distilled from captions alone. See README.md. */
import { runProgram } from "../common/program";
import { parseOptions, usage } from "./options";
import { drawPrompt } from "./prompt";
import { runQuickStart } from "./run";

await runProgram(async () => {
  const options = parseOptions(process.argv.slice(2));
  if (!options) console.log(usage);
  else if (options.prompt !== undefined) await drawPrompt(options.prompt, options);
  else await runQuickStart(options);
});
