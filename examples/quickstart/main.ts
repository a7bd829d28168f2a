/** `npm start`: a one-step text-to-image generator, distilled from captions alone. See README.md. */
import { parseOptions, usage } from "./options";
import { drawPrompt } from "./prompt";
import { runQuickStart } from "./run";

try {
  const options = parseOptions(process.argv.slice(2));
  if (!options) console.log(usage);
  else if (options.prompt !== undefined) await drawPrompt(options.prompt, options);
  else await runQuickStart(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
